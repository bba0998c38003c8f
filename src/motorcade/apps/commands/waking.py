"""Waking a sleeping vehicle: the hook, and the one that does nothing.

A car that sleeps keeps no connection; an SMS or a paging request of its SIM makes it come. Whoever
can send one (the SIM side of the platform) is asked here.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from motorcade.clock import Clock
from motorcade.limits import COMMAND_WAKE_EVERY_S, COMMAND_WAKES_MAX
from motorcade.tasks import ended

__all__ = ["NoWake", "Wake", "Waking"]

_log = structlog.get_logger(__name__)


class Wake(Protocol):
    """Something that can make a vehicle connect."""

    async def wake(self, tenant: int, vehicle: int, reason: str) -> None:
        """Something waits for a vehicle without a link (``reason``: ``command`` or ``desired``).
        What this raises is logged and changes nothing."""


class NoWake:
    """Vehicles come when they come."""

    async def wake(self, tenant: int, vehicle: int, reason: str) -> None:
        """Do nothing."""


class Waking:
    """Asks a ``Wake`` in the background, not too often."""

    def __init__(self, hook: Wake, clock: Clock) -> None:
        self._hook = hook
        self._clock = clock
        self._asked: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self, tenant: int, vehicle: int, reason: str) -> None:
        """Have a vehicle woken, unless it was asked for a moment ago."""
        now_s = self._clock.monotonic_s()
        if isinstance(self._hook, NoWake) or len(self._tasks) >= COMMAND_WAKES_MAX:
            return
        if now_s - self._asked.get(vehicle, -COMMAND_WAKE_EVERY_S) < COMMAND_WAKE_EVERY_S:
            return
        if len(self._asked) >= COMMAND_WAKES_MAX:
            self._asked.clear()
        self._asked[vehicle] = now_s
        task = asyncio.create_task(self._ask(tenant, vehicle, reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ask nobody any more."""
        await ended(*self._tasks)

    async def _ask(self, tenant: int, vehicle: int, reason: str) -> None:
        try:
            # Then it may be asked again; one that hangs must not keep the place of others.
            async with asyncio.timeout(COMMAND_WAKE_EVERY_S):
                await self._hook.wake(tenant, vehicle, reason)
        except Exception as error:
            _log.warning("a vehicle cannot be woken", vehicle=vehicle, why=repr(error))
