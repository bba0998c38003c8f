"""The appender: small batches share a message, and each waiter hears its fate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engines_nats import Nats, until
from motorcade.errors import DependencyError
from motorcade.log.appender import Appender
from motorcade.log.log import Log
from motorcade.signals.batch import SignalBatch

pytestmark = pytest.mark.engines

Connect = Callable[..., Awaitable[Log]]
MakeBatch = Callable[..., SignalBatch]


async def _ok(log: Log) -> bool:
    return bool((await log.health())["ok"])


async def test_batches_of_one_moment_share_a_message(log: Log, make_batch: MakeBatch) -> None:
    appender = Appender(log, 0)
    batches = [make_batch(2, first=n * 2 + 1, columns=1 + n % 2) for n in range(40)]
    sequences = await asyncio.gather(*(appender.append(batch) for batch in batches))
    assert set(sequences) == {1}
    async with log.consume(0, 0) as consumer:
        record = await anext(consumer)
    assert [len(batch) for batch in record.batches] == [40, 40]
    vehicles = [v for batch in record.batches for v in batch.numpy("vehicle").tolist()]
    assert sorted(vehicles) == list(range(1, 81))
    await appender.close()


async def test_bytes_end_the_linger_and_more_waits_for_room(
    log: Log, make_batch: MakeBatch
) -> None:
    appender = Appender(log, 0, linger_ms=60_000, bytes_max=100_000)
    batches = [make_batch(500, first=n * 500 + 1) for n in range(100)]
    appends = [asyncio.create_task(appender.append(batch)) for batch in batches]

    async def several() -> bool:
        return await log.last_sequence(0) >= 3

    await until(several)
    await appender.close()
    results = await asyncio.gather(*appends, return_exceptions=True)
    stored = [result for result in results if isinstance(result, int)]
    assert set(stored) == set(range(1, max(stored) + 1))
    assert all(isinstance(result, int | DependencyError) for result in results)


async def test_close_writes_what_waits_and_then_refuses(log: Log, make_batch: MakeBatch) -> None:
    appender = Appender(log, 0, linger_ms=60_000)
    waiting = asyncio.create_task(appender.append(make_batch(1)))
    await asyncio.sleep(0)
    await appender.close()
    assert await waiting == 1
    with pytest.raises(DependencyError):
        await appender.append(make_batch(1))


async def test_a_failed_append_fails_every_waiter(
    nats: Nats, connect: Connect, make_batch: MakeBatch
) -> None:
    log = await connect(append_timeout_s=0.2)
    nats.kill()
    appender = Appender(log, 0)
    results = await asyncio.gather(
        *(appender.append(make_batch(1)) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(result, DependencyError) for result in results)
    await nats.start()
    await until(lambda: _ok(log))
    assert await appender.append(make_batch(1)) == 1
    await appender.close()
