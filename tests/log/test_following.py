"""A follower of any stream: what a message is, its kind of stream says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from motorcade.log.connection import Connection
from motorcade.log.following import Follower, Place
from motorcade.log.log import Log
from motorcade.log.streams import events_stream, events_subject

pytestmark = pytest.mark.engines

Connect = Callable[..., Awaitable[Log]]


class Text(NamedTuple):
    sequence: int
    text: str
    gap: int


class Texts(Follower[Text]):
    def __init__(self, connection: Connection, after: int) -> None:
        super().__init__(connection, events_stream(0), after, heartbeat_s=0.5)

    async def _read(self, place: Place, data: bytes) -> Text:
        return Text(place.sequence, data.decode(), place.gap)

    def _size(self, record: Text) -> int:
        return len(record.text)


async def _write(log: Log, *texts: str) -> None:
    deadline = log._appending._clock.monotonic_s() + 5
    for text in texts:
        await log._appending.put(events_subject(0), events_stream(0), text.encode(), deadline)


async def test_messages_come_as_what_they_are_in_bounded_groups(connect: Connect) -> None:
    log = await connect()
    await _write(log, *("x" * 100 for _ in range(20)))
    async with Texts(log._connection, 5) as follower, asyncio.timeout(20):
        first = await anext(follower)
        assert first == Text(6, "x" * 100, 0)
        groups = []
        while follower.position < 20:
            groups.append(await follower.take(records_max=4, bytes_max=250))
    assert [record.sequence for group in groups for record in group] == list(range(7, 21))
    assert max(len(group) for group in groups) <= 3


async def test_a_follower_that_was_closed_ends(connect: Connect) -> None:
    log = await connect()
    follower = Texts(log._connection, 0)
    await follower.close()
    with pytest.raises(StopAsyncIteration):
        await anext(follower)
