-- Forwarders: where a tenant's records go beside our own twin and history. The state is written by
-- the worker that sends; how far the log has been read for all of them is the platform's own.

CREATE TABLE forwarders (
    id       bigint PRIMARY KEY CHECK (id > 0),
    tenant   bigint NOT NULL REFERENCES tenants,
    name     text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    rule     jsonb NOT NULL,
    secrets  jsonb NOT NULL DEFAULT '{}',
    paused   boolean NOT NULL DEFAULT false,
    created  timestamptz NOT NULL,
    changed  bigint NOT NULL,
    UNIQUE (tenant, name)
);
CREATE INDEX forwarders_tenant ON forwarders (tenant);

CREATE TABLE forwarder_states (
    forwarder bigint PRIMARY KEY REFERENCES forwarders ON DELETE CASCADE,
    tenant    bigint NOT NULL REFERENCES tenants,
    position  bigint NOT NULL DEFAULT 0,
    state     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX forwarder_states_tenant ON forwarder_states (tenant);

CREATE TABLE forwarding_positions (
    partition integer PRIMARY KEY,
    position  bigint NOT NULL
);

INSERT INTO counters VALUES ('forwarder', 0), ('forwarders', 0);

GRANT SELECT, INSERT, UPDATE, DELETE ON forwarders, forwarder_states TO motorcade_app;
GRANT SELECT, INSERT, UPDATE ON forwarding_positions TO motorcade_app;

ALTER TABLE forwarders ENABLE ROW LEVEL SECURITY;
ALTER TABLE forwarders FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON forwarders USING (tenant = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON forwarders USING ((SELECT motorcade_platform()));

ALTER TABLE forwarder_states ENABLE ROW LEVEL SECURITY;
ALTER TABLE forwarder_states FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON forwarder_states USING (tenant = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON forwarder_states USING ((SELECT motorcade_platform()));

ALTER TABLE forwarding_positions ENABLE ROW LEVEL SECURITY;
ALTER TABLE forwarding_positions FORCE ROW LEVEL SECURITY;
CREATE POLICY platform_scope ON forwarding_positions USING ((SELECT motorcade_platform()));
