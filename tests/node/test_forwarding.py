"""A worker's forwarding: there once PostgreSQL is; the log waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from motorcade.errors import DependencyError
from motorcade.node.forwarding import WorkerForwarding


class Made:
    """A forwarding app that only says so."""

    def __init__(self) -> None:
        self.running = asyncio.Event()

    async def run(self) -> None:
        self.running.set()
        await asyncio.Event().wait()

    def kept_from(self, partition: int) -> int | None:
        return 7 + partition

    def metrics_text(self) -> str:
        return "figures"


async def test_it_starts_when_the_registry_is_there_and_the_log_waits() -> None:
    tries = 0
    made = Made()
    allowed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        nonlocal tries
        tries += 1
        if tries == 1:
            allowed.set()
            raise DependencyError("not yet")
        yield "registry"

    forwarding = WorkerForwarding(connect, lambda fleet: made)  # type: ignore[arg-type,return-value]
    task = asyncio.create_task(forwarding.run())
    await allowed.wait()
    assert (forwarding.kept_from(1), forwarding.render()) == (0, "")
    async with asyncio.timeout(10):
        await made.running.wait()
    assert (forwarding.kept_from(1), forwarding.render()) == (8, "figures")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert tries == 2
