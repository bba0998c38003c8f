"""One PostgreSQL for the folder's tests; a registry, a NATS and a world for each test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from apps.commands.world import World
from engines import start_postgres
from engines_nats import Nats
from motorcade.clock import SystemClock
from motorcade.fleet.engine import EmbeddedPostgres
from motorcade.fleet.registry import Config, Fleet
from motorcade.log.log import Log


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    engine = start_postgres(tmp_path_factory.mktemp("commands"))
    yield engine
    engine.stop()


@pytest.fixture
async def fleet_config(postgres: EmbeddedPostgres) -> AsyncIterator[Config]:
    name = "t" + uuid.uuid4().hex[:12]
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    config = Config(
        url=postgres.app_url.replace("/postgres?", f"/{name}?"),
        owner_url=postgres.url.replace("/postgres?", f"/{name}?"),
        connect_timeout_s=20.0,
    )
    await Fleet.migrate(config)
    yield config
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    async with Nats(tmp_path) as server:
        yield server


@pytest.fixture
async def world(fleet_config: Config, nats: Nats) -> AsyncIterator[World]:
    log = await Log.connect(nats.config(partitions=2), SystemClock())
    fleet = await Fleet.connect(fleet_config, SystemClock())
    found = World(fleet, fleet_config, log)
    await found.populate()
    yield found
    await found.stop()
    await fleet.close()
    await log.close()
