"""A real NATS for the folder's tests, and a world of gateways and cars on it for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from engines_nats import Nats
from gateway.world import World
from motorcade.log.log import Log


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    server = Nats(tmp_path_factory.mktemp("gateway"))
    asyncio.run(server.start())
    yield server
    server.kill()


@pytest.fixture
async def world(nats: Nats) -> AsyncIterator[World]:
    log = await Log.connect(nats.config())
    marks = [await log.last_sequence(partition) for partition in range(log.partitions)]
    world = World(nats, log, marks)
    yield world
    await world.close()
    await log.close()
