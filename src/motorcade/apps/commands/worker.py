"""The commands app of a worker, whole: the service, bulk jobs and desired states side by side.

In: the worker's partitions, its links, its twin. Out: a handler of events
(``node.events.EventHandler``) and one thing to run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from motorcade.apps.commands.bulk_runner import BulkRunner, Select
from motorcade.apps.commands.config import Config
from motorcade.apps.commands.desired_runner import DesiredRunner, Reported
from motorcade.apps.commands.service import CommandsService, Links
from motorcade.apps.commands.waking import Wake
from motorcade.clock import Clock
from motorcade.fleet.store import Store
from motorcade.log.log import Log
from motorcade.log.posting import EventRecord
from motorcade.signals.catalogue import Catalogue
from motorcade.tasks import ended

__all__ = ["CommandsWorker"]


class CommandsWorker(Collector):
    """Build it, ``start`` it, give it to the reader of events, ``run`` it."""

    name = "commands"

    def __init__(
        self,
        store: Store,
        log: Log,
        links: Links,
        catalogue: Catalogue,
        *,
        clock: Clock,
        partitions: Sequence[int],
        config: Config,
        select: Select,
        reported: Reported,
        wake: Wake | None = None,
    ) -> None:
        self.service = CommandsService(
            store,
            log,
            links,
            catalogue,
            clock=clock,
            partitions=partitions,
            config=config,
            wake=wake,
        )
        self._bulk = BulkRunner(
            store,
            log,
            clock,
            own=partitions,
            select=select,
            page=config.bulk_page,
            notice=self.service.notice,
        )
        self._desired = DesiredRunner(
            store,
            log,
            catalogue,
            clock=clock,
            config=config,
            own=partitions,
            links=links.links,
            reported=reported,
            notice=self.service.notice,
            wake=self.service.wake,
        )
        links.on_link(self._linked)

    async def start(self) -> None:
        """Take the partitions over. Raises ``DependencyError``: call it again then."""
        await self.service.start()

    def position(self, partition: int) -> int:
        """How far a partition's events are accounted for, durably."""
        return self.service.position(partition)

    async def apply(self, partition: int, records: Sequence[EventRecord]) -> None:
        """Take a partition's events, in order."""
        await self.service.apply(partition, records)

    async def tick(self, now_us: int) -> None:
        """Nothing: each part keeps its own time."""

    async def run(self) -> None:
        """Work for ever; cancel it to stop. Raises ``Conflict`` where another process has taken
        the partitions over."""
        tasks = [
            asyncio.create_task(part.run()) for part in (self.service, self._bulk, self._desired)
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await ended(*tasks)

    def render(self) -> str:
        """The figures now, in the text format Prometheus reads."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry).decode()

    def collect(self) -> Iterator[Metric]:
        """One family per figure."""
        for name, text in _COUNTED.items():
            family = CounterMetricFamily(f"motorcade_commands_{name}", text)
            family.add_metric([], self.service.counts[name])
            yield family
        out = GaugeMetricFamily("motorcade_commands_out", "Commands whose answer is awaited.")
        out.add_metric([], len(self.service.flights))
        yield out

    def _linked(self, vehicle: int, _: Any) -> None:
        self._desired.linked(vehicle)


_COUNTED = {
    "turns": "Transactions that accounted for what had come in.",
    "turns_failed": "Transactions that failed and were made again.",
    "turn_s": "Seconds spent on them.",
    "tries": "Commands handed to gateways, repetitions counted.",
    "answers": "Answers of vehicles.",
    "unmatched": "Answers to no command that is known.",
    "changes": "Commands changed.",
}
