"""The pump of one partition: one reading of the log for all forwarders, onto their spools.

In: the partition's records. Out: chosen rows on each forwarder's spool, each record once. It reads
at its own pace and keeps its own position; ``kept_from`` says what the log should not yet forget.
What is trimmed all the same is counted as lost by every forwarder that might have wanted it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from motorcade.apps.forwarding.choosing import Chooser
from motorcade.apps.forwarding.config import Config
from motorcade.clock import Clock
from motorcade.errors import CorruptionError, DependencyError, MotorcadeError
from motorcade.limits import FORWARDING_PUT_BYTES_MAX, FORWARDING_ROUND_BYTES_MAX
from motorcade.log.log import Consumer, Log, Record
from motorcade.log.spools import Put
from motorcade.signals.batch import SignalBatch, concat

__all__ = ["Channel", "Pump"]

_RETRY_S = 1.0
_MARKS = 256
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Channel:
    """A forwarder as the pumps see it. ``created_us``: records stored before are not for it."""

    forwarder: int
    tenant: int
    chooser: Chooser
    created_us: int
    bytes_max: int
    age_s: float
    puts: dict[int, Put] = field(default_factory=dict)
    """By partition: how far it has come on the spool; asked of the spool at first."""
    seen: dict[int, int] = field(default_factory=dict)
    """By partition: records up to it have been looked at for this forwarder."""
    missing: dict[int, int] = field(default_factory=dict)
    """By partition: rows lost on the way, which the next put tells by a gap in its count."""

    async def prepare(self, log: Log, partition: int) -> Put:
        """See that there is a spool; how far the partition has come on it."""
        if partition not in self.puts:
            await log.spools.ensure(self.forwarder, self.bytes_max, self.age_s)
            self.puts[partition] = await log.spools.last_put(self.forwarder, partition)
        return self.puts[partition]


class Pump:
    """One partition's. ``channels`` may be replaced at any time; without any, nothing is read."""

    def __init__(self, partition: int, log: Log, config: Config, clock: Clock) -> None:
        self.partition = partition
        self.position: int | None = None
        """Everything up to it is on the spools; None while nothing is wanted."""
        self.saved: int | None = None
        """The position that a restart would begin from."""
        self.lag_s = 0.0
        self.pending = 0
        self.gaps = 0
        self._log = log
        self._config = config
        self._clock = clock
        self._channels: dict[int, Channel] = {}
        self._wanted = asyncio.Event()
        self._marks: deque[tuple[int, int]] = deque(maxlen=_MARKS)
        """Of the latest rounds: when the log stored the first record, and what came before it."""
        self._new: set[int] = set()
        self._back_to_us: int | None = None
        """A forwarder was made then: records stored since may have gone by."""

    @property
    def kept_from(self) -> int | None:
        """The log is needed from behind this sequence on; None: it is not needed."""
        return None if self.position is None else self.saved if self.saved is not None else 0

    def serve(self, channels: Iterable[Channel]) -> None:
        """Put for these from the next round on; for new ones from when they were made."""
        found = {channel.forwarder: channel for channel in channels}
        for forwarder in found.keys() - self._channels.keys():
            made_us = found[forwarder].created_us
            self._back_to_us = min(made_us, self._back_to_us or made_us)
            self._new.add(forwarder)
        self._channels = found
        if self._channels:
            self._wanted.set()
        else:
            self._wanted.clear()

    async def run(self, start: int | None) -> None:
        """Read from ``start`` on (None: whatever the log still has, for who wants it), for ever;
        cancel it to stop."""
        self.position = self.saved = start
        self._back_to_us = None
        self._new.clear()
        while True:
            if not self._channels:
                self.position = self.saved = None
                await self._wanted.wait()
            try:
                await self._follow()
            except CorruptionError as error:
                _log.error("forwarding begins anew", partition=self.partition, why=error.detail)
                self.position = self.saved = None
                await asyncio.sleep(_RETRY_S)
            except MotorcadeError as error:
                _log.warning("forwarding waits", partition=self.partition, why=error.detail)
                await asyncio.sleep(_RETRY_S)

    async def _follow(self) -> None:
        await self._begin()
        async with self._log.consume(self.partition, self.position or 0) as consumer:
            while self._channels and self._back_to_us is None:
                records = await self._gathered(consumer)
                if records:
                    await self._take(records)

    async def _begin(self) -> None:
        """Where to read from: where it was, or before that where a forwarder was made meanwhile.
        What the others have been asked about is not for them a second time."""
        first = (await self._log.bounds(self.partition)).first - 1
        since, self._back_to_us = self._back_to_us, None
        if self.position is None:
            self.position = max(first, 0)
        elif since is not None:
            earlier = [before for at, before in self._marks if at < since]
            back = earlier[-1] if earlier else first
            for channel in self._channels.values():
                if channel.forwarder not in self._new:
                    channel.seen[self.partition] = self.position
            self.position = max(min(back, self.position), first, 0)
        self._new.clear()

    async def _gathered(self, consumer: Consumer) -> list[Record]:
        """What comes within a moment: a put of many rows costs as much as one of few."""
        records: list[Record] = []
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_S):
                records += await consumer.take()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.linger_ms / 1000):
                while records and size < FORWARDING_ROUND_BYTES_MAX:
                    more = await consumer.take()
                    records += more
                    size += sum(_size(record) for record in more)
        return records

    async def _take(self, records: Sequence[Record]) -> None:
        self._marks.append((records[0].time_us, records[0].sequence - 1))
        gap = sum(record.gap for record in records)
        if gap:
            self.gaps += gap
            _log.error("records trimmed before they were forwarded", count=gap)
        by_tenant: dict[int, list[Channel]] = {}
        for channel in self._channels.values():
            by_tenant.setdefault(channel.tenant, []).append(channel)
            if gap:
                channel.missing[self.partition] = channel.missing.get(self.partition, 0) + gap
        chosen = self._chosen(records, by_tenant)
        await asyncio.gather(
            *(self._put(self._channels[one], parts) for one, parts in chosen.items())
        )
        self.position = records[-1].sequence
        self.pending = records[-1].pending
        self.lag_s = max(self._clock.now_us() - records[-1].time_us, 0) / 1e6

    def _chosen(
        self, records: Sequence[Record], by_tenant: dict[int, list[Channel]]
    ) -> dict[int, list[tuple[Record, list[SignalBatch]]]]:
        """For each forwarder the records that have something for it, with that."""
        chosen: dict[int, list[tuple[Record, list[SignalBatch]]]] = {}
        for record in records:
            found: dict[int, list[SignalBatch]] = {}
            for batch in record.batches:
                tenants = batch.numpy("tenant")
                for tenant in set(tenants.tolist()) & by_tenant.keys():
                    for channel in by_tenant[tenant]:
                        if record.time_us < channel.created_us or (
                            record.sequence <= channel.seen.get(self.partition, 0)
                        ):
                            continue
                        rows = channel.chooser.choose(batch, tenants)
                        if rows is not None:
                            found.setdefault(channel.forwarder, []).append(rows)
            for forwarder, batches in found.items():
                chosen.setdefault(forwarder, []).append((record, batches))
        return chosen

    async def _put(
        self, channel: Channel, parts: Sequence[tuple[Record, list[SignalBatch]]]
    ) -> None:
        """Put what is not on the spool yet; tried until NATS takes it, counted as lost where it
        never will."""
        for group in _groups(parts):
            again = False
            while True:
                try:
                    await self._put_group(channel, group, again=again)
                    break
                except DependencyError as error:
                    _log.warning("spool waits", forwarder=channel.forwarder, why=error.detail)
                    channel.puts.pop(self.partition, None)
                    again = True
                    await asyncio.sleep(_RETRY_S)
                except MotorcadeError as error:
                    rows = sum(len(batch) for _, batches in group for batch in batches)
                    channel.missing[self.partition] = channel.missing.get(self.partition, 0) + rows
                    _log.error("not spooled", forwarder=channel.forwarder, why=error.detail)
                    channel.puts.pop(self.partition, None)
                    break
            if channel.forwarder not in self._channels:
                return

    async def _put_group(
        self,
        channel: Channel,
        group: Sequence[tuple[Record, list[SignalBatch]]],
        *,
        again: bool,
    ) -> None:
        after = await channel.prepare(self._log, self.partition)
        fresh = [(record, rows) for record, rows in group if record.sequence > after.through]
        if not fresh:
            if again:  # the try before was stored after all, and with it what is missing
                channel.missing.pop(self.partition, None)
            return
        after = after._replace(rows=after.rows + channel.missing.get(self.partition, 0))
        channel.puts[self.partition] = await self._log.spools.put(
            channel.forwarder,
            self.partition,
            _joined(batch for _, batches in fresh for batch in batches),
            through=fresh[-1][0].sequence,
            after=after,
            time_us=fresh[0][0].time_us,
        )
        channel.missing.pop(self.partition, None)


def _groups(
    parts: Sequence[tuple[Record, list[SignalBatch]]],
) -> Iterable[list[tuple[Record, list[SignalBatch]]]]:
    """Records in order, in groups that make one message."""
    group: list[tuple[Record, list[SignalBatch]]] = []
    size = 0
    for record, batches in parts:
        own = sum(batch.data.nbytes for batch in batches)
        if group and size + own > FORWARDING_PUT_BYTES_MAX:
            yield group
            group, size = [], 0
        group.append((record, batches))
        size += own
    if group:
        yield group


def _joined(batches: Iterable[SignalBatch]) -> list[SignalBatch]:
    """Neighbours of the same columns as one; others stay apart: order is kept, and no new schema is
    made."""
    runs: list[list[SignalBatch]] = []
    for batch in batches:
        last = runs[-1][-1] if runs else None
        if last and last.kind == batch.kind and last.data.schema.equals(batch.data.schema):
            runs[-1].append(batch)
        else:
            runs.append([batch])
    return [joined for run in runs for joined in concat(run)]


def _size(record: Record) -> int:
    return sum(batch.data.nbytes for batch in record.batches)
