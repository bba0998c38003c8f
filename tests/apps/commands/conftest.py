"""A world of commands for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.commands.world import World
from engines_nats import Nats
from motorcade.clock import SystemClock
from motorcade.fleet.registry import Config, Fleet
from motorcade.log.log import Log


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
