"""Consume: in order, once, from a position; across kills, lost consumers and slow readers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engines_nats import Nats
from motorcade.errors import CorruptionError
from motorcade.log.consuming import Consumer
from motorcade.log.log import Log
from motorcade.signals.batch import SignalBatch

pytestmark = pytest.mark.engines

Connect = Callable[..., Awaitable[Log]]
MakeBatch = Callable[..., SignalBatch]


async def _read(consumer: Consumer, through: int) -> list[int]:
    sequences = []
    async with asyncio.timeout(30):
        while consumer.position < through:
            record = await anext(consumer)
            assert record.fault is None
            sequences.append(record.sequence)
    return sequences


async def test_schemas_may_change_from_record_to_record_and_readers_fetch_them(
    connect: Connect, make_batch: MakeBatch
) -> None:
    writer, reader = await connect(), await connect()
    for columns in (1, 2, 3, 2, 1):
        await writer.append(0, [make_batch(2, columns=columns), make_batch(1, kind="login")])
    async with reader.consume(0, 0) as consumer:
        for columns in (1, 2, 3, 2, 1):
            record = await anext(consumer)
            report, login = record.batches
            assert report.data.equals(make_batch(2, columns=columns).data)
            assert (login.kind, len(login)) == ("login", 1)
            assert record.time_us > 1_600_000_000_000_000


async def test_partitions_are_apart(log: Log, make_batch: MakeBatch) -> None:
    for number in range(1, 6):
        await log.append(number % 2, [make_batch(1, first=number)])
    for partition, wanted in ((0, [2, 4]), (1, [1, 3, 5])):
        async with log.consume(partition, 0) as consumer:
            read = [int((await anext(consumer)).batches[0].numpy("vehicle")[0]) for _ in wanted]
        assert read == wanted


async def test_reading_goes_on_across_kills_of_the_server(
    nats: Nats, connect: Connect, make_batch: MakeBatch
) -> None:
    log = await connect()
    total = 400

    async def produce() -> None:
        for number in range(total):
            await log.append(0, [make_batch(20, first=number + 1)])

    producer = asyncio.create_task(produce())
    async with log.consume(0, 0) as consumer:
        sequences = await _read(consumer, 100)
        nats.kill()
        await nats.start()
        sequences += await _read(consumer, 250)
        nats.kill()
        await nats.start()
        sequences += await _read(consumer, total)
        assert sequences == list(range(1, total + 1))
        assert consumer.restarts >= 3
    await producer


async def test_a_consumer_the_server_lost_is_made_again(log: Log, make_batch: MakeBatch) -> None:
    async with log.consume(0, 0) as consumer:
        await log.append(0, [make_batch(1)])
        assert await _read(consumer, 1) == [1]
        await log._connection.jetstream().delete_consumer("TELEMETRY-0", consumer._name)
        await log.append(0, [make_batch(1)])
        assert await _read(consumer, 2) == [2]
        assert consumer.restarts == 2


async def test_a_client_that_gave_up_is_replaced(log: Log, make_batch: MakeBatch) -> None:
    async with log.consume(0, 0) as consumer:
        await log.append(0, [make_batch(1)])
        assert await _read(consumer, 1) == [1]
        await log._connection.client.close()
        await log.append(0, [make_batch(1)])
        assert await _read(consumer, 2) == [2]


async def test_a_hole_in_what_is_delivered_is_read_again(log: Log, make_batch: MakeBatch) -> None:
    for number in range(10):
        await log.append(0, [make_batch(1, first=number + 1)])
    async with log.consume(0, 0) as consumer:
        assert await _read(consumer, 3) == [1, 2, 3]
        consumer._delivered -= 1
        assert await _read(consumer, 10) == [4, 5, 6, 7, 8, 9, 10]
        assert consumer.restarts == 2


async def test_a_slow_reader_stops_the_server_and_loses_nothing(
    connect: Connect, make_batch: MakeBatch
) -> None:
    """96 MiB wait while the reader sleeps; what is held here stays far below."""
    log, reader = await connect(), await connect()
    batch = make_batch(8000, columns=24)
    async with reader.consume(0, 0) as consumer:
        await log.append(0, [batch])
        await anext(consumer)
        for _ in range(96):
            await log.append(0, [batch])
        last = await log.last_sequence(0)
        subscription = consumer._subscription
        assert subscription is not None
        assert subscription._current is not None
        assert subscription._current.pending_bytes < 64 << 20
        assert await _read(consumer, last) == list(range(2, last + 1))
        assert consumer.restarts == 1


async def test_trimmed_records_are_reported_as_a_gap_and_the_rest_is_read(
    log: Log, make_batch: MakeBatch
) -> None:
    for number in range(10):
        await log.append(0, [make_batch(1, first=number + 1)])
    await log.trim(0, 6)
    assert await log.first_sequence(0) == 7
    async with log.consume(0, 2) as consumer:
        record = await anext(consumer)
        assert (record.sequence, record.gap) == (7, 4)
        record = await anext(consumer)
        assert (record.sequence, record.gap) == (8, 0)
    async with log.consume(0, 6) as consumer:
        assert (await anext(consumer)).gap == 0


async def test_the_count_survives_trimming_everything_and_a_kill(
    nats: Nats, log: Log, make_batch: MakeBatch
) -> None:
    for number in range(10):
        await log.append(0, [make_batch(1, first=number + 1)])
    await log.trim(0, 10)
    nats.kill()
    await nats.start()
    async with log.consume(0, 10) as consumer:
        assert await log.append(0, [make_batch(1)]) == 11
        assert await _read(consumer, 11) == [11]


async def test_a_position_behind_the_end_is_corruption(log: Log, make_batch: MakeBatch) -> None:
    await log.append(0, [make_batch(1)])
    async with log.consume(0, 5) as consumer:
        with pytest.raises(CorruptionError, match="ends at 1"):
            await anext(consumer)


async def test_a_damaged_record_is_handed_over_as_a_fault(log: Log, make_batch: MakeBatch) -> None:
    await log.append(0, [make_batch(1)])
    deadline = log._appending._clock.monotonic_s() + 10
    await log._appending.store(0, b"MCL1 but no message", deadline)
    await log.append(0, [make_batch(1)])
    async with log.consume(0, 0) as consumer:
        records = [await anext(consumer) for _ in range(3)]
    assert [record.fault is not None for record in records] == [False, True, False]
    assert [record.data for record in records] == [b"", b"MCL1 but no message", b""]


async def test_a_cancelled_read_loses_nothing(log: Log, make_batch: MakeBatch) -> None:
    async with log.consume(0, 0) as consumer:
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(consumer)
        for number in range(50):
            await log.append(0, [make_batch(1, first=number + 1)])
        sequences: list[int] = []
        async with asyncio.timeout(20):
            while consumer.position < 50:
                try:
                    async with asyncio.timeout(0.001):
                        sequences += [record.sequence for record in await consumer.take(4)]
                except TimeoutError:
                    continue
        assert sequences == list(range(1, 51))


async def test_take_hands_over_what_has_arrived_up_to_its_bounds(
    log: Log, make_batch: MakeBatch
) -> None:
    for number in range(40):
        await log.append(0, [make_batch(1, first=number + 1)])
    sequences: list[int] = []
    async with log.consume(0, 0) as consumer, asyncio.timeout(20):
        while len(sequences) < 40:
            records = await consumer.take(5)
            assert 1 <= len(records) <= 5
            sequences += [record.sequence for record in records]
        assert records[-1].pending == 0
    assert sequences == list(range(1, 41))


async def test_an_idle_consumer_is_kept_alive_by_heartbeats(
    connect: Connect, make_batch: MakeBatch
) -> None:
    log = await connect(heartbeat_s=0.1)
    async with log.consume(0, 0) as consumer:
        waiting = asyncio.create_task(anext(consumer))
        await asyncio.wait({waiting}, timeout=1.0)
        assert consumer.restarts == 1
        await log.append(0, [make_batch(1)])
        assert (await waiting).sequence == 1


async def test_closing_a_consumer_ends_its_iteration(log: Log) -> None:
    consumer = log.consume(0, 0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await anext(consumer)
    name = consumer._name
    await consumer.close()
    assert [record async for record in consumer] == []
    names = await log._connection.jetstream().consumers_info("TELEMETRY-0")
    assert name not in [info.name for info in names]
