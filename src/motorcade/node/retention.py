"""How many days of history every tenant keeps, as the registry last said; and what the registry
itself keeps no longer is forgotten.

A worker starts and works without the registry; what is not known yet is never forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import structlog

from motorcade.clock import Clock, SystemClock
from motorcade.errors import MotorcadeError
from motorcade.tasks import ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from motorcade.fleet.registry import Fleet

__all__ = ["Retention"]

_REFRESH_S: Final = 60.0
_RETRY_S: Final = 5.0
_FORGET_EVERY_S: Final = 3_600.0
"""How often kept sessions that hold no more are dropped: nobody reads them, they only take room,
and each worker does it."""


class Retention:
    """Callable with a tenant's number: days kept (0: for ever), None while that is not known.

    ``default_days`` holds for tenants that name no number of their own. Without a registry
    (``connect`` None) it holds for all.
    """

    def __init__(
        self,
        default_days: int,
        connect: Callable[[], AbstractAsyncContextManager[Fleet]] | None,
        clock: Clock | None = None,
    ) -> None:
        self._default_days = default_days
        self._connect = connect
        self._clock = clock or SystemClock()
        self._forget_at_s = self._clock.monotonic_s()
        self._days: dict[int, int] = {}

    def __call__(self, tenant: int) -> int | None:
        if self._connect is None:
            return self._default_days
        return self._days.get(tenant)

    @contextlib.asynccontextmanager
    async def refreshed(self) -> AsyncIterator[None]:
        """Ask the registry each minute while this is open; its absence is retried."""
        task = asyncio.create_task(self._refresh()) if self._connect is not None else None
        try:
            yield
        finally:
            if task is not None:
                await ended(task)

    async def _refresh(self) -> None:
        log = structlog.get_logger("worker")
        while self._connect is not None:
            try:
                async with self._connect() as fleet:
                    while True:
                        await self._read(fleet)
                        await self._forget(fleet)
                        await asyncio.sleep(_REFRESH_S)
            except MotorcadeError as error:
                log.warning("tenants' retention is not known", detail=error.detail)
                await asyncio.sleep(_RETRY_S)

    async def _forget(self, fleet: Fleet) -> None:
        """Have the registry drop sessions that hold no more, where it is time."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._forget_at_s:
            await fleet.forget_sessions()
            self._forget_at_s = now_s + _FORGET_EVERY_S

    async def _read(self, fleet: Fleet) -> None:
        found = await fleet.gateway_settings()
        self._days = {
            tenant: self._default_days
            if settings.history_retention_days is None
            else settings.history_retention_days
            for tenant, settings in found.items()
        }
