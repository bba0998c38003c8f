"""What every listener of one gateway process shares: log, registry, clock, budget, counts,
settings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from motorcade.clock import Clock
from motorcade.gateway.budget import Budget
from motorcade.gateway.config import Acknowledge, Config
from motorcade.gateway.directory import Directory, VehicleCache
from motorcade.gateway.metrics import Metrics
from motorcade.gateway.quarantine import Quarantine
from motorcade.log.downlink import Downlinked
from motorcade.log.events import Event
from motorcade.log.log import Quarantined
from motorcade.protocols.commands import Command
from motorcade.signals.batch import SignalBatch

if TYPE_CHECKING:
    from motorcade.gateway.links import Links

__all__ = ["Closable", "Ground", "Log", "Settings", "Shared"]


class Closable(Protocol):
    """A subscription or server that can be ended."""

    async def close(self) -> None: ...


class Log(Protocol):
    """What the gateway asks of the log; ``log.log.Log`` fits."""

    @property
    def partitions(self) -> int: ...

    async def append(self, partition: int, batches: Sequence[SignalBatch]) -> int: ...

    async def quarantine(self, entries: Sequence[Quarantined]) -> int: ...

    async def post(self, partition: int, events: Sequence[Event]) -> int: ...

    async def serve(
        self, subject: str, handler: Callable[[bytes], Awaitable[bytes]], queue: str = "serve"
    ) -> Closable: ...

    async def publish(self, subject: str, payload: bytes = b"") -> bool: ...

    async def subscribe(
        self, subject: str, handler: Callable[[str, bytes], Awaitable[None]]
    ) -> Closable: ...


class Ground(Protocol):
    """A way to vehicles that is not the connection they were heard on."""

    def send(self, identity: str, command: Command) -> Downlinked:
        """Take a command for a vehicle; it goes out in the background."""

    async def close(self) -> None:
        """Give up what waits."""


@dataclass(slots=True)
class Settings:
    """Tenants' settings as the ticks read them: ``by_tenant`` for ``decode``, the tenants that
    decided how their terminals' reports are answered as sorted columns."""

    stamp: Any = None
    by_tenant: Mapping[int, Any] = field(default_factory=dict)
    always: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    standard: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))

    def take(self, stamp: Any, by_tenant: Mapping[int, Any]) -> None:
        """New settings of all tenants."""
        self.stamp = stamp
        self.by_tenant = by_tenant
        self.always = self._who("always")
        self.standard = self._who("standard")

    def silent(self, tenant: NDArray[np.uint32], default: Acknowledge) -> NDArray[np.bool_]:
        """Which rows' correct reports get no answer on a terminal link."""
        if default == "standard":
            return ~np.isin(tenant, self.always)
        if not len(self.standard):
            return np.zeros(len(tenant), bool)
        return np.isin(tenant, self.standard)

    def _who(self, choice: str) -> NDArray[np.uint32]:
        return np.array(
            sorted(
                number
                for number, settings in self.by_tenant.items()
                if getattr(settings, "acknowledge_reports", None) == choice
            ),
            np.uint32,
        )


@dataclass(frozen=True, slots=True)
class Shared:
    """One process's common parts; ``hint`` tells other gateways who logged in here: protocol,
    bearer, vehicles, µs UTC."""

    name: str
    config: Config
    log: Log
    directory: Directory
    clock: Clock
    budget: Budget
    metrics: Metrics
    quarantine: Quarantine
    settings: Settings
    vehicles: VehicleCache
    links: Links
    hint: Callable[[str, str, Sequence[int], int], None]
