"""The whole platform on one machine: embedded engines and roles under one supervisor.

``motorcade up``, ``motorcade demo``, the benches and the fault tests all start it from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from motorcade.node.config import Settings
from motorcade.node.leftovers import end_leftovers
from motorcade.node.ports import check_free
from motorcade.node.rooms import FleetConfig
from motorcade.node.run_files import (
    DataLock,
    RoleFile,
    holder,
    write_settings,
    write_states,
    writing_in,
)
from motorcade.node.supervise import Child, Supervisor

__all__ = ["Platform", "serve_until_signalled"]

_ROLE_READY_S: Final = 60.0
_ROLE_STOP_S: Final = 20.0
_WORKER_STOP_MAX_S: Final = 300.0
"""A worker that is told to stop ends the commit it is in and commits what it took since. Into 92
tables on two busy cores that takes a minute; killed, it would do it all again at the next start."""
_LEFTOVER_S: Final = 20.0


class Platform:
    """Engines and roles on one data directory; ``start`` returns when everything serves."""

    def __init__(self, settings: Settings, announce: Callable[[str], None]) -> None:
        self.settings = settings
        self.data = settings.data
        self._announce = announce
        self._lock = DataLock(self.data)
        self._supervisor: Supervisor | None = None

    async def start(self, command: str = "motorcade up") -> None:
        """Take the data directory, start the engines, migrate, start the roles.

        Raises ``Conflict`` where another process holds the directory or a fixed port, ``Invalid``
        where the directory cannot be written or an address is not this machine's,
        ``DependencyError`` with the end of the log of whatever did not start.
        """
        if holder(self.data) is None:
            await end_leftovers(self.data, self._announce, _LEFTOVER_S)
            check_free(self.settings)  # before anything is made
        self._lock.acquire(command)
        try:
            self._supervisor = Supervisor(
                self._announce, lambda states: write_states(self.data, states)
            )
            with writing_in(self.data):
                await self._supervisor.start(self._engines())
            await self._migrate()
            with writing_in(self.data):
                file = write_settings(self.data, self.settings.plain())
                await self._supervisor.start(self._roles(file))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop roles and engines in reverse order and let the data directory go."""
        try:
            if self._supervisor is not None:
                await self._supervisor.stop()
        finally:
            if self._lock.held:  # else it is the file of whoever holds the directory
                for name in ("settings.json", "processes.json"):
                    (self.data / "run" / name).unlink(missing_ok=True)
            self._lock.release()

    def states(self) -> list[dict[str, object]]:
        """Name, pid, readiness and restarts of every process."""
        return self._supervisor.states() if self._supervisor else []

    def address(self, role: str, index: int = 0) -> dict[str, Any]:
        """What a role says of its addresses; empty where it has not said anything."""
        return RoleFile(self.data, role, index).read() or {}

    def _engines(self) -> list[Child]:
        """The engines no URL replaces; points the settings at them."""
        from motorcade.node.engines import nats_child, postgres_child

        children = []
        changes: dict[str, dict[str, Any]] = {}
        tables = self.settings.plain()
        if not tables["log"]["url"]:
            child, changes["log"] = nats_child(self.data)
            children.append(child)
        if not tables["fleet"]["url"]:
            child, changes["fleet"] = postgres_child(self.data)
            children.append(child)
        self.settings = self.settings.but(changes)
        return children

    async def _migrate(self) -> None:
        from motorcade.fleet.migrate import migrate

        fleet = self.settings.get(FleetConfig)
        if fleet.owner_url:
            await migrate(fleet.owner_url, fleet.url)

    def _roles(self, file: Path) -> list[Child]:
        node = self.settings.node
        counts = (("worker", node.workers), ("gateway", node.gateways), ("api", node.apis))
        return [self._role_child(role, i, file) for role, count in counts for i in range(count)]

    def _role_child(self, role: str, index: int, file: Path) -> Child:
        status = RoleFile(self.data, role, index)
        status.remove()
        child: Child

        async def ready() -> bool:
            process = child.process
            return process is not None and status.is_alive(process.pid)

        arguments = [sys.executable, "-m", "motorcade", role, "--index", str(index)]
        child = Child(
            name=f"{role}-{index}",
            command=lambda: [*arguments, "--config", str(file)],
            ready=ready,
            log_file=self.data / "logs" / f"{role}-{index}.log",
            stop_s=_ROLE_STOP_S,
            stop_max_s=_WORKER_STOP_MAX_S if role == "worker" else 0.0,
            ready_s=_ROLE_READY_S,
        )
        return child


async def serve_until_signalled(stopping: asyncio.Event) -> None:
    """Wait for Ctrl-C or a polite kill, or for ``stopping``."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    try:
        await stopping.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
