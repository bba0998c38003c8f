"""What waits for a stream reader: bounded, and every loss is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from motorcade.api.subscribers import Subscriber, encode_events


async def test_in_order_and_once() -> None:
    subscriber = Subscriber(1_000)
    subscriber.offer(encode_events([b"1", b"2"]))
    subscriber.offer(encode_events([b"3"]))
    assert await subscriber.take(1) == (0, [b"1", b"2", b"3"])
    assert await subscriber.take(0.01) == (0, [])


async def test_the_oldest_go_and_are_counted() -> None:
    subscriber = Subscriber(10)
    for number in range(10):
        subscriber.offer(encode_events([b"%d---" % number] * 2))
    missed, items = await subscriber.take(1)
    assert missed == 18
    assert items == [b"9---"] * 2


async def test_a_closed_one_gives_what_it_has() -> None:
    subscriber = Subscriber(100)
    subscriber.offer(encode_events([b"last"]))
    subscriber.close()
    subscriber.offer(encode_events([b"late"]))
    assert await subscriber.take(1) == (0, [b"last"])
    assert subscriber.closed


@given(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=8), max_size=60))
def test_never_above_the_bound_and_nothing_uncounted(records: list[list[bytes]]) -> None:
    import asyncio

    async def fill() -> None:
        subscriber = Subscriber(64)
        for items in records:
            subscriber.offer(encode_events(items))
            assert subscriber.size <= 64
        missed, items = await subscriber.take(0)
        assert missed + len(items) == sum(map(len, records))

    asyncio.run(fill())
