"""Spools: rows kept for a forwarder, once, in order, within bounds that are told of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engines_nats import until
from log.conftest import MakeBatch
from motorcade.errors import DependencyError
from motorcade.log.log import Log
from motorcade.log.spools import Put

pytestmark = pytest.mark.engines

SPOOL = 7
BYTES = 64 << 20


async def test_what_is_put_is_read_in_order(log: Log, make_batch: MakeBatch) -> None:
    spools = log.spools
    await spools.ensure(SPOOL, BYTES, 3600)
    first = await spools.put(SPOOL, 0, [make_batch(3)], through=10, after=Put(), time_us=1)
    other = await spools.put(SPOOL, 1, [make_batch(2, 50)], through=4, after=Put(), time_us=2)
    again = await spools.put(SPOOL, 0, [make_batch(4, 9)], through=12, after=first, time_us=3)
    assert (first, other, again) == (Put(10, 3), Put(4, 2), Put(12, 7))
    found = await spools.read(SPOOL, 0)
    assert [(one.partition, one.before, one.rows, one.time_us) for one in found] == [
        (0, 0, 3, 1),
        (1, 0, 2, 2),
        (0, 3, 4, 3),
    ]
    assert found[2].batches[0].numpy("vehicle").tolist() == [9, 10, 11, 12]
    assert [one.sequence for one in await spools.read(SPOOL, found[0].sequence)] == [2, 3]
    assert await spools.read(SPOOL, 3) == []
    assert await spools.last_put(SPOOL, 0) == Put(12, 7)
    assert await spools.last_put(SPOOL, 5) == Put()


async def test_the_same_rows_are_taken_once(log: Log, make_batch: MakeBatch) -> None:
    await log.spools.ensure(SPOOL, BYTES, 3600)
    for _ in range(3):
        await log.spools.put(SPOOL, 0, [make_batch(3)], through=10, after=Put(), time_us=1)
    assert len(await log.spools.read(SPOOL, 0)) == 1


async def test_rows_that_fill_several_messages_count_when_the_last_is_there(
    log: Log, make_batch: MakeBatch
) -> None:
    await log.spools.ensure(SPOOL, BYTES, 3600)
    big = make_batch(30_000, columns=12)
    put = await log.spools.put(SPOOL, 0, [big], through=10, after=Put(6, 100), time_us=1)
    found = await log.spools.read(SPOOL, 0, bytes_max=32 << 20)
    assert len(found) > 1
    assert sum(one.rows for one in found) == 30_000
    assert [one.before for one in found][:2] == [100, 100 + found[0].rows]
    assert put == Put(10, 30_100) == await log.spools.last_put(SPOOL, 0)


async def test_at_the_bound_the_oldest_go(log: Log, make_batch: MakeBatch) -> None:
    await log.spools.ensure(SPOOL, 1 << 20, 3600)
    put = Put()
    for number in range(40):
        batch = make_batch(2_000, first=number * 2_000, columns=6)
        put = await log.spools.put(SPOOL, 0, [batch], through=number + 1, after=put, time_us=number)
    first = (await log.spools.read(SPOOL, 0))[0]
    assert first.sequence > 1
    assert first.before == (first.sequence - 1) * 2_000
    bounds = await log.spools.bounds(SPOOL)
    assert (bounds.first, bounds.last) == (first.sequence, 40)
    assert bounds.bytes <= 1 << 20


async def test_trimmed_removed_and_listed(log: Log, make_batch: MakeBatch) -> None:
    for spool in (SPOOL, 12):
        await log.spools.ensure(spool, BYTES, 3600)
    put = await log.spools.put(SPOOL, 0, [make_batch(3)], through=1, after=Put(), time_us=1)
    await log.spools.put(SPOOL, 0, [make_batch(3)], through=2, after=put, time_us=1)
    await log.spools.trim(SPOOL, 1)
    assert [one.sequence for one in await log.spools.read(SPOOL, 0)] == [2]
    await log.spools.ensure(SPOOL, BYTES * 2, 3600)
    assert await log.spools.names() == {SPOOL, 12}
    await log.spools.remove(SPOOL)
    await log.spools.remove(SPOOL)
    assert await log.spools.names() == {12}
    with pytest.raises(DependencyError):
        await log.spools.read(SPOOL, 0)


async def test_two_that_make_it_at_once_agree(log: Log) -> None:
    await asyncio.gather(*(log.spools.ensure(SPOOL, BYTES * size, 3600) for size in (1, 2, 3)))
    assert await log.spools.names() == {SPOOL}


async def test_whoever_watches_is_told(
    connect: Callable[..., Awaitable[Log]], make_batch: MakeBatch
) -> None:
    writer, reader = await connect(), await connect()
    await writer.spools.ensure(SPOOL, BYTES, 3600)
    heard: list[tuple[int, int, Put]] = []

    async def note(spool: int, partition: int, put: Put) -> None:
        heard.append((spool, partition, put))

    subscription = await reader.spools.watch(note)
    await writer.spools.put(SPOOL, 1, [make_batch(3)], through=9, after=Put(), time_us=1)

    async def told() -> bool:
        return bool(heard)

    await until(told)
    assert heard == [(SPOOL, 1, Put(9, 3))]
    await subscription.close()
