"""One PostgreSQL for the folder's tests, and a fresh registry for each test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from engines import start_postgres
from motorcade.clock import SteerableClock
from motorcade.fleet.engine import EmbeddedPostgres
from motorcade.fleet.registry import Config, Fleet


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    engine = start_postgres(tmp_path_factory.mktemp("fleet"))
    yield engine
    engine.stop()


@pytest.fixture
def config(postgres: EmbeddedPostgres) -> Iterator[Config]:
    """An empty database of its own for each test."""
    name = "t" + uuid.uuid4().hex[:12]
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield Config(
        url=postgres.app_url.replace("/postgres?", f"/{name}?"),
        owner_url=postgres.url.replace("/postgres?", f"/{name}?"),
        connect_timeout_s=20.0,
    )
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def clock() -> SteerableClock:
    return SteerableClock()


@pytest.fixture
async def fleet(config: Config, clock: SteerableClock) -> AsyncIterator[Fleet]:
    await Fleet.migrate(config)
    found = await Fleet.connect(config, clock)
    yield found
    await found.close()
