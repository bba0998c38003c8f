"""Row-level security holds against raw SQL; the pool outlives PostgreSQL; errors are ours."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import psycopg
import pytest

from engines import start_postgres
from motorcade.clock import SystemClock
from motorcade.errors import DependencyError, Forbidden, Invalid
from motorcade.fleet.registry import Config, Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.fleet.settings import TenantSettings
from motorcade.fleet.vin import check_digit

pytestmark = pytest.mark.engines

A, B = "LSVAAAAA0AA000001", "LFVBBBBB0BB000002"
TABLES = ("tenants", "wmi_claims", "vehicles", "api_keys", "platform_accounts")


async def _fill(fleet: Fleet) -> None:
    for name, vin, wmi in (("a", A, "LSV"), ("b", B, "LFV")):
        tenant = await fleet.create_tenant(name, TenantSettings(auto_register_wmi=(wmi,)))
        await fleet.add_vehicles(tenant.number, [NewVehicle(vin=vin)])
        await fleet.create_key(tenant.number, "admin")
        await fleet.create_platform_account(tenant.number, name, "secret")
    await fleet.create_platform_key()


def _see(connection: psycopg.Connection[tuple[int]], table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return row[0]


async def test_every_table_with_a_tenant_is_forced_to_hide_it(fleet: Fleet, config: Config) -> None:
    with psycopg.connect(config.owner_url) as connection:
        rows = connection.execute(
            "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
            " AND (c.relname = 'tenants' OR EXISTS (SELECT FROM pg_attribute a"
            " WHERE a.attrelid = c.oid AND a.attname = 'tenant'))"
        ).fetchall()
        role = connection.execute(
            "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = 'motorcade_app'"
        ).fetchone()
    assert {*TABLES, "identities", "credentials"} <= dict(rows).keys()
    assert all(hidden for _, hidden in rows), rows
    assert role == (False,)


async def test_raw_sql_sees_its_scope_alone(fleet: Fleet, config: Config) -> None:
    await _fill(fleet)
    with psycopg.connect(config.url) as connection:
        assert [_see(connection, table) for table in TABLES] == [0] * 5
        connection.execute("SET LOCAL motorcade.tenant = '1'")
        assert [_see(connection, table) for table in TABLES] == [1] * 5
        assert connection.execute("SELECT vin FROM vehicles").fetchall() == [(A,)]
        assert connection.execute("DELETE FROM vehicles WHERE number = 2").rowcount == 0
        assert (
            connection.execute("UPDATE tenants SET settings = '{}' WHERE number = 2").rowcount == 0
        )
        connection.rollback()
        assert [_see(connection, table) for table in TABLES] == [0] * 5
        connection.execute("SET LOCAL motorcade.platform = 'on'")
        assert [_see(connection, table) for table in TABLES] == [2, 2, 2, 3, 2]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO vehicles VALUES (9, 2, '12345678901234567')",
        "UPDATE vehicles SET tenant = 2",
        "INSERT INTO wmi_claims VALUES ('WVW', 2)",
        "INSERT INTO tenants VALUES (9, 'evil', '{}', now())",
        "DELETE FROM tenants",
        "INSERT INTO api_keys VALUES ('x', NULL, 'platform', '', sha256('x'), now())",
        "INSERT INTO counters VALUES ('mine', 0)",
        "ALTER TABLE vehicles DISABLE ROW LEVEL SECURITY",
        "SET ROLE motorcade",
    ],
)
async def test_raw_sql_cannot_leave_its_scope(fleet: Fleet, config: Config, statement: str) -> None:
    await _fill(fleet)
    with psycopg.connect(config.url) as connection:
        connection.execute("SET LOCAL motorcade.tenant = '1'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


async def test_a_refused_change_is_our_error(fleet: Fleet) -> None:
    await _fill(fleet)
    with pytest.raises(Forbidden):
        async with fleet._store.tenant(1) as connection:
            await connection.execute("UPDATE vehicles SET tenant = 2")
    with pytest.raises(Invalid):
        async with fleet._store.tenant(1) as connection:
            await connection.execute("UPDATE vehicles SET vin = 'short'")


async def test_a_superuser_is_refused(config: Config) -> None:
    await Fleet.migrate(config)
    with pytest.raises(Invalid, match="row-level security"):
        await Fleet.connect(msgspec.structs.replace(config, url=config.owner_url), SystemClock())


async def test_the_pool_outlives_a_killed_postgres(tmp_path: Path) -> None:
    engine = start_postgres(tmp_path)
    try:
        config = Config(url=engine.app_url, owner_url=engine.url, call_timeout_s=1.0)
        await Fleet.migrate(config)
        fleet = await Fleet.connect(config, SystemClock())
        await _fill(fleet)
        await asyncio.gather(*(fleet.tenants() for _ in range(8)))
        for _ in range(2):
            await asyncio.to_thread(engine.kill)
            with pytest.raises(DependencyError):
                await fleet.resolve([A])
            with pytest.raises(DependencyError):
                await fleet.settings_stamp()
            await asyncio.to_thread(engine.start)
            assert (await fleet.resolve([A]))[A].tenant == 1
            pages = await asyncio.gather(*(fleet.tenants() for _ in range(8)))
            assert all(len(tenants) == 2 for tenants in pages)
        await asyncio.to_thread(engine.kill)
        await asyncio.to_thread(engine.start)
        assert (await fleet.resolve([A]))[A].vehicle == 1  # nobody called while it was away
        await fleet.close()
    finally:
        await asyncio.to_thread(engine.stop)


async def test_a_call_waits_for_postgres_to_come_back(tmp_path: Path) -> None:
    engine = start_postgres(tmp_path)
    try:
        config = Config(url=engine.app_url, owner_url=engine.url, call_timeout_s=30.0)
        await Fleet.migrate(config)
        fleet = await Fleet.connect(config, SystemClock())
        await asyncio.to_thread(engine.kill)
        waiting = asyncio.create_task(fleet.settings_stamp())
        await asyncio.to_thread(engine.start)
        assert await waiting == 0
        await fleet.close()
    finally:
        await asyncio.to_thread(engine.stop)


def test_the_sample_vins_are_what_the_tests_take_them_for() -> None:
    assert check_digit(A) != A[8]
