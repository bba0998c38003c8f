"""One PostgreSQL for the folder's tests; a database, a NATS and a world for each test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from apps.sessions.world import World
from engines import start_postgres
from engines_nats import Nats
from motorcade.fleet.config import Config
from motorcade.fleet.engine import EmbeddedPostgres
from motorcade.fleet.migrate import migrate
from motorcade.log.log import Log


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    engine = start_postgres(tmp_path_factory.mktemp("sessions"))
    yield engine
    engine.stop()


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Config]:
    name = "t" + uuid.uuid4().hex[:12]
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    config = Config(
        url=postgres.app_url.replace("/postgres?", f"/{name}?"),
        owner_url=postgres.url.replace("/postgres?", f"/{name}?"),
        connect_timeout_s=20.0,
    )
    await migrate(config.owner_url, config.url)
    yield config
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    async with Nats(tmp_path) as server:
        yield server


@pytest.fixture
async def world(database: Config, nats: Nats) -> AsyncIterator[World]:
    config = nats.config(partitions=2)
    log = await Log.connect(config)
    yield World(log, config, database)
    await log.close()
