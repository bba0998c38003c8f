"""What every app stands on: one PostgreSQL for their tests; a registry and a NATS for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from engines import fresh_database, start_postgres
from engines_nats import Nats
from motorcade.fleet.engine import EmbeddedPostgres
from motorcade.fleet.registry import Config, Fleet


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    engine = start_postgres(tmp_path_factory.mktemp("apps"))
    yield engine
    engine.stop()


@pytest.fixture
async def fleet_config(postgres: EmbeddedPostgres) -> AsyncIterator[Config]:
    """A registry of its own, empty."""
    with fresh_database(postgres) as config:
        await Fleet.migrate(config)
        yield config


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    async with Nats(tmp_path) as server:
        yield server
