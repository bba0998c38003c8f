"""Putting: a partition's rows onto the spool of one forwarder, in order and each once.

In: rows chosen from records of the log. Out: the same on the spool, however often that has to be
tried; what it never takes is counted as lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from motorcade.apps.forwarding.choosing import Chooser
from motorcade.errors import DependencyError, MotorcadeError
from motorcade.limits import FORWARDING_PUT_BYTES_MAX
from motorcade.log.log import Log, Record
from motorcade.log.spools import Put, Stuck
from motorcade.signals.batch import SignalBatch, concat

__all__ = ["Channel", "Chosen", "put"]

_RETRY_S: Final = 1.0
_log = structlog.get_logger(__name__)

Chosen = tuple[Record, list[SignalBatch]]
"""A record, and its rows for one forwarder."""


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


async def put(
    find: Callable[[], Channel | None], parts: Sequence[Chosen], log: Log, partition: int
) -> None:
    """Put what is not on the spool yet; tried and told as stuck until NATS takes it, or until
    ``find``, which is asked each time, knows no such forwarder any more."""
    groups = list(_groups(parts))
    again, told = False, ""
    while groups:
        channel = find()
        if channel is None:
            return
        try:
            await _put_group(channel, groups[0], log, partition, again=again)
            groups.pop(0)
            again = False
        except DependencyError as error:
            channel.puts.pop(partition, None)
            again = True
            if told != error.detail:
                told = error.detail
                _log.warning("spool waits", forwarder=channel.forwarder, why=told)
            stuck = Stuck(told, sum(map(_rows, groups)), groups[0][0][0].time_us)
            with contextlib.suppress(DependencyError):
                await log.spools.tell_stuck(channel.forwarder, partition, stuck)
            await asyncio.sleep(_RETRY_S)
        except MotorcadeError as error:
            rows = _rows(groups.pop(0))
            channel.missing[partition] = channel.missing.get(partition, 0) + rows
            _log.error("not spooled", forwarder=channel.forwarder, why=error.detail)
            channel.puts.pop(partition, None)
            again = False


async def _put_group(
    channel: Channel, group: Sequence[Chosen], log: Log, partition: int, *, again: bool
) -> None:
    after = await channel.prepare(log, partition)
    fresh = [(record, rows) for record, rows in group if record.sequence > after.through]
    if not fresh:
        if again:  # the try before was stored after all, and with it what is missing
            channel.missing.pop(partition, None)
        return
    after = after._replace(rows=after.rows + channel.missing.get(partition, 0))
    channel.puts[partition] = await log.spools.put(
        channel.forwarder,
        partition,
        _joined(batch for _, batches in fresh for batch in batches),
        through=fresh[-1][0].sequence,
        after=after,
        time_us=fresh[0][0].time_us,
    )
    channel.missing.pop(partition, None)


def _rows(group: Sequence[Chosen]) -> int:
    return sum(len(batch) for _, batches in group for batch in batches)


def _groups(parts: Sequence[Chosen]) -> Iterable[list[Chosen]]:
    """Records in order, in groups that make one message."""
    group: list[Chosen] = []
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
