"""The pump of one partition: one reading of the log for all forwarders, onto their spools.

In: the partition's records. Out: chosen rows on each forwarder's spool, each record once. It reads
at its own pace and keeps its own position; ``kept_from`` says what the log should not yet forget.
What is trimmed all the same is counted as lost by every forwarder that might have wanted it. A
forwarder whose spool is broken holds up nobody: it is left behind, and once its spool is well again
reads the log by itself until it is level with the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from motorcade.apps.forwarding.config import Config
from motorcade.apps.forwarding.putting import Channel, Chosen, put
from motorcade.clock import Clock
from motorcade.errors import CorruptionError, MotorcadeError
from motorcade.limits import FORWARDING_ROUND_BYTES_MAX
from motorcade.log.log import Consumer, Log, Record
from motorcade.signals.batch import SignalBatch
from motorcade.tasks import ended

__all__ = ["Pump"]

_RETRY_S = 1.0
_PATIENCE_S = 1.0
"""How long the forwarders of a partition wait for the slowest spool among them."""
_MARKS = 256
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Late:
    """A forwarder that the pump does not wait for: what is up to ``after`` is on its spool."""

    after: int
    task: asyncio.Task[None] | None = None


class Pump:
    """One partition's. ``channels`` may be replaced at any time; without any, nothing is read."""

    def __init__(self, partition: int, log: Log, config: Config, clock: Clock) -> None:
        self.partition = partition
        self.position: int | None = None
        """Everything up to it is on the spools of those that are not late; None while nothing is
        wanted."""
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
        self._taken = 0
        """The last record that is, or is being, put for those that are not late."""
        self._late: dict[int, _Late] = {}

    @property
    def spooled(self) -> int | None:
        """Everything up to it is on all spools; None while nothing is wanted."""
        if self.position is None:
            return None
        return min([self.position, *(late.after for late in self._late.values())])

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
        for forwarder in self._late.keys() - found.keys():
            task = self._late.pop(forwarder).task
            if task is not None:
                task.cancel()
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
        try:
            while True:
                if not self._channels:
                    self.position = self.saved = None
                    await self._wanted.wait()
                try:
                    await self._follow()
                except CorruptionError as error:
                    _log.error("forwarding begins anew", partition=self.partition, why=error.detail)
                    await self._end_late()
                    self.position = self.saved = None
                    await asyncio.sleep(_RETRY_S)
                except MotorcadeError as error:
                    _log.warning("forwarding waits", partition=self.partition, why=error.detail)
                    await asyncio.sleep(_RETRY_S)
        finally:
            await self._end_late()

    async def _end_late(self) -> None:
        """Go back to where the last of them is."""
        self.position, late = self.spooled, self._late
        self._late = {}
        await ended(*(one.task for one in late.values() if one.task is not None))
        for forwarder in late.keys() & self._channels.keys():
            self._channels[forwarder].puts.pop(self.partition, None)

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
                if channel.forwarder not in self._new and channel.forwarder not in self._late:
                    channel.seen[self.partition] = self.position
            self.position = max(min(back, self.position), first, 0)
        self._taken = self.position
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
        self._taken = records[-1].sequence
        gap = sum(record.gap for record in records)
        if gap:
            self.gaps += gap
            _log.error("records trimmed before they were forwarded", count=gap)
        level = [one for one in self._channels.values() if one.forwarder not in self._late]
        await self._put_all(self._chosen(records, level), records)
        self.position = records[-1].sequence
        self.pending = records[-1].pending
        self.lag_s = max(self._clock.now_us() - records[-1].time_us, 0) / 1e6

    async def _put_all(self, chosen: dict[int, list[Chosen]], records: Sequence[Record]) -> None:
        """Put for each forwarder; those that others have waited for long enough are left behind."""
        putting = {
            asyncio.create_task(self._put(forwarder, parts)): forwarder
            for forwarder, parts in chosen.items()
        }
        slow: set[asyncio.Task[None]] = set(putting)
        try:
            while slow:
                _, slow = await asyncio.wait(putting, timeout=_PATIENCE_S)
                if self._log.connected:  # else it is nobody's own fault
                    break
        except asyncio.CancelledError:
            await ended(*putting)
            raise
        for task in slow:
            late = self._late[putting[task]] = _Late(records[0].sequence - 1)
            _log.warning("forwarder left behind", forwarder=putting[task], partition=self.partition)
            catching_up = self._catch_up(putting[task], late, task, records[-1].sequence)
            late.task = asyncio.create_task(catching_up)
        for task in putting.keys() - slow:
            task.result()

    async def _put(self, forwarder: int, parts: Sequence[Chosen]) -> None:
        await put(lambda: self._channels.get(forwarder), parts, self._log, self.partition)

    async def _catch_up(
        self, forwarder: int, late: _Late, putting: asyncio.Task[None], through: int
    ) -> None:
        """Wait for the put others did not wait for, then read on until level with them."""
        try:
            await putting
            late.after = through
        except Exception:
            _log.exception("a late put broke", forwarder=forwarder)
        while not self._is_level(forwarder, late):
            try:
                async with self._log.consume(self.partition, late.after) as consumer:
                    while not self._is_level(forwarder, late):
                        records = await self._gathered(consumer)
                        if records and forwarder in self._channels:
                            chosen = self._chosen(records, [self._channels[forwarder]])
                            await self._put(forwarder, chosen.get(forwarder, []))
                            late.after = records[-1].sequence
            except MotorcadeError as error:
                _log.warning("forwarder stays behind", forwarder=forwarder, why=error.detail)
                await asyncio.sleep(_RETRY_S)
            except Exception:
                _log.exception("forwarder stays behind", forwarder=forwarder)
                await asyncio.sleep(_RETRY_S)

    def _is_level(self, forwarder: int, late: _Late) -> bool:
        """Whether it is with the others again, which it is from then on; or there no more."""
        channel = self._channels.get(forwarder)
        if channel is None or self._late.get(forwarder) is not late:
            return True
        if late.after < self._taken:
            return False
        channel.seen[self.partition] = max(late.after, channel.seen.get(self.partition, 0))
        del self._late[forwarder]
        return True

    def _chosen(
        self, records: Sequence[Record], channels: Sequence[Channel]
    ) -> dict[int, list[Chosen]]:
        """For each forwarder the records that have something for it, with that."""
        by_tenant: dict[int, list[Channel]] = {}
        gap = sum(record.gap for record in records)
        for channel in channels:
            by_tenant.setdefault(channel.tenant, []).append(channel)
            if gap:
                channel.missing[self.partition] = channel.missing.get(self.partition, 0) + gap
        chosen: dict[int, list[Chosen]] = {}
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


def _size(record: Record) -> int:
    return sum(batch.data.nbytes for batch in record.batches)
