-- Commands to vehicles, what the commands app remembers of its work, desired states, bulk jobs and
-- each tenant's downlink policy. Times are microseconds UTC: they are compared with those of events.

CREATE TABLE commands (
    id          uuid PRIMARY KEY,
    tenant      bigint NOT NULL REFERENCES tenants,
    vehicle     bigint NOT NULL CHECK (vehicle > 0),
    partition   smallint NOT NULL,
    number      integer NOT NULL CHECK (number BETWEEN 1 AND 65535),
    kind        text NOT NULL,
    parameters  jsonb NOT NULL,
    class       text NOT NULL,
    priority    smallint NOT NULL,
    tries_max   integer NOT NULL DEFAULT 0,
    made_us     bigint NOT NULL,
    deadline_us bigint NOT NULL,
    maker       text NOT NULL DEFAULT '',
    idempotency text COLLATE "C",
    digest      bytea,
    bulk        uuid,
    state       text NOT NULL DEFAULT 'queued' CHECK (state IN
        ('queued', 'sent', 'delivered', 'succeeded', 'failed', 'expired', 'cancelled')),
    code        text NOT NULL DEFAULT '',
    detail      text NOT NULL DEFAULT '',
    facts       jsonb NOT NULL DEFAULT '{}',
    notes       jsonb NOT NULL DEFAULT '[]',
    tries       integer NOT NULL DEFAULT 0,
    attempts    jsonb NOT NULL DEFAULT '[]',
    keys        text[] NOT NULL DEFAULT '{}',
    -- While a try is out: until when its silence is borne. 0: none is out.
    wait_us     bigint NOT NULL DEFAULT 0,
    -- Not to be tried before.
    next_us     bigint NOT NULL DEFAULT 0,
    sent_us     bigint,
    delivered_us bigint,
    ended_us    bigint,
    -- States reached and states told in the log, a bit each: queued 1, sent 2, delivered 4, outcome 8.
    reached     smallint NOT NULL DEFAULT 1,
    told        smallint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX commands_number ON commands (vehicle, number)
    WHERE state IN ('queued', 'sent', 'delivered');
CREATE UNIQUE INDEX commands_idempotency ON commands (tenant, vehicle, idempotency)
    WHERE idempotency IS NOT NULL;
CREATE INDEX commands_vehicle ON commands (vehicle, made_us DESC, id DESC);
CREATE INDEX commands_tenant ON commands (tenant, made_us DESC, id DESC);
CREATE INDEX commands_next ON commands (vehicle, priority DESC, made_us, id)
    WHERE wait_us = 0 AND state IN ('queued', 'sent');
CREATE INDEX commands_out ON commands (partition, vehicle) WHERE wait_us > 0;
CREATE INDEX commands_untold ON commands (partition, id) WHERE told <> reached;
CREATE INDEX commands_deadline ON commands (partition, deadline_us)
    WHERE state IN ('queued', 'sent', 'delivered');
CREATE INDEX commands_ended ON commands (partition, ended_us) WHERE ended_us IS NOT NULL;
CREATE INDEX commands_bulk ON commands (bulk, state) WHERE bulk IS NOT NULL;

-- The number given last to a command of a vehicle. Its row's lock puts a vehicle's makers in order.
CREATE TABLE command_numbers (
    vehicle bigint PRIMARY KEY,
    tenant  bigint NOT NULL REFERENCES tenants,
    last    integer NOT NULL
);

-- How far a partition's events are accounted for. fence grows with every worker that takes the
-- partition over: a turn of the one before finds another number and ends.
CREATE TABLE command_positions (
    partition smallint PRIMARY KEY,
    sequence  bigint NOT NULL DEFAULT 0,
    fence     bigint NOT NULL DEFAULT 0
);

CREATE TABLE command_bulks (
    id          uuid PRIMARY KEY,
    tenant      bigint NOT NULL REFERENCES tenants,
    template    jsonb NOT NULL,
    chosen      jsonb NOT NULL,
    vehicles    bigint[],
    rate        double precision NOT NULL,
    state       text NOT NULL CHECK (state IN ('running', 'paused', 'cancelled', 'done')),
    made_us     bigint NOT NULL,
    ended_us    bigint,
    maker       text NOT NULL DEFAULT '',
    idempotency text COLLATE "C",
    digest      bytea,
    UNIQUE (tenant, idempotency)
);
CREATE INDEX command_bulks_tenant ON command_bulks (tenant, made_us DESC, id DESC);
CREATE INDEX command_bulks_running ON command_bulks (made_us) WHERE state = 'running';

-- A partition's share of a bulk job: vehicles up to after are done.
CREATE TABLE command_bulk_parts (
    bulk      uuid NOT NULL REFERENCES command_bulks ON DELETE CASCADE,
    partition smallint NOT NULL,
    tenant    bigint NOT NULL REFERENCES tenants,
    after     bigint NOT NULL DEFAULT 0,
    made      bigint NOT NULL DEFAULT 0,
    skipped   bigint NOT NULL DEFAULT 0,
    done      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (bulk, partition)
);

CREATE TABLE desired_states (
    vehicle    bigint PRIMARY KEY CHECK (vehicle > 0),
    tenant     bigint NOT NULL REFERENCES tenants,
    partition  smallint NOT NULL,
    version    bigint NOT NULL,
    signals    jsonb NOT NULL,
    changed_us bigint NOT NULL,
    maker      text NOT NULL DEFAULT '',
    converged  boolean NOT NULL DEFAULT false,
    tries      integer NOT NULL DEFAULT 0,
    next_us    bigint NOT NULL DEFAULT 0,
    command    uuid
);
CREATE INDEX desired_states_next ON desired_states (partition, next_us);

-- The version a vehicle's desired state had last: a deleted one does not start again at 1.
CREATE TABLE desired_versions (
    vehicle bigint PRIMARY KEY,
    tenant  bigint NOT NULL REFERENCES tenants,
    version bigint NOT NULL
);

CREATE TABLE tenant_policies (
    tenant  bigint PRIMARY KEY REFERENCES tenants,
    policy  jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1
);

GRANT SELECT, INSERT, UPDATE, DELETE ON commands, command_numbers, command_positions,
    command_bulks, command_bulk_parts, desired_states, desired_versions, tenant_policies
    TO motorcade_app;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['commands', 'command_numbers', 'command_bulks',
        'command_bulk_parts', 'desired_states', 'desired_versions', 'tenant_policies']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant_scope ON %I'
            ' USING (tenant = (SELECT motorcade_tenant()))', name);
        EXECUTE format('CREATE POLICY platform_scope ON %I'
            ' USING ((SELECT motorcade_platform()))', name);
    END LOOP;
END $$;
ALTER TABLE command_positions ENABLE ROW LEVEL SECURITY;
ALTER TABLE command_positions FORCE ROW LEVEL SECURITY;
CREATE POLICY platform_scope ON command_positions USING ((SELECT motorcade_platform()));
