"""The apps of a worker process: made once PostgreSQL answers, fed with its partitions' events.

In: the log, a way to the registry. Out: running apps. A worker whose PostgreSQL is away goes on
with twin and history, and starts its apps when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

import structlog

from motorcade.apps.commands.bulk import Chosen
from motorcade.apps.sessions.service import SessionsService
from motorcade.clock import Clock
from motorcade.errors import CapacityError, Conflict, DependencyError
from motorcade.fleet.registry import Fleet
from motorcade.log.log import Log
from motorcade.node.events import EventHandler, EventReader, together
from motorcade.twin.reader import TwinReader

__all__ = ["EventApp", "TwinAnswers", "WorkerApps"]

_log = structlog.get_logger(__name__)

_RETRY_S: Final = 1.0
_FAULT_PAUSE_S: Final = 1.0


class EventApp(EventHandler, Protocol):
    """An app that lives on events and beside them has work of its own."""

    async def start(self) -> None:
        """Read where it stands; called again where an engine is away."""

    async def run(self) -> None:
        """Work for ever."""

    def render(self) -> str:
        """Its figures."""


class TwinAnswers:
    """What the commands app asks of a worker's own twin; ``readers`` by partition, of
    ``partitions`` in all."""

    def __init__(self, readers: Mapping[int, TwinReader], partitions: int) -> None:
        self._readers = readers
        self._partitions = partitions

    def select(
        self, partition: int, tenant: int, chosen: Chosen, after: int, limit: int
    ) -> list[int]:
        """A tenant's vehicles of one partition that a filter chooses, by number."""
        table = self._readers[partition].select(
            tenant, bbox=chosen.bbox, where=chosen.where or None, limit=limit, after=after
        )
        vehicles: list[int] = table.column("vehicle").to_pylist()
        return vehicles

    async def reported(self, vehicle: int, tenant: int, paths: Sequence[str]) -> Mapping[str, Any]:
        """What a vehicle last said of some signals; None where that is not valid."""
        reader = self._readers[vehicle % self._partitions]
        state = await reader.fetch(vehicle, tenant, paths)
        return {} if state is None else {one: said.value for one, said in state.signals.items()}


class WorkerApps:
    """The apps of one worker. ``connect`` opens the registry and raises ``DependencyError`` while
    PostgreSQL is away; ``sessions`` and ``commands`` build the apps over it."""

    def __init__(
        self,
        log: Log,
        partitions: Sequence[int],
        clock: Clock,
        connect: Callable[[], AbstractAsyncContextManager[Fleet]],
        *,
        sessions: Callable[[Fleet], SessionsService],
        commands: Callable[[Fleet, SessionsService], EventApp] | None = None,
    ) -> None:
        self._log = log
        self._partitions = partitions
        self._clock = clock
        self._connect = connect
        self._sessions = sessions
        self._commands = commands
        self._figures: list[Callable[[], str]] = []
        self._faults = 0

    async def run(self) -> None:
        """Run the apps for ever; cancel it to stop. Raises ``Conflict`` where another process has
        taken their partitions over.

        A fault of an app is not the twin's and the history's: the apps begin anew from what they
        have stored."""
        while True:
            try:
                async with self._connect() as fleet:
                    await self._run_over(fleet)
            except Conflict:
                raise
            except DependencyError as error:
                _log.warning("apps wait for PostgreSQL", error=error.detail)
                await asyncio.sleep(_RETRY_S)
            except Exception:
                self._faults += 1
                _log.exception("apps ended by a fault; they begin anew")
                await asyncio.sleep(_FAULT_PAUSE_S)

    def render(self) -> str:
        """The apps' figures, in the text format Prometheus reads."""
        faults = (
            "# HELP motorcade_apps_faults_total Times a fault made the apps begin anew.\n"
            "# TYPE motorcade_apps_faults_total counter\n"
            f"motorcade_apps_faults_total {self._faults}\n"
        )
        return "".join([faults, *(figures() for figures in self._figures)])

    async def _run_over(self, fleet: Fleet) -> None:
        """Sessions first: commands are sent over the links they know."""
        sessions = self._sessions(fleet)
        try:
            await _started(lambda: sessions.start(self._partitions))
            handlers: list[EventHandler] = [sessions]
            running: list[Callable[[], Awaitable[None]]] = []
            figures = [sessions.metrics.render]
            if self._commands is not None and self._partitions:
                commands = self._commands(fleet, sessions)
                await _started(commands.start)
                handlers.append(commands)
                running.append(commands.run)
                figures.append(commands.render)
            reader = EventReader(self._log, self._partitions, handlers, self._clock.now_us)
            self._figures = [reader.render, *figures]
            await together([reader.run(), *(run() for run in running)])
        finally:
            await sessions.close()


async def _started(start: Callable[[], Awaitable[None]]) -> None:
    """Start an app, again and again while an engine is away."""
    while True:
        try:
            await start()
            return
        except (DependencyError, CapacityError) as error:
            _log.warning("an app cannot start yet", error=error.detail)
            await asyncio.sleep(_RETRY_S)
