"""A world of forwarders for each test, and a web hook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from apps.forwarding.world import Hook, World
from engines_nats import Nats
from motorcade.clock import SystemClock
from motorcade.fleet.registry import Config, Fleet
from motorcade.log.log import Log


@pytest.fixture
async def world(fleet_config: Config, nats: Nats) -> AsyncIterator[World]:
    log = await Log.connect(nats.config(partitions=2), SystemClock())
    fleet = await Fleet.connect(fleet_config, SystemClock())
    found = World(fleet, log)
    yield found
    await found.stop()
    await fleet.close()
    await log.close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.close()
