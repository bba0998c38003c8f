"""A world of sessions for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.sessions.world import World
from engines_nats import Nats
from motorcade.fleet.config import Config
from motorcade.log.log import Log


@pytest.fixture
async def world(fleet_config: Config, nats: Nats) -> AsyncIterator[World]:
    config = nats.config(partitions=2)
    log = await Log.connect(config)
    yield World(log, config, fleet_config)
    await log.close()
