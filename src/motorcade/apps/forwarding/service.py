"""Forwarding in a worker: pumps for its partitions, couriers for its forwarders, their progress.

In: forwarders' rules from PostgreSQL, the log. Out: pumps and couriers that follow the rules within
a second, positions and states back in PostgreSQL, figures. Each worker pumps its own partitions
onto every forwarder's spool, and delivers for the forwarders whose number is its own modulo the
workers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from motorcade.apps.forwarding.choosing import Chooser
from motorcade.apps.forwarding.config import Config
from motorcade.apps.forwarding.courier import Courier
from motorcade.apps.forwarding.parcel import Name, Surroundings
from motorcade.apps.forwarding.pump import Pump
from motorcade.apps.forwarding.putting import Channel
from motorcade.apps.forwarding.store import Forwarder, Forwarders, State
from motorcade.clock import Clock
from motorcade.errors import DependencyError, MotorcadeError
from motorcade.limits import FORWARDING_NAMES_CACHED_MAX
from motorcade.log.connection import Subscription
from motorcade.log.log import Log
from motorcade.log.spools import Put, Stuck
from motorcade.signals.catalogue import Catalogue
from motorcade.tasks import ended

__all__ = ["Forwarding"]

_LABELS_EVERY_S: Final = 15.0
_NAMES_KEPT_S: Final = 300.0
_BROKEN_S: Final = 1.0
_log = structlog.get_logger(__name__)


class Forwarding(Collector):
    """One worker's part. ``run`` it; ``kept_from`` tells the log's trimmer what is still wanted."""

    def __init__(
        self,
        log: Log,
        store: Forwarders,
        catalogue: Catalogue,
        clock: Clock,
        config: Config,
        *,
        partitions: Sequence[int],
        index: int = 0,
        workers: int = 1,
    ) -> None:
        self._log = log
        self._store = store
        self._catalogue = catalogue
        self._clock = clock
        self._config = config
        self._index = index
        self._workers = workers
        self._pumps = {partition: Pump(partition, log, config, clock) for partition in partitions}
        self._channels: dict[int, Channel] = {}
        self._couriers: dict[int, tuple[Courier, asyncio.Task[None]]] = {}
        self._known: dict[int, Forwarder] = {}
        self._stamp = -1
        self._saved: dict[int, tuple[int, bytes]] = {}
        self._names: dict[tuple[int, int], Name] = {}
        self._names_since_s = 0.0
        self._labels_s = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)

    async def run(self) -> None:
        """Forward for ever; cancel it to stop."""
        tasks: list[asyncio.Task[None]] = []
        watching: list[Subscription] = []
        try:
            positions = await self._first_look()
            watching.append(await self._log.spools.watch(self._heard))
            watching.append(await self._log.spools.watch_stuck(self._stuck))
            for partition, pump in self._pumps.items():
                start = positions.get(partition)
                tasks.append(asyncio.create_task(self._pump(pump, start)))
            while True:
                await asyncio.sleep(self._config.rules_every_s)
                await self._tend()
        finally:
            for subscription in watching:
                await subscription.close()
            await ended(*tasks, *(task for _, task in self._couriers.values()))
            with contextlib.suppress(MotorcadeError):
                await self._save()

    async def _pump(self, pump: Pump, start: int | None) -> None:
        """What fails in a pump is told, and the pump goes on from where it was."""
        while True:
            try:
                await pump.run(start)
            except Exception:
                _log.exception("forwarding pump broke", partition=pump.partition)
            start = pump.position
            await asyncio.sleep(_BROKEN_S)

    def kept_from(self, partition: int) -> int | None:
        """The sequence behind which the log is still wanted; None where it is not. 0 until the
        registry has told whether there are forwarders at all."""
        if self._stamp < 0:
            return 0
        return self._pumps[partition].kept_from

    def metrics_text(self) -> str:
        """The figures now, in the text format Prometheus reads."""
        return generate_latest(self._registry).decode()

    def collect(self) -> Iterator[Metric]:
        """Figures by forwarder and by partition."""
        states = [(courier.forwarder, courier.look()) for courier, _ in self._couriers.values()]
        for name, text, counted in _FAMILIES:
            kind = CounterMetricFamily if counted else GaugeMetricFamily
            family = kind(
                f"motorcade_forwarder_{name}", text, labels=["tenant", "forwarder", "kind"]
            )
            for forwarder, state in states:
                labels = [forwarder.tenant_name, forwarder.name, forwarder.rule.kind]
                family.add_metric(labels, getattr(state, name))
            yield family
        for name, text, counted in _PUMP_FAMILIES:
            kind = CounterMetricFamily if counted else GaugeMetricFamily
            family = kind(f"motorcade_forwarding_{name}", text, labels=["partition"])
            for partition, pump in self._pumps.items():
                family.add_metric([str(partition)], getattr(pump, name))
            yield family

    async def _first_look(self) -> dict[int, int]:
        """The rules and positions; waits until the registry answers."""
        while True:
            try:
                positions = await self._store.positions()
                spools = await self._log.spools.names()
                await self._reload()
                # Listed before the rules: whose forwarder is not there is gone for good.
                for number in spools - await self._store.ids():
                    if number % self._workers == self._index:
                        await self._log.spools.remove(number)
                return positions
            except DependencyError as error:
                _log.warning("forwarding awaits the registry", why=error.detail)
                await asyncio.sleep(self._config.rules_every_s)

    async def _tend(self) -> None:
        """Follow changed rules, save progress; while the registry is away all goes on as it was."""
        try:
            if await self._store.stamp() != self._stamp:
                await self._reload()
            await self._refresh_vehicles()
            await self._save()
        except MotorcadeError as error:
            _log.warning("forwarding without the registry", why=error.detail)
        except Exception:
            # Whoever forwards goes on; what could not be followed is told and tried again.
            _log.exception("forwarding could not follow its rules")

    async def _reload(self) -> None:
        """Take the rules as they are now."""
        stamp = await self._store.stamp()
        every = await self._store.every()
        found = {forwarder.id: (forwarder, position, state) for forwarder, position, state in every}
        removed = self._known.keys() - found.keys()
        if removed:
            # A rule that cannot be read any more is no reason to forget what is unsent.
            removed -= await self._store.ids()
        for number, (forwarder, position, state) in found.items():
            before = self._known.get(number)
            if before is not None and before.changed == forwarder.changed:
                continue
            self._known[number] = forwarder
            try:
                await self._adopt(forwarder, position, state)
            except MotorcadeError as error:
                if isinstance(error, DependencyError):
                    self._known.pop(number)
                    raise
                _log.error("forwarder unusable", forwarder=number, why=error.detail)
        for number in removed:
            await self._forget(number)
        self._serve()
        self._stamp = stamp

    async def _adopt(self, forwarder: Forwarder, position: int, state: State) -> None:
        """Begin with a forwarder, or go on with it by its new rule."""
        rule = forwarder.rule
        chooser = Chooser(rule, forwarder.tenant, self._catalogue)
        if chooser.names_vehicles:
            chooser.vehicles = await self._store.chosen(
                forwarder.tenant, rule.filter.vins, rule.filter.labels
            )
        before = self._channels.get(forwarder.id)
        self._channels[forwarder.id] = Channel(
            forwarder.id,
            forwarder.tenant,
            chooser,
            round(forwarder.created.timestamp() * 1e6),
            rule.spool_bytes_max,
            rule.spool_age_s,
            seen={} if before is None else before.seen,
            missing={} if before is None else before.missing,
        )
        if forwarder.id % self._workers != self._index:
            return
        running = self._couriers.pop(forwarder.id, None)
        if running is not None:
            await ended(running[1])
            position, state = running[0].position, running[0].state
        around = Surroundings(
            tenant=forwarder.tenant,
            tenant_name=forwarder.tenant_name,
            name=forwarder.name,
            catalogue=self._catalogue,
            clock=self._clock,
            config=self._config,
            log=self._log,
        )
        courier = Courier(forwarder, position, state, around, self._names_of)
        self._couriers[forwarder.id] = (courier, asyncio.create_task(self._deliver(courier)))

    async def _deliver(self, courier: Courier) -> None:
        """What fails in one courier is told and stays with it."""
        while True:
            try:
                await courier.run()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                courier.status = "retrying"
                courier.state.failures += 1
                courier.state.last_error = getattr(error, "detail", None) or repr(error)[:500]
                courier.state.last_error_us = self._clock.now_us()
                _log.exception("forwarder broke", forwarder=courier.forwarder.id)
            await asyncio.sleep(self._config.retry_max_s)

    async def _forget(self, number: int) -> None:
        """A forwarder is gone: end its courier, then its spool."""
        self._known.pop(number, None)
        self._channels.pop(number, None)
        self._saved.pop(number, None)
        running = self._couriers.pop(number, None)
        if running is not None:
            await ended(running[1])
            self._serve()
            await self._log.spools.remove(number)

    def _serve(self) -> None:
        for pump in self._pumps.values():
            pump.serve(self._channels.values())

    async def _refresh_vehicles(self) -> None:
        """Vehicles are registered and labelled all the time."""
        now = self._clock.monotonic_s()
        if now - self._labels_s < _LABELS_EVERY_S:
            return
        self._labels_s = now
        for number, channel in self._channels.items():
            if channel.chooser.names_vehicles:
                chosen = self._known[number].rule.filter
                channel.chooser.vehicles = await self._store.chosen(
                    channel.tenant, chosen.vins, chosen.labels
                )

    async def _names_of(self, tenant: int, numbers: Sequence[int]) -> dict[int, Name]:
        """VINs and plates, remembered for a while."""
        now = self._clock.monotonic_s()
        if (
            now - self._names_since_s > _NAMES_KEPT_S
            or len(self._names) > FORWARDING_NAMES_CACHED_MAX
        ):
            self._names.clear()
            self._names_since_s = now
        asked = [number for number in numbers if (tenant, number) not in self._names]
        if asked:
            for number, name in (await self._store.names_of(tenant, asked)).items():
                self._names[tenant, number] = name
        return {
            number: self._names[tenant, number]
            for number in numbers
            if (tenant, number) in self._names
        }

    async def _save(self) -> None:
        """Write what has moved since the last time."""
        moved: dict[int, tuple[Courier, bytes]] = {}
        for number, (courier, _) in self._couriers.items():
            state = _packed(courier.look())
            if self._saved.get(number) != (courier.position, state):
                moved[number] = (courier, state)
        marks = {number: courier.position for number, (courier, _) in moved.items()}
        positions = {
            partition: pump.spooled
            for partition, pump in self._pumps.items()
            if pump.spooled is not None and pump.spooled != pump.saved
        }
        if not moved and not positions:
            return
        await self._store.save(
            [(number, marks[number], courier.state) for number, (courier, _) in moved.items()],
            positions,
        )
        for number, (_, state) in moved.items():
            self._saved[number] = (marks[number], state)
        for partition, position in positions.items():
            self._pumps[partition].saved = position

    async def _heard(self, spool: int, partition: int, put: Put) -> None:
        running = self._couriers.get(spool)
        if running is not None:
            running[0].heard(partition, put)

    async def _stuck(self, spool: int, partition: int, stuck: Stuck) -> None:
        running = self._couriers.get(spool)
        if running is not None:
            running[0].stuck(partition, stuck)


_FAMILIES: Final = (
    ("sent", "Rows the peer acknowledged.", True),
    ("refused", "Rows the peer will never take.", True),
    ("left_out", "Rows the target's protocol cannot say.", True),
    ("lost", "Rows gone at the spool's bound or before they were read.", True),
    ("failures", "Attempts that failed and were tried again.", True),
    ("lag_rows", "Rows on the spool.", False),
    ("lag_s", "Age of the oldest row on the spool in seconds.", False),
)
_PUMP_FAMILIES: Final = (
    ("pending", "Log records not yet looked at.", False),
    ("lag_s", "Seconds between a record's storing and its being looked at, last seen.", False),
    ("gaps", "Log records trimmed before they were looked at.", True),
)


def _packed(state: State) -> bytes:
    return msgspec.json.encode(state)
