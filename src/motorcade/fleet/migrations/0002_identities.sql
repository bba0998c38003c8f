-- What vehicles are called by protocols that know no VIN, and what they prove themselves with. Both go
-- with their vehicle. The tenant in a row is always its vehicle's.

CREATE TABLE identities (
    kind    text COLLATE "C" NOT NULL CHECK (kind IN ('phone', 'imei', 'device')),
    value   text COLLATE "C" NOT NULL CHECK (length(value) BETWEEN 1 AND 20),
    vehicle bigint NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    tenant  bigint NOT NULL REFERENCES tenants,
    created timestamptz NOT NULL,
    PRIMARY KEY (kind, value),
    CHECK (kind <> 'phone' OR value ~ '^[1-9][0-9]*$')
);
CREATE INDEX identities_vehicle ON identities (vehicle);

-- A token's SHA-256, or a key itself: a signature can only be checked with the key in clear.
CREATE TABLE credentials (
    id      text COLLATE "C" PRIMARY KEY,
    vehicle bigint NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    tenant  bigint NOT NULL REFERENCES tenants,
    kind    text NOT NULL CHECK (kind IN ('token', 'key')),
    secret  bytea NOT NULL CHECK (length(secret) = CASE kind WHEN 'token' THEN 32 ELSE 16 END),
    name    text NOT NULL DEFAULT '',
    created timestamptz NOT NULL,
    revoked timestamptz
);
CREATE INDEX credentials_vehicle ON credentials (vehicle);
CREATE UNIQUE INDEX credentials_key ON credentials (vehicle) WHERE kind = 'key' AND revoked IS NULL;

-- How often the vehicle's JT/T 808 code was replaced; the code itself is derived, not stored.
ALTER TABLE vehicles ADD COLUMN code_rotation integer NOT NULL DEFAULT 0;

CREATE TABLE platform_secrets (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);
-- Two random UUIDs: 244 bits from PostgreSQL's strong source.
INSERT INTO platform_secrets VALUES ('jt808_codes',
    decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

GRANT SELECT, INSERT, UPDATE, DELETE ON identities, credentials TO motorcade_app;
GRANT SELECT ON platform_secrets TO motorcade_app;

ALTER TABLE identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE identities FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON identities USING (tenant = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON identities USING ((SELECT motorcade_platform()));

ALTER TABLE credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_scope ON credentials USING (tenant = (SELECT motorcade_tenant()));
CREATE POLICY platform_scope ON credentials USING ((SELECT motorcade_platform()));

ALTER TABLE platform_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE platform_secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY platform_scope ON platform_secrets USING ((SELECT motorcade_platform()));
