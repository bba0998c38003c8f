"""One world for the folder's tests: engines are slow to start, and tests leave it as they found
it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from api.world import World
from motorcade.api.config import Config


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    found = World()
    config = Config(listen="127.0.0.1:0", stream_heartbeat_s=1.0, stream_queue_bytes_max=20_000)
    try:
        await found.start(tmp_path_factory.mktemp("api"), config)
        yield found
    finally:
        await found.stop()
