"""Live events: one reading of the log per process, filtered for every subscriber.

In: records of the telemetry log. Out: encoded events in the subscribers' queues. The log is read
only while somebody subscribes; a batch is decoded once, each distinct filter is computed once over
its columns, and only the rows that pass are rendered. The tenant is the first filter, and never
optional."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from numpy.typing import NDArray

from motorcade import limits
from motorcade.api.config import Config
from motorcade.api.events import events
from motorcade.api.metrics import Meters
from motorcade.api.parameters import Box
from motorcade.api.subscribers import Events, Subscriber, encode_events
from motorcade.api.vins import Vins
from motorcade.errors import CapacityError, DependencyError, MotorcadeError
from motorcade.log.log import Log
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue
from motorcade.tasks import ended

__all__ = ["Filter", "Hub"]

LATITUDE: Final = "Vehicle.CurrentLocation.Latitude"
LONGITUDE: Final = "Vehicle.CurrentLocation.Longitude"
_RETRY_S: Final = 1.0
_STOPPING: Final = "This server is stopping; connect again."

Predicate = Callable[[SignalBatch], NDArray[np.bool_]]
"""Rows of a batch that pass, as a mask."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscriber wants; equal filters share their work. ``tenant`` is a number above 0."""

    tenant: int
    bbox: Box | None = None
    where: str | None = None
    signals: tuple[str, ...] | None = None
    vehicles: tuple[int, ...] | None = None


@dataclass(slots=True)
class _Channel:
    """Everybody with the same filter."""

    wanted: Filter
    predicate: Predicate | None
    numbers: NDArray[np.uint64] | None
    subscribers: set[Subscriber] = field(default_factory=set)
    failing: bool = False


class Hub:
    """Subscriptions of one process; ``close`` ends them all."""

    def __init__(
        self, log: Log, vins: Vins, catalogue: Catalogue, config: Config, meters: Meters
    ) -> None:
        self._log = log
        self._vins = vins
        self._catalogue = catalogue
        self._config = config
        self._meters = meters
        self._channels: dict[Filter, _Channel] = {}
        self._of_tenant: dict[int, int] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._endings: set[asyncio.Task[list[BaseException]]] = set()
        self._run = 0
        self._starting = asyncio.Lock()
        self._ask_again_s = 0.0
        self._closed = False

    async def subscribe(self, wanted: Filter, predicate: Predicate | None) -> Subscriber:
        """A queue that gets every event acknowledged from now on that ``wanted`` lets through.

        Raises ``CapacityError`` where the process or the tenant has its most subscribers,
        ``DependencyError`` where the process is stopping.
        """
        if self._closed:
            raise DependencyError(_STOPPING)
        here = sum(self._of_tenant.values())
        own = self._of_tenant.get(wanted.tenant, 0)
        if here >= self._config.streams_max or own >= self._config.streams_per_tenant_max:
            raise CapacityError("There are as many streams as this server serves.", 10.0)
        subscriber = Subscriber(self._config.stream_queue_bytes_max)
        channel = self._channels.get(wanted)
        if channel is None:
            channel = self._channels[wanted] = _Channel(wanted, predicate, _numbers(wanted))
        channel.subscribers.add(subscriber)
        self._of_tenant[wanted.tenant] = own + 1
        self._meters.streams.inc()
        try:
            await self._start()
        except BaseException:
            self.unsubscribe(wanted, subscriber)
            raise
        return subscriber

    def unsubscribe(self, wanted: Filter, subscriber: Subscriber) -> None:
        """Forget a subscriber; the last one to leave stops the reading of the log."""
        channel = self._channels.get(wanted)
        if channel is None or subscriber not in channel.subscribers:
            return
        channel.subscribers.discard(subscriber)
        subscriber.close()
        self._of_tenant[wanted.tenant] -= 1
        if not self._of_tenant[wanted.tenant]:
            del self._of_tenant[wanted.tenant]
        self._meters.streams.dec()
        if not channel.subscribers:
            del self._channels[wanted]
        if not self._channels:
            self._stop()

    async def close(self) -> None:
        """End every stream and the reading of the log."""
        self._closed = True
        for channel in list(self._channels.values()):
            for subscriber in list(channel.subscribers):
                subscriber.close(DependencyError(_STOPPING))
                self.unsubscribe(channel.wanted, subscriber)
        self._stop()
        while self._endings:
            await asyncio.wait(self._endings)

    async def _start(self) -> None:
        async with self._starting:
            if self._readers:
                return
            partitions = range(self._log.partitions)
            after = await asyncio.gather(*(self._log.last_sequence(p) for p in partitions))
            if not self._channels:
                return
            self._run += 1
            self._readers = {
                asyncio.create_task(self._read(self._run, partition, sequence))
                for partition, sequence in zip(partitions, after, strict=True)
            }

    def _stop(self) -> None:
        """End the readers, whatever they wait for, without waiting here."""
        readers, self._readers = self._readers, set()
        self._run += 1
        if readers:
            ending = asyncio.create_task(ended(*readers))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    async def _read(self, run: int, partition: int, after: int) -> None:
        """Read one partition until this run is over; an engine that goes away is asked again."""
        while run == self._run:
            try:
                async with self._log.consume(partition, after) as records:
                    async for record in records:
                        if run != self._run:
                            return
                        after = record.sequence
                        if record.gap:
                            self._miss(record.gap)
                        await self._hand_out(record.batches)
            except Exception as error:
                # Whatever it was must not leave subscribers in silence: they are told of a loss.
                self._miss(1)
                reason = error.detail if isinstance(error, MotorcadeError) else repr(error)
                log = structlog.get_logger("motorcade.api")
                log.warning("stream reader starts again", partition=partition, reason=reason)
            await asyncio.sleep(_RETRY_S)

    async def _hand_out(self, batches: Iterable[SignalBatch]) -> None:
        for batch in batches:
            tenants = batch.numpy("tenant")
            present = set(np.unique(tenants).tolist())
            for channel in list(self._channels.values()):
                if channel.wanted.tenant not in present:
                    continue
                await self._hand_to(channel, batch, tenants)

    async def _hand_to(
        self, channel: _Channel, batch: SignalBatch, tenants: NDArray[np.uint32]
    ) -> None:
        """What fails for one channel is that channel's loss and nobody else's."""
        lost = int(np.count_nonzero(tenants == channel.wanted.tenant))
        try:
            rows = np.flatnonzero(_passing(channel, batch, tenants))
            lost = len(rows)
            if lost:
                events, lost = await self._events(channel.wanted, batch, rows)
                self._offer(channel, events)
            channel.failing = False
        except Exception as error:
            if not channel.failing:
                channel.failing = True
                structlog.get_logger("motorcade.api").error(
                    "stream filter fails", tenant=channel.wanted.tenant, reason=repr(error)
                )
        if lost:
            for subscriber in channel.subscribers:
                subscriber.miss(lost)

    def _miss(self, count: int) -> None:
        """The log itself lost records: every subscriber is told, with the least it can be."""
        for channel in self._channels.values():
            for subscriber in channel.subscribers:
                subscriber.miss(count)

    def _offer(self, channel: _Channel, events: Events) -> None:
        for subscriber in channel.subscribers:
            subscriber.offer(events)
        self._meters.events.inc(len(events.items) * len(channel.subscribers))

    async def _events(
        self, wanted: Filter, batch: SignalBatch, rows: NDArray[Any]
    ) -> tuple[Events, int]:
        """The chosen rows as encoded objects ``{vin, event_time, kind, signals}``, and how many are
        left out because the registry cannot be asked for their VINs."""
        chosen = batch if len(rows) == len(batch) else batch.take(rows)
        numbers = chosen.numpy("vehicle").tolist()
        vins, answered = await self._names(wanted.tenant, numbers)
        lost = 0 if answered else sum(number not in vins for number in numbers)
        paths = chosen.paths if wanted.signals is None else _both(wanted.signals, chosen)
        return encode_events(events(chosen, paths, vins, self._catalogue)), lost

    async def _names(self, tenant: int, numbers: list[int]) -> tuple[dict[int, str], bool]:
        """VINs by number, and whether these are all there are. A registry that does not answer is
        left alone for a while: everybody's events wait behind a question."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._ask_again_s:
            try:
                async with asyncio.timeout(limits.API_STREAM_VINS_S):
                    return await self._vins.names(tenant, numbers), True
            except (DependencyError, TimeoutError) as error:
                self._ask_again_s = loop.time() + limits.API_STREAM_VINS_S
                log = structlog.get_logger("motorcade.api")
                log.warning("stream without the registry", tenant=tenant, reason=repr(error))
        vins = self._vins.remembered(tenant, numbers)
        return vins, len(vins) == len(set(numbers))


def _passing(
    channel: _Channel, batch: SignalBatch, tenants: NDArray[np.uint32]
) -> NDArray[np.bool_]:
    """The rows of ``batch`` a channel's subscribers may see and want."""
    wanted = channel.wanted
    mask: NDArray[np.bool_] = tenants == wanted.tenant
    if channel.numbers is not None:
        mask &= np.isin(batch.numpy("vehicle"), channel.numbers)
    if wanted.bbox is not None:
        mask &= _inside(batch, wanted.bbox)
    if channel.predicate is not None and mask.any():
        mask &= channel.predicate(batch)
    if wanted.signals is not None and mask.any():
        mask &= _carrying(batch, wanted.signals)
    return mask


def _inside(batch: SignalBatch, box: Box) -> NDArray[np.bool_]:
    paths = set(batch.paths)
    if LATITUDE not in paths or LONGITUDE not in paths:
        return np.zeros(len(batch), np.bool_)
    west, south, east, north = box
    latitude = _floats(batch.column(LATITUDE))
    longitude = _floats(batch.column(LONGITUDE))
    within = (longitude >= west) & (longitude <= east)
    if west > east:
        within = (longitude >= west) | (longitude <= east)
    inside: NDArray[np.bool_] = within & (latitude >= south) & (latitude <= north)
    return inside


def _carrying(batch: SignalBatch, paths: Iterable[str]) -> NDArray[np.bool_]:
    """Rows that have a value in at least one of ``paths``."""
    mask = np.zeros(len(batch), np.bool_)
    for path in _both(paths, batch):
        mask |= pc.is_valid(batch.column(path)).to_numpy(zero_copy_only=False)
    return mask


def _both(paths: Iterable[str], batch: SignalBatch) -> list[str]:
    present = set(batch.paths)
    return [path for path in paths if path in present]


def _floats(column: pa.Array) -> NDArray[np.float64]:
    """Values as doubles, NaN where null: NaN lies in no box."""
    doubles: NDArray[np.float64] = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    return doubles


def _numbers(wanted: Filter) -> NDArray[np.uint64] | None:
    return None if wanted.vehicles is None else np.array(wanted.vehicles, np.uint64)
