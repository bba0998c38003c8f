"""One world for the folder's tests: engines are slow to start, and tests leave it as they found
it. They run one after another in one process, so that no other order is met than the one here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from api.world import World
from motorcade.api.config import Config

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the folder's tests together, but for those that run a whole platform."""
    for item in items:
        if item.path.is_relative_to(_HERE) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("api"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    found = World()
    config = Config(listen="127.0.0.1:0", stream_heartbeat_s=1.0, stream_queue_bytes_max=20_000)
    try:
        await found.start(tmp_path_factory.mktemp("api"), config)
        yield found
    finally:
        await found.stop()
