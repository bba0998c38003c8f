"""The apps of a worker process: made once PostgreSQL answers, fed with its partitions' events.

In: the log, a way to the registry. Out: running apps. A worker whose PostgreSQL is away goes on
with twin and history, and starts its apps when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog

from motorcade.apps.sessions.config import Config as SessionsConfig
from motorcade.apps.sessions.service import SessionsService
from motorcade.apps.sessions.store import SessionStore
from motorcade.clock import Clock
from motorcade.errors import DependencyError
from motorcade.fleet.registry import Fleet
from motorcade.log.log import Log
from motorcade.node.events import EventHandler, EventReader

__all__ = ["WorkerApps"]

_log = structlog.get_logger(__name__)

_RETRY_S: Final = 1.0


class WorkerApps:
    """The apps of one worker; ``connect`` opens the registry and raises ``DependencyError`` while
    PostgreSQL is away."""

    def __init__(
        self,
        log: Log,
        partitions: Sequence[int],
        clock: Clock,
        connect: Callable[[], AbstractAsyncContextManager[Fleet]],
        sessions: SessionsConfig,
    ) -> None:
        self._log = log
        self._partitions = partitions
        self._clock = clock
        self._connect = connect
        self._sessions_config = sessions
        self._figures: list[Callable[[], str]] = []

    async def run(self) -> None:
        """Run the apps for ever; cancel it to stop."""
        while True:
            try:
                async with self._connect() as fleet:
                    await self._run_over(fleet)
            except DependencyError as error:
                _log.warning("apps wait for PostgreSQL", error=error.detail)
                await asyncio.sleep(_RETRY_S)

    def render(self) -> str:
        """The apps' figures, in the text format Prometheus reads."""
        return "".join(figures() for figures in self._figures)

    async def _run_over(self, fleet: Fleet) -> None:
        sessions = SessionsService(
            self._log, SessionStore(fleet.store), self._clock, self._sessions_config
        )
        try:
            await _started(lambda: sessions.start(self._partitions))
            handlers: list[EventHandler] = [sessions]
            reader = EventReader(self._log, self._partitions, handlers, self._clock.now_us)
            self._figures = [reader.render, sessions.metrics.render]
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(reader.run())
        finally:
            await sessions.close()


async def _started(start: Callable[[], Awaitable[None]]) -> None:
    """Start an app, again and again while an engine is away."""
    while True:
        try:
            await start()
            return
        except DependencyError as error:
            _log.warning("an app cannot start yet", error=error.detail)
            await asyncio.sleep(_RETRY_S)
