-- Links of vehicles, as the sessions app has read them from the log of events. A session refers to no
-- vehicle of the registry: an event of a vehicle that was removed meanwhile must not hold up others.

CREATE TABLE sessions (
    vehicle    bigint PRIMARY KEY,
    tenant     bigint NOT NULL,
    partition  integer NOT NULL,
    live       boolean NOT NULL,          -- has a link, or is not yet announced as offline
    online     boolean NOT NULL,
    due_us     bigint NOT NULL,
    changed_us bigint NOT NULL,
    ended_us   bigint NOT NULL,
    bearer     text NOT NULL,
    reason     text NOT NULL,
    last       text NOT NULL,
    links      jsonb NOT NULL,
    ended      jsonb NOT NULL
);
CREATE INDEX sessions_live ON sessions (partition, vehicle) WHERE live;
CREATE INDEX sessions_tenant ON sessions (tenant);

-- How far each partition's events are in the table above, and the rows that followed from the last of
-- them until they are known to be in the telemetry log. No row names a tenant. Whoever takes a
-- partition over raises its owner; a process that finds another owner than itself stops.
CREATE TABLE session_positions (
    partition integer PRIMARY KEY,
    position  bigint NOT NULL,
    number    bigint NOT NULL,            -- of what is owed; the log takes one of each number
    owed      bytea,
    owed_us   bigint NOT NULL DEFAULT 0,
    owner     bigint NOT NULL DEFAULT 1
);

-- The newest process of every gateway's name, and whether it was given up for lost.
CREATE TABLE session_gateways (
    partition   integer NOT NULL,
    name        text NOT NULL,
    incarnation text NOT NULL,
    lost        boolean NOT NULL,
    PRIMARY KEY (partition, name)
);

GRANT SELECT, INSERT, UPDATE, DELETE
    ON sessions, session_positions, session_gateways TO motorcade_app;

ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON sessions FOR SELECT USING (tenant = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON sessions USING ((SELECT motorcade_platform()));

ALTER TABLE session_positions ENABLE ROW LEVEL SECURITY;
ALTER TABLE session_positions FORCE ROW LEVEL SECURITY;
CREATE POLICY platform_scope ON session_positions USING ((SELECT motorcade_platform()));

ALTER TABLE session_gateways ENABLE ROW LEVEL SECURITY;
ALTER TABLE session_gateways FORCE ROW LEVEL SECURITY;
CREATE POLICY platform_scope ON session_gateways USING ((SELECT motorcade_platform()));
