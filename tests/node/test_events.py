"""The reader of events: in turn, once, from each app's position, whatever goes away meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from engines_nats import Nats, until
from motorcade.errors import CapacityError, DependencyError
from motorcade.log.events import LinkDown
from motorcade.log.log import EventRecord, Log
from motorcade.node import events
from motorcade.node.events import EventReader

pytestmark = pytest.mark.engines


class App:
    """Remembers what it was handed, and in which order among apps."""

    def __init__(self, name: str, order: list[tuple[str, int]], start: int = 0) -> None:
        self.name = name
        self.order = order
        self.taken: dict[int, list[int]] = {0: [], 1: []}
        self.start = start
        self.ticks = 0
        self.failing: Exception | None = None

    def position(self, partition: int) -> int:
        taken = self.taken[partition]
        return taken[-1] if taken else self.start

    async def apply(self, partition: int, records: Sequence[EventRecord]) -> None:
        for record in records:
            if self.failing is not None:
                raise self.failing
            self.taken[partition].append(record.sequence)
            self.order.append((self.name, record.sequence))

    async def tick(self, now_us: int) -> None:
        assert now_us == 5
        self.ticks += 1
        if self.failing is not None:
            raise self.failing


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    async with Nats(tmp_path) as server:
        yield server


@pytest.fixture
async def log(nats: Nats) -> AsyncIterator[Log]:
    found = await Log.connect(nats.config(partitions=2))
    yield found
    await found.close()


@contextlib.asynccontextmanager
async def reading(log: Log, *apps: App) -> AsyncIterator[EventReader]:
    reader = EventReader(log, [0, 1], apps, lambda: 5)
    task = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def post(log: Log, partition: int, count: int) -> None:
    for _ in range(count):
        event = LinkDown(vehicle=2 + partition, tenant=1, link="g.1/x/1", at_us=0, reason="idle")
        await log.post(partition, [event])


async def until_taken(app: App, partition: int, count: int) -> None:
    async def enough() -> bool:
        return len(app.taken[partition]) >= count

    await until(enough)


async def test_every_app_is_handed_everything_in_turn(log: Log) -> None:
    order: list[tuple[str, int]] = []
    first, second = App("first", order), App("second", order)
    await post(log, 0, 20)
    async with reading(log, first, second) as reader:
        await post(log, 1, 3)
        await until_taken(second, 0, 20)
        await until_taken(second, 1, 3)
        assert first.taken == second.taken == {0: list(range(1, 21)), 1: [1, 2, 3]}

        async def shown() -> bool:
            return 'motorcade_events_position{partition="1"} 3.0' in reader.render()

        await until(shown)
        text = reader.render()
    assert 'motorcade_events_position{partition="0"} 20.0' in text
    assert 'motorcade_events_events_total{partition="1"} 3.0' in text


async def test_each_begins_where_it_stood(log: Log) -> None:
    order: list[tuple[str, int]] = []
    ahead, behind = App("ahead", order, start=4), App("behind", order, start=2)
    for partition in (0, 1):
        await post(log, partition, 5)
    async with reading(log, ahead, behind):
        await until_taken(behind, 0, 3)
        await until_taken(ahead, 0, 1)
    assert (ahead.taken[0], behind.taken[0]) == ([5], [3, 4, 5])


@pytest.mark.parametrize("error", [DependencyError("away"), CapacityError("full", 1.0)])
async def test_an_app_that_cannot_is_asked_again(log: Log, error: Exception) -> None:
    order: list[tuple[str, int]] = []
    first, second = App("first", order), App("second", order)
    second.failing = error
    async with reading(log, first, second) as reader:
        await post(log, 0, 3)
        await until_taken(first, 0, 1)

        async def failed() -> bool:
            return reader.failures["second"] > 2

        await until(failed)
        assert second.taken[0] == []
        second.failing = None
        await until_taken(second, 0, 3)
    assert first.taken[0] == second.taken[0] == [1, 2, 3]
    assert reader.failures["first"] == 0


async def test_what_every_app_has_taken_is_trimmed(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_TRIM_EVERY_S", 0.1)
    order: list[tuple[str, int]] = []
    first, second = App("first", order), App("second", order)
    second.failing = DependencyError("away")
    async with reading(log, first, second):
        await post(log, 0, 10)
        await until_taken(first, 0, 1)
        await asyncio.sleep(0.3)
        async with log.follow(0, 0) as follower:
            assert (await anext(follower)).sequence == 1
        second.failing = None
        await until_taken(second, 0, 10)

        async def trimmed() -> bool:
            async with log.follow(0, 0) as follower:
                return (await anext(follower)).sequence == 10

        await until(trimmed)


async def test_events_that_are_missing_are_counted(log: Log) -> None:
    order: list[tuple[str, int]] = []
    app = App("app", order)
    await post(log, 0, 5)
    await log.trim_events(0, 3)
    async with reading(log, app) as reader:
        await until_taken(app, 0, 2)
        assert reader.counts[0].gaps == 3
    assert app.taken[0] == [4, 5]


async def test_a_partition_of_another_log_stops_alone(log: Log) -> None:
    order: list[tuple[str, int]] = []
    app = App("app", order)
    app.taken[0] = [99]
    async with reading(log, app) as reader:
        await post(log, 1, 2)
        await until_taken(app, 1, 2)
        assert reader.counts[0].stopped
        assert not reader.counts[1].stopped
    assert app.ticks >= 0


async def test_it_reads_on_across_a_kill_of_the_log(nats: Nats, log: Log) -> None:
    order: list[tuple[str, int]] = []
    app = App("app", order)
    async with reading(log, app):
        await post(log, 0, 5)
        await until_taken(app, 0, 5)
        nats.kill()
        await nats.start()
        await post(log, 0, 5)
        await until_taken(app, 0, 10)
    assert app.taken[0] == list(range(1, 11))
