"""The worker's reading of events: one reader a partition hands each message to every app in turn.

In: ``EVENTS-<partition>``. Out: calls of the handlers, in the order of the log; a trimmed log. A
handler keeps its own position with what it made of the events, in one transaction: after a crash
each is handed what it has not taken yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from motorcade.errors import CapacityError, CorruptionError, DependencyError, MotorcadeError
from motorcade.log.log import EventRecord, Log
from motorcade.tasks import ended

__all__ = ["EventHandler", "EventReader", "together"]

_log = structlog.get_logger(__name__)

_TICK_S: Final = 0.25
_TRIM_EVERY_S: Final = 5.0
_RETRY_FIRST_S: Final = 0.1
_RETRY_MAX_S: Final = 5.0
_COMPLAINT_EVERY_S: Final = 10.0


class EventHandler(Protocol):
    """An app that lives on events."""

    @property
    def name(self) -> str:
        """What it is called in logs and figures."""

    def position(self, partition: int) -> int:
        """The sequence through which a partition's events are done with, durably."""

    async def apply(self, partition: int, records: Sequence[EventRecord]) -> None:
        """Take records, in order; those it has taken before are passed over. Where it raises
        ``DependencyError`` or ``CapacityError`` it is called again with the same."""

    async def tick(self, now_us: int) -> None:
        """Do what is due by now; called a few times a second."""


@dataclass(slots=True)
class _Counts:
    """What one partition's reader has done."""

    position: int = 0
    pending: int = 0
    events: int = 0
    gaps: int = 0
    faults: int = 0
    lag_s: float = 0.0
    stopped: bool = False
    trimmed: int = 0


@dataclass(eq=False)
class EventReader(Collector):
    """Reads the events of a worker's partitions for its apps."""

    log: Log
    partitions: Sequence[int]
    handlers: Sequence[EventHandler]
    now_us: Callable[[], int]
    counts: dict[int, _Counts] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    _complained_s: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Read for ever; cancel it to stop. Raises ``Conflict`` where another process has taken an
        app's partition over."""
        self.counts = {partition: _Counts() for partition in self.partitions}
        self.failures = {handler.name: 0 for handler in self.handlers}
        await together(
            [
                *(self._follow(partition) for partition in self.partitions),
                *(self._tick(handler) for handler in self.handlers),
                self._trim(),
            ]
        )

    def render(self) -> str:
        """The figures now, in the text format Prometheus reads."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry).decode()

    def collect(self) -> Iterator[Metric]:
        """One family per figure, labelled by partition or app."""
        for name, text, counted in _FAMILIES:
            kind = CounterMetricFamily if counted else GaugeMetricFamily
            family = kind(f"motorcade_events_{name}", text, labels=["partition"])
            for partition, counts in self.counts.items():
                family.add_metric([str(partition)], getattr(counts, name))
            yield family
        failures = CounterMetricFamily(
            "motorcade_events_failures", "Calls of an app that were tried again.", labels=["app"]
        )
        for name, count in self.failures.items():
            failures.add_metric([name], count)
        yield failures

    async def _follow(self, partition: int) -> None:
        """Hand a partition's events to every app; where the log is not the one the apps' positions
        are of, this partition alone stops."""
        counts = self.counts[partition]
        after = min(handler.position(partition) for handler in self.handlers)
        try:
            async with self.log.follow(partition, after) as follower:
                while True:
                    records = await follower.take()
                    self._note(counts, partition, records)
                    for handler in self.handlers:
                        await self._hand(handler, partition, records)
                    counts.position = records[-1].sequence
                    counts.pending = records[-1].pending
                    counts.lag_s = max(self.now_us() - records[-1].time_us, 0) / 1e6
        except CorruptionError as error:
            counts.stopped = True
            _log.error("events stopped", partition=partition, error=error.detail)
            await asyncio.Event().wait()

    async def _hand(
        self, handler: EventHandler, partition: int, records: Sequence[EventRecord]
    ) -> None:
        """Until the app has taken them; while it cannot, everything behind waits in the log."""
        wait_s = _RETRY_FIRST_S
        while True:
            done = handler.position(partition)
            fresh = [record for record in records if record.sequence > done]
            try:
                if fresh:
                    await handler.apply(partition, fresh)
                return
            except (DependencyError, CapacityError) as error:
                self._failed(handler, error)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _RETRY_MAX_S)

    async def _tick(self, handler: EventHandler) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            try:
                await handler.tick(self.now_us())
            except (DependencyError, CapacityError) as error:
                self._failed(handler, error)

    async def _trim(self) -> None:
        """Forget events that every app has taken."""
        while True:
            await asyncio.sleep(_TRIM_EVERY_S)
            for partition, counts in self.counts.items():
                through = min(handler.position(partition) for handler in self.handlers)
                if through <= counts.trimmed or counts.stopped:
                    continue
                try:
                    await self.log.trim_events(partition, through)
                    counts.trimmed = through
                except MotorcadeError as error:
                    _log.warning("events not trimmed", partition=partition, error=error.detail)

    def _note(self, counts: _Counts, partition: int, records: Sequence[EventRecord]) -> None:
        for record in records:
            counts.events += len(record.events)
            counts.faults += record.fault is not None
            if record.gap:
                counts.gaps += record.gap
                _log.error(
                    "events are missing: trimmed before they were read, or lost by the store",
                    partition=partition,
                    before=record.sequence,
                    missing=record.gap,
                )

    def _failed(self, handler: EventHandler, error: MotorcadeError) -> None:
        """Count it; say so now and then."""
        self.failures[handler.name] += 1
        now_s = asyncio.get_running_loop().time()
        if now_s - self._complained_s.get(handler.name, -_COMPLAINT_EVERY_S) >= _COMPLAINT_EVERY_S:
            self._complained_s[handler.name] = now_s
            _log.warning("events wait", app=handler.name, error=error.detail)


async def together(works: Sequence[Awaitable[None]]) -> None:
    """Run until one ends, then end the others; raise what ended it."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await ended(*tasks)


_FAMILIES: Final = (
    ("position", "Sequence of events every app has taken.", False),
    ("pending", "Messages of events behind it when it was sent.", False),
    ("lag_s", "Seconds between the storing of events and their being taken, last seen.", False),
    ("stopped", "1 where a partition's events are not those the apps have read.", False),
    ("events", "Events taken.", True),
    ("gaps", "Messages of events that were missing.", True),
    ("faults", "Messages of events that could not be read.", True),
)
