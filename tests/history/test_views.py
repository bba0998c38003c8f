"""What a reader sees when workers answer oddly."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from motorcade.history.reader import HistoryReader
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
