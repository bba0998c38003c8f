"""Migrations: repeatable, safe to start together, and refused where versions disagree."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from motorcade.clock import SystemClock
from motorcade.errors import DependencyError, Invalid
from motorcade.fleet.migrate import migrate, migration_files
from motorcade.fleet.registry import Config, Fleet

pytestmark = pytest.mark.engines


def test_files_are_numbered_without_a_gap() -> None:
    assert sorted(migration_files()) == list(range(1, len(migration_files()) + 1))


async def test_processes_that_start_together(config: Config) -> None:
    newest = max(migration_files())
    reached = await asyncio.gather(*(migrate(config.owner_url) for _ in range(4)))
    assert reached == [newest] * 4
    assert await Fleet.migrate(config) == newest


async def test_connect_waits_for_the_tables(config: Config) -> None:
    early = asyncio.create_task(Fleet.connect(config, SystemClock()))
    await asyncio.sleep(0)
    await Fleet.migrate(config)
    fleet = await early
    assert await fleet.tenants() == []
    await fleet.close()


async def test_a_newer_registry_is_refused(config: Config) -> None:
    await Fleet.migrate(config)
    with psycopg.connect(config.owner_url, autocommit=True) as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, '9999_future.sql', now())")
    with pytest.raises(Invalid, match="newer"):
        await Fleet.connect(config, SystemClock())


async def test_nobody_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"postgresql://motorcade@/postgres?host={tmp_path_factory.mktemp('empty')}"
    with pytest.raises(DependencyError):
        await migrate(url, wait_s=0.2)


async def test_the_password_of_the_address_is_set(config: Config) -> None:
    await migrate(config.owner_url, config.url.replace("motorcade_app@", "motorcade_app:s'ecret@"))
    with psycopg.connect(config.owner_url) as connection:
        row = connection.execute(
            "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid"
            " WHERE rolname = 'motorcade_app'"
        ).fetchone()
    assert row == (True,)
