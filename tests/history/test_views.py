"""What a reader sees when workers answer oddly."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from motorcade.history.reader import HistoryReader, QueryResult
from motorcade.history.tail_request import TailAnswer

START_US = 1_750_032_000_000_000


@pytest.mark.parametrize(
    "answer",
    [b"nonsense", msgspec.msgpack.encode(TailAnswer(state="stale")), TimeoutError("slow")],
)
async def test_an_odd_answer_is_a_partial_view(world: Any, answer: Any, make_batch: Any) -> None:
    world.writer.add(1, [make_batch([7], [START_US])])
    await world.writer.commit()

    async def tail(_partition: int, _payload: bytes) -> bytes:
        if isinstance(answer, bytes):
            return answer
        raise answer

    reader = HistoryReader(
        world.directory, 1, world.catalogue, world.clock, tail, config=world.config
    )
    result = await reader.query(1, 7)
    assert (result.partial, result.table.num_rows) == (True, 1)
    reader.close()


class Behind:
    """A worker that says it is behind the first ``times`` it is asked."""

    def __init__(self, world: Any, times: float) -> None:
        self.world, self.left, self.asked = world, times, 0

    async def __call__(self, _partition: int, payload: bytes) -> bytes:
        self.asked += 1
        self.left -= 1
        answer: bytes = await self.world.writer.answer_tail(payload, behind=self.left >= 0)
        return answer

    async def query(self) -> QueryResult:
        world = self.world
        reader = HistoryReader(
            world.directory, 1, world.catalogue, world.clock, self, config=world.config
        )
        result = await reader.query(1, 7)
        reader.close()
        return result


async def test_a_worker_that_is_behind_is_waited_for_and_then_the_view_is_partial(
    world: Any, make_batch: Any
) -> None:
    world.writer.add(1, [make_batch([7], [START_US])])
    soon = Behind(world, times=3)
    result = await soon.query()
    assert (result.partial, result.table.num_rows, soon.asked) == (False, 1, 4)
    never = Behind(world, times=float("inf"))
    result = await never.query()
    assert (result.partial, result.table.num_rows) == (True, 1)


async def test_a_worker_that_has_less_than_the_table_is_behind(world: Any, make_batch: Any) -> None:
    """Killed between commit and checkpoint, it begins before the table's end."""
    for sequence in (1, 2):
        world.writer.add(sequence, [make_batch([7], [START_US + sequence])])
    await world.writer.commit()
    world.restart(position=0)
    assert (await world.reader.query(1, 7)).partial
    world.writer.add(1, [make_batch([7], [START_US + 1])])
    world.writer.add(2, [make_batch([7], [START_US + 2])])
    result = await world.reader.query(1, 7)
    assert (result.partial, result.table.num_rows) == (False, 2)


async def test_a_table_is_not_used_while_a_cancelled_query_still_loads_it(
    world: Any, make_batch: Any
) -> None:
    world.writer.add(1, [make_batch([7], [START_US])])
    await world.writer.commit()
    for _ in range(20):
        query = asyncio.create_task(world.another_reader().query(1, 7))
        await asyncio.sleep(0)
        query.cancel()
        with pytest.raises(asyncio.CancelledError):
            await query
    assert (await world.reader.query(1, 7)).table.num_rows == 1


async def test_many_queries_at_once_while_rows_are_committed(world: Any, make_batch: Any) -> None:
    """However commits and queries interleave: no gap, no double."""
    done = asyncio.Event()

    async def write() -> None:
        for sequence in range(1, 41):
            world.writer.add(sequence, [make_batch([7], [START_US + sequence])])
            world.clock.advance(7)
            if sequence % 3 == 0:
                await world.writer.commit()
            await asyncio.sleep(0)
        done.set()

    async def read() -> None:
        while not done.is_set():
            least = world.writer.last
            result = await world.reader.query(1, 7)
            time = result.table.column("event_time").cast("int64").to_pylist()
            assert time == [START_US + n for n in range(1, len(time) + 1)]
            assert len(time) >= least

    await asyncio.gather(write(), *(read() for _ in range(4)))
