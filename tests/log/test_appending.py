"""Append: durable when it returns, once however often it was sent, refused without room."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pyarrow as pa
import pytest

from engines_nats import Nats, until
from motorcade.errors import CapacityError, DependencyError, Invalid
from motorcade.limits import LOG_APPENDS_IN_FLIGHT_MAX, LOG_MESSAGE_BYTES_MAX
from motorcade.log.log import Log
from motorcade.signals.batch import SignalBatch

pytestmark = pytest.mark.engines

Connect = Callable[..., Awaitable[Log]]
MakeBatch = Callable[..., SignalBatch]


async def _ok(log: Log) -> bool:
    return bool((await log.health())["ok"])


async def test_every_sequence_returned_is_readable_after_kills_under_load(
    nats: Nats, connect: Connect, make_batch: MakeBatch
) -> None:
    """In order, once, with the rows that were appended under it."""
    log = await connect()
    stored: dict[int, int] = {}
    stop = asyncio.Event()

    async def produce(first: int) -> None:
        number = first
        while not stop.is_set():
            sequence = await log.append(0, [make_batch(50, first=number)])
            assert sequence not in stored
            stored[sequence] = number
            number += 1000

    producers = [asyncio.create_task(produce(first)) for first in range(1, 9)]
    for _ in range(3):
        wanted = len(stored) + 100

        async def enough(wanted: int = wanted) -> bool:
            return len(stored) >= wanted

        await until(enough, 30)
        nats.kill()
        await nats.start()
    stop.set()
    await asyncio.gather(*producers)
    nats.kill()
    await nats.start()

    reader = await connect()
    last = await reader.last_sequence(0)
    firsts: list[int] = []
    position = 0
    async with reader.consume(0, 0) as consumer, asyncio.timeout(30):
        while position < last:
            record = await anext(consumer)
            assert (record.sequence, record.gap, record.fault) == (position + 1, 0, None)
            position = record.sequence
            (batch,) = record.batches
            firsts.append(int(batch.numpy("vehicle")[0]))
            if position in stored:
                assert firsts[-1] == stored[position]
    assert set(stored) <= set(range(1, last + 1))
    assert len(set(firsts)) == len(firsts)


async def test_a_message_sent_again_is_stored_once(
    nats: Nats, connect: Connect, make_batch: MakeBatch
) -> None:
    log = await connect()
    appending = log._appending
    headers = {"Nats-Msg-Id": "one", "Nats-Expected-Stream": "TELEMETRY-0"}
    first = await appending._publish("telemetry.0", b"x", headers, 5.0)
    assert await appending._publish("telemetry.0", b"x", headers, 5.0) == first
    nats.kill()
    await nats.start()
    await until(lambda: _ok(log))
    assert await appending._publish("telemetry.0", b"x", headers, 5.0) == first
    assert (await log.bounds(0)).messages == 1


async def test_a_full_stream_refuses_and_takes_again_after_a_trim(
    connect: Connect, make_batch: MakeBatch
) -> None:
    log = await connect(partitions=1, bytes_max=2 << 20)
    batch = make_batch(1000, columns=20)
    last = 0
    with contextlib.suppress(CapacityError):
        for _ in range(100):
            last = await log.append(0, [batch])
    assert 5 < last < 100
    assert await log.last_sequence(0) == last
    await log.trim(0, last - 2)
    assert await log.append(0, [batch]) == last + 1


async def test_a_disk_below_its_reserve_refuses_without_asking_the_server(
    connect: Connect, make_batch: MakeBatch
) -> None:
    log = await connect(disk_reserve_bytes=1 << 60)
    with pytest.raises(CapacityError, match="disk"):
        await log.append(0, [make_batch(1)])
    with pytest.raises(CapacityError, match="disk"):
        await log.quarantine([])
    assert await log.last_sequence(0) == 0
    health = await log.health()
    assert not health["ok"]
    assert "disk" in health["trouble"]


async def test_a_dead_server_is_a_dependency_error_after_the_time_is_up(
    nats: Nats, connect: Connect, make_batch: MakeBatch
) -> None:
    log = await connect(append_timeout_s=0.3)
    nats.kill()
    with pytest.raises(DependencyError):
        await log.append(0, [make_batch(1)])
    health = await log.health()
    assert (health["ok"], health["connected"]) == (False, False)
    await nats.start()
    await until(lambda: _ok(log))
    assert await log.append(0, [make_batch(1)]) == 1


async def test_no_message_is_above_its_bound_whatever_is_appended(
    connect: Connect, make_batch: MakeBatch
) -> None:
    log = await connect()
    batch = make_batch(60_000, columns=30)
    assert batch.data.nbytes > 4 * LOG_MESSAGE_BYTES_MAX
    last = await log.append(1, [batch, make_batch(1, first=70_000)])
    assert last > 4
    bounds = await log.bounds(1)
    assert bounds.bytes < bounds.messages * (LOG_MESSAGE_BYTES_MAX + 4096)
    vehicles = []
    async with log.consume(1, 0) as consumer, asyncio.timeout(20):
        while consumer.position < last:
            for read in (await anext(consumer)).batches:
                vehicles += read.numpy("vehicle").tolist()
    assert vehicles == [*range(1, 60_001), 70_000]


async def test_a_row_no_message_can_hold_is_the_callers_fault(
    log: Log, make_batch: MakeBatch
) -> None:
    batch = make_batch(1)
    column = batch.data.schema.get_field_index("raw")
    big = pa.array([bytes(2 << 20)], pa.binary())
    stored = SignalBatch("report", batch.data.set_column(column, "raw", big))
    assert await log.append(0, [stored]) == 1
    huge = pa.array([bytes(9 << 20)], pa.binary())
    with pytest.raises(Invalid):
        await log.append(0, [SignalBatch("report", batch.data.set_column(column, "raw", huge))])


async def test_nothing_appended_is_nothing_stored(log: Log, make_batch: MakeBatch) -> None:
    assert await log.append(0, []) == 0
    assert await log.append(0, [make_batch(0)]) == 0
    assert await log.last_sequence(0) == 0


async def test_more_appends_than_slots_all_arrive(log: Log, make_batch: MakeBatch) -> None:
    count = LOG_APPENDS_IN_FLIGHT_MAX * 3
    sequences = await asyncio.gather(
        *(log.append(0, [make_batch(1, first=n + 1)]) for n in range(count))
    )
    assert sorted(sequences) == list(range(1, count + 1))
