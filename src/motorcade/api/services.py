"""What the API needs of the rooms below, as Protocols, and the bundle that ``node/`` passes in.

The real classes are ``fleet.registry.Fleet``, ``log.log.Log``, ``twin.reader.TwinReader`` and
``history.reader.HistoryReader``; an API on another host than the twin gets a client of the same
shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from motorcade.api.config import Config
from motorcade.apps.forwarding.config import Config as ForwardingConfig
from motorcade.clock import Clock
from motorcade.signals.catalogue import Catalogue

if TYPE_CHECKING:
    import pyarrow as pa

    from motorcade.fleet.registry import Fleet
    from motorcade.history.reader import QueryResult
    from motorcade.log.log import Log
    from motorcade.twin.predicate import Predicate
    from motorcade.twin.reader import State

__all__ = ["HistoryService", "Services", "TwinService"]


class TwinService(Protocol):
    """What is true now, always of one tenant."""

    async def fetch(
        self, vehicle: int, tenant: int, signals: Sequence[str] | None = None
    ) -> State | None:
        """One vehicle as last reported; None where it never was, or is another tenant's. Waits for
        a row that is being written without holding up the event loop."""

    def select(
        self,
        tenant: int,
        *,
        bbox: tuple[float, float, float, float] | None = None,
        where: str | Predicate | None = None,
        signals: Sequence[str] = (),
        limit: int = 1_000,
        after: int = 0,
    ) -> pa.Table:
        """The tenant's vehicles that a box and a predicate choose, by number, above ``after``."""


class HistoryService(Protocol):
    """What was true when, always of one tenant."""

    async def query(
        self,
        tenant: int,
        vehicle: int,
        *,
        signals: Sequence[str] | None = None,
        from_us: int = ...,
        to_us: int = ...,
        every_us: int | None = None,
        aggregate: str = "mean",
        limit: int = ...,
        cursor: str | None = None,
        kind: str | None = None,
    ) -> QueryResult:
        """One vehicle's rows, a page of them; of one message kind alone where it is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything the API is built over; whoever makes the parts closes them."""

    fleet: Fleet
    log: Log
    twin: TwinService
    history: HistoryService
    catalogue: Catalogue
    clock: Clock
    config: Config = field(default_factory=Config)
    forwarding: ForwardingConfig = field(default_factory=ForwardingConfig)
    protocols: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Protocol name to the signal paths it reports, for the catalogue's listing."""
    metrics: Callable[[], Awaitable[str]] | None = None
    """Figures of the other roles, in Prometheus' text format."""
    health: Mapping[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    """More probes by engine name, beside ``postgresql``, ``nats`` and ``twin``; raising is
    unwell."""
