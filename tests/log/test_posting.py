"""Events: posted once, followed in order, split where many, trimmed behind their readers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engines_nats import Nats
from motorcade.errors import CapacityError, CorruptionError, DependencyError, Invalid
from motorcade.log.events import CommandAnswered, Event, GatewayUp, LinkDown, LinkUp
from motorcade.log.log import EventRecord, Log
from motorcade.log.streams import events_stream, events_subject

pytestmark = pytest.mark.engines

Connect = Callable[..., Awaitable[Log]]


def _up(vehicle: int, address: str = "192.0.2.7:4711") -> LinkUp:
    return LinkUp(
        vehicle=vehicle,
        tenant=1,
        link=f"gateway-0.1/gbt32960/{vehicle}",
        incarnation="gateway-0.1",
        protocol="gbt32960",
        bearer="lte",
        address=address,
        epoch=vehicle,
        at_us=1_750_000_000_000_000 + vehicle,
    )


def _down(vehicle: int) -> LinkDown:
    return LinkDown(
        vehicle=vehicle, tenant=1, link=f"gateway-0.1/gbt32960/{vehicle}", at_us=1, reason="logout"
    )


async def _read(log: Log, partition: int, through: int, after: int = 0) -> list[EventRecord]:
    records: list[EventRecord] = []
    async with asyncio.timeout(20), log.follow(partition, after) as follower:
        while follower.position < through:
            records += await follower.take()
    return records


async def test_events_come_back_as_they_were_posted(log: Log) -> None:
    posted: list[Event] = [_up(2), _down(2), GatewayUp(name="g", incarnation="g.1", at_us=3)]
    assert await log.post(0, posted) == 1
    assert await log.post(0, []) == 0
    assert await log.post(0, [_up(4)]) == 2
    assert await log.post(1, [_up(1)]) == 1
    first, second = await _read(log, 0, 2)
    assert first.events == tuple(posted)
    assert second.events == (_up(4),)
    assert (first.sequence, first.gap, first.fault) == (1, 0, None)
    assert first.time_us > 1_600_000_000_000_000
    assert [record.events for record in await _read(log, 0, 2, after=1)] == [(_up(4),)]
    assert await log.last_event(0) == 2


async def test_many_events_are_several_messages_in_order(log: Log) -> None:
    posted = [_up(vehicle, "x" * 900) for vehicle in range(5000)]
    last = await log.post(0, posted)
    assert last > 3
    read = [event for record in await _read(log, 0, last) for event in record.events]
    assert read == posted


async def test_of_one_name_the_log_takes_one(connect: Connect) -> None:
    log, other = await connect(), await connect()
    many = [_up(vehicle) for vehicle in range(3000)]
    last = await log.post(0, many, name="lost gateway-0.1")
    assert await other.post(0, many, name="lost gateway-0.1") == last
    assert await other.post(0, many, name="lost gateway-0.2") == 2 * last
    assert await log.last_event(0) == 2 * last


async def test_an_event_no_message_can_hold_is_refused(log: Log) -> None:
    with pytest.raises(Invalid, match="more than a message may hold"):
        await log.post(0, [_up(1), _up(2, "x" * (2 << 20))])
    assert await log.last_event(0) == 0


async def test_a_message_nobody_can_read_is_told_and_passed(log: Log) -> None:
    await log.post(0, [_up(1)])
    deadline = log._appending._clock.monotonic_s() + 5
    await log._appending.put(events_subject(0), events_stream(0), b"no list", deadline)
    await log.post(0, [_up(3)])
    first, bad, third = await _read(log, 0, 3)
    assert (first.fault, third.fault) == (None, None)
    assert isinstance(bad.fault, CorruptionError)
    assert bad.events == ()


async def test_trimmed_events_are_a_gap_and_the_last_stays(log: Log) -> None:
    for vehicle in range(5):
        await log.post(0, [_up(vehicle)])
    await log.trim_events(0, 3)
    records = await _read(log, 0, 5)
    assert [(record.sequence, record.gap) for record in records] == [(4, 3), (5, 0)]
    await log.trim_events(0, 99)
    assert [record.sequence for record in await _read(log, 0, 5)] == [5]
    assert await log.last_event(0) == 5


async def test_a_position_of_another_log_is_refused(log: Log) -> None:
    await log.post(0, [_up(1)])
    async with log.follow(0, 7) as follower:
        with pytest.raises(CorruptionError, match="before the reader's position"):
            await anext(follower)


async def test_posting_and_following_go_on_across_a_kill(nats: Nats, log: Log) -> None:
    reading = asyncio.create_task(_read(log, 0, 200))
    for vehicle in range(200):
        if vehicle in (50, 120):
            nats.kill()
            await nats.start()
        await log.post(0, [_up(vehicle)])
    read = [event for record in await reading for event in record.events]
    assert read == [_up(vehicle) for vehicle in range(200)]


async def test_a_log_that_is_away_or_full_says_so(nats: Nats, connect: Connect) -> None:
    small = await connect(events_bytes_max=100_000, partitions=1)
    await small.post(0, [_up(vehicle) for vehicle in range(800)])
    with pytest.raises(CapacityError):
        await small.post(0, [_up(vehicle) for vehicle in range(800)])
    away = await connect(partitions=1, append_timeout_s=0.2)
    nats.kill()
    with pytest.raises(DependencyError):
        await away.post(0, [_up(1)])


async def test_answers_to_commands_keep_their_facts(log: Log) -> None:
    answer = CommandAnswered(
        vehicle=1,
        tenant=1,
        link="gateway-0.1/mqtt/1",
        protocol="mqtt",
        key="mqtt:1",
        outcome="succeeded",
        code="ok",
        detail="",
        facts={"parameters": {"0x01": 30}, "latitude": 48.1},
        at_us=5,
    )
    await log.post(0, [answer])
    (record,) = await _read(log, 0, 1)
    assert record.events == (answer,)
