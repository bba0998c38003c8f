"""Forwarding in a worker process: there once PostgreSQL is, and heard before the log is trimmed.

In: a way to the registry. Out: running pumps and couriers. Until the registry has said whether
there are forwarders at all, the log keeps what they might want.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog

from motorcade.apps.forwarding.service import Forwarding
from motorcade.errors import DependencyError
from motorcade.fleet.registry import Fleet

__all__ = ["WorkerForwarding"]

_RETRY_S: Final = 1.0
_log = structlog.get_logger(__name__)


class WorkerForwarding:
    """One worker's forwarding. ``connect`` opens the registry and raises ``DependencyError`` while
    PostgreSQL is away; ``make`` builds the app over it."""

    def __init__(
        self,
        connect: Callable[[], AbstractAsyncContextManager[Fleet]],
        make: Callable[[Fleet], Forwarding],
    ) -> None:
        self._connect = connect
        self._make = make
        self._forwarding: Forwarding | None = None

    async def run(self) -> None:
        """Forward for ever; cancel it to stop."""
        while True:
            try:
                async with self._connect() as fleet:
                    self._forwarding = self._make(fleet)
                    await self._forwarding.run()
            except DependencyError as error:
                _log.warning("forwarding waits for PostgreSQL", error=error.detail)
                await asyncio.sleep(_RETRY_S)

    def kept_from(self, partition: int) -> int | None:
        """The sequence behind which the log is still wanted; None where it is not."""
        return 0 if self._forwarding is None else self._forwarding.kept_from(partition)

    def render(self) -> str:
        """The figures, in the text format Prometheus reads."""
        return "" if self._forwarding is None else self._forwarding.metrics_text()
