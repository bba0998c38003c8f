"""One PostgreSQL for the folder's tests, and a fresh registry for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from engines import fresh_database, start_postgres
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
    with fresh_database(postgres) as found:
        yield found


@pytest.fixture
def clock() -> SteerableClock:
    return SteerableClock()


@pytest.fixture
async def fleet(config: Config, clock: SteerableClock) -> AsyncIterator[Fleet]:
    await Fleet.migrate(config)
    found = await Fleet.connect(config, clock)
    yield found
    await found.close()
