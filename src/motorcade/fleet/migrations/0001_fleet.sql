-- Tenants, vehicles and credentials. Row-level security holds on every table that names a tenant,
-- for the tables' owner too: a connection that says neither its tenant nor that it acts for the
-- platform sees nothing and changes nothing.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'motorcade_app') THEN
        CREATE ROLE motorcade_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
END $$;

GRANT USAGE ON SCHEMA public TO motorcade_app;
GRANT SELECT ON migrations TO motorcade_app;

CREATE FUNCTION motorcade_tenant() RETURNS bigint LANGUAGE sql STABLE
    RETURN nullif(current_setting('motorcade.tenant', true), '')::bigint;

CREATE FUNCTION motorcade_platform() RETURNS boolean LANGUAGE sql STABLE
    RETURN coalesce(current_setting('motorcade.platform', true), '') = 'on';

-- The last number given out, per kind of number. A row, not a sequence: a sequence leaves a gap
-- after every rollback, and a vehicle's number is its row in the twin.
CREATE TABLE counters (
    name  text PRIMARY KEY,
    value bigint NOT NULL
);
INSERT INTO counters VALUES ('tenant', 0), ('vehicle', 0), ('settings', 0);
GRANT SELECT, UPDATE ON counters TO motorcade_app;

CREATE TABLE tenants (
    number   bigint PRIMARY KEY CHECK (number BETWEEN 1 AND 4294967295),
    name     text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    settings jsonb NOT NULL DEFAULT '{}',
    created  timestamptz NOT NULL
);

-- Whose vehicles register themselves: the longest prefix of a VIN decides.
CREATE TABLE wmi_claims (
    prefix text COLLATE "C" PRIMARY KEY CHECK (prefix ~ '^[0-9A-HJ-NPR-Z]{3,11}$'),
    tenant bigint NOT NULL REFERENCES tenants
);
CREATE INDEX wmi_claims_tenant ON wmi_claims (tenant);

CREATE TABLE vehicles (
    number  bigint PRIMARY KEY CHECK (number > 0),
    tenant  bigint NOT NULL REFERENCES tenants,
    vin     text COLLATE "C" NOT NULL UNIQUE CHECK (length(vin) = 17),
    model   text NOT NULL DEFAULT '',
    plate   text NOT NULL DEFAULT '',
    iccid   text NOT NULL DEFAULT '',
    labels  text[] NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL
);
CREATE INDEX vehicles_tenant ON vehicles (tenant, number);

CREATE TABLE api_keys (
    id      text COLLATE "C" PRIMARY KEY,
    tenant  bigint REFERENCES tenants,
    role    text NOT NULL CHECK (role IN ('admin', 'operator', 'reader', 'platform')),
    name    text NOT NULL DEFAULT '',
    hash    bytea NOT NULL CHECK (length(hash) = 32),
    created timestamptz NOT NULL,
    revoked timestamptz,
    CHECK ((role = 'platform') = (tenant IS NULL))
);
CREATE INDEX api_keys_tenant ON api_keys (tenant);

CREATE TABLE platform_accounts (
    name     text COLLATE "C" PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 12),
    tenant   bigint NOT NULL REFERENCES tenants,
    password text NOT NULL,
    created  timestamptz NOT NULL
);
CREATE INDEX platform_accounts_tenant ON platform_accounts (tenant);

GRANT SELECT, INSERT, UPDATE ON tenants TO motorcade_app;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON wmi_claims, vehicles, api_keys, platform_accounts TO motorcade_app;

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON tenants FOR SELECT USING (number = (SELECT motorcade_tenant()));
CREATE POLICY tenant_change ON tenants FOR UPDATE USING (number = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON tenants USING ((SELECT motorcade_platform()));

ALTER TABLE wmi_claims ENABLE ROW LEVEL SECURITY;
ALTER TABLE wmi_claims FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON wmi_claims USING (tenant = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON wmi_claims USING ((SELECT motorcade_platform()));

ALTER TABLE vehicles ENABLE ROW LEVEL SECURITY;
ALTER TABLE vehicles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON vehicles USING (tenant = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON vehicles USING ((SELECT motorcade_platform()));

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON api_keys USING (tenant = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON api_keys USING ((SELECT motorcade_platform()));

ALTER TABLE platform_accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE platform_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON platform_accounts USING (tenant = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON platform_accounts USING ((SELECT motorcade_platform()));
