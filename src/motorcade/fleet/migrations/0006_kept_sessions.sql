-- What a protocol's session leaves behind for the vehicle's next connection, at whatever gateway: an
-- MQTT session that is not clean keeps its subscription. A row goes with its vehicle, or by its time.

CREATE TABLE kept_sessions (
    vehicle  bigint NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    protocol text COLLATE "C" NOT NULL,
    tenant   bigint NOT NULL REFERENCES tenants,
    state    bytea NOT NULL CHECK (length(state) <= 1024),
    until    timestamptz NOT NULL,
    PRIMARY KEY (vehicle, protocol)
);
CREATE INDEX kept_sessions_until ON kept_sessions (until);

GRANT SELECT, INSERT, UPDATE, DELETE ON kept_sessions TO motorcade_app;

ALTER TABLE kept_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE kept_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON kept_sessions USING (tenant = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON kept_sessions USING ((SELECT motorcade_platform()));
