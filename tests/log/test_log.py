"""The log's small things: hints, values, bounds, and what it says when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from engines_nats import Nats, until
from motorcade.errors import DependencyError
from motorcade.log.engine import EmbeddedNats
from motorcade.log.log import Config, Log
from motorcade.signals.batch import SignalBatch

pytestmark = pytest.mark.engines

Connect = Callable[..., Awaitable[Log]]
MakeBatch = Callable[..., SignalBatch]


async def test_connecting_to_nobody_fails_in_time(tmp_path: Path) -> None:
    engine = EmbeddedNats(tmp_path / "nats")
    engine.prepare()
    for config in (
        Config(url_file=str(engine.url_file), connect_timeout_s=0.3),
        Config(url=engine.url, connect_timeout_s=0.3),
        Config(url_file=str(tmp_path / "none"), connect_timeout_s=0.3),
    ):
        with pytest.raises(DependencyError):
            await Log.connect(config)


async def test_a_url_works_as_well_as_its_file(nats: Nats) -> None:
    log = await Log.connect(nats.config(url_file="", url=nats.engine.url))
    assert (await log.health())["ok"]
    await log.close()


async def test_hints_reach_those_who_listen_now(connect: Connect) -> None:
    log, other = await connect(), await connect()
    heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def hear(subject: str, payload: bytes) -> None:
        await heard.put((subject, payload))

    subscription = await other.subscribe("hint.*", hear)
    assert await log.publish("hint.a", b"1")
    async with asyncio.timeout(5):
        assert await heard.get() == ("hint.a", b"1")
    await subscription.close()


async def test_a_hint_while_disconnected_is_dropped(nats: Nats, log: Log) -> None:
    nats.kill()

    async def dropped() -> bool:
        return not await log.publish("hint", b"")

    await until(dropped)


async def test_bounds_and_trim(log: Log, make_batch: MakeBatch) -> None:
    assert (await log.bounds(0)).messages == 0
    await log.trim(0, 10)
    for _ in range(5):
        await log.append(0, [make_batch(1)])
    await log.trim(0, 3)
    bounds = await log.bounds(0)
    assert (bounds.first, bounds.last, bounds.messages) == (4, 5, 2)
    await log.trim(0, 2)
    assert await log.first_sequence(0) == 4
    await log.trim(0, 99)
    bounds = await log.bounds(0)
    assert (bounds.first, bounds.last, bounds.messages) == (5, 5, 1)


async def test_a_log_is_tight_when_half_full_or_on_a_full_disk(
    connect: Connect, make_batch: MakeBatch
) -> None:
    log = await connect(partitions=1, bytes_max=200_000)
    assert not await log.tight(0)
    while (await log.bounds(0)).bytes <= 100_000:
        await log.append(0, [make_batch(200)])
    assert (await log.bounds(0)).bytes_max == 200_000
    assert await log.tight(0)
    await log.trim(0, 99)
    assert not await log.tight(0)
    free = log._appending.free_bytes()
    assert free is not None
    full = await connect(partitions=1, bytes_max=200_000, disk_reserve_bytes=free * 2 // 3)
    assert await full.tight(0)


async def test_health_names_every_partition(log: Log, make_batch: MakeBatch) -> None:
    await log.append(1, [make_batch(1)])
    health = await log.health()
    assert health["ok"]
    assert health["partitions"][1]["last"] == 1
    assert health["disk_free_bytes"] > 0
    assert log.stats()["appended_messages"] == 1
    await log.close()
    assert not (await log.health())["ok"]
