"""The app on real engines: exact under storms, kills, absent engines, and clocks that differ."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import msgspec
import pytest

from apps.sessions.events import EAST, START_US, WEST, down, gateway_up, link, up
from apps.sessions.world import ROOT, World
from engines_nats import Nats, until
from motorcade.apps.sessions.config import Config
from motorcade.apps.sessions.gateways import ALIVE_SUBJECT, LOST_SUBJECT
from motorcade.apps.sessions.service import SessionsService
from motorcade.apps.sessions.sessions import Link
from motorcade.apps.sessions.store import SessionStore
from motorcade.errors import Conflict
from motorcade.fleet.engine import EmbeddedPostgres
from motorcade.fleet.store import Store
from motorcade.log.log import EventRecord, Log

pytestmark = pytest.mark.engines

CARS = range(1, 10_001)


async def test_a_change_is_a_row_a_link_and_a_call(world: World) -> None:
    heard: list[tuple[int, Link]] = []
    async with world.serving() as service:
        service.on_link(lambda vehicle, link: heard.append((vehicle, link)))
        await world.post(gateway_up(EAST), up(7, 1), up(8, 2, reachable=False))
        told = await world.until_told("UP", 2)
        assert [one.link for one in service.links(7)] == [link(1)]
        assert [vehicle for vehicle, _ in heard] == [7]
        await world.post(up(8, 2), down(7, 1, reason="logout"))
        told = await world.until_told("OFFLINE", 1)
        assert [vehicle for vehicle, _ in heard] == [7, 8]
        assert service.links(7) == ()
        assert service.links(99) == ()
        text = service.metrics.render()
    assert told.events("UP") == [8, 7]
    row = next(row for row in told.rows if row["vehicle"] == 7)
    assert row[ROOT + "Link.Address"] == "192.0.2.7:1"
    assert (row[ROOT + "Bearer"], row[ROOT + "Link.Protocol"]) == ("LTE", "jt808")
    assert (row[ROOT + "IsOnline"], row[ROOT + "LinkCount"]) == (True, 1)
    assert 'motorcade_sessions_links{bearer="lte",protocol="jt808"} 1.0' in text
    assert "motorcade_sessions_online 1.0" in text
    assert "motorcade_sessions_offline_total 1.0" in text


async def test_ten_thousand_dropped_cars_are_ten_thousand_offline_and_those_back_are_not(
    world: World,
) -> None:
    back = [car for car in CARS if car % 4 == 0]
    async with world.serving():
        await world.post(gateway_up(EAST), *(up(car, car) for car in CARS))
        await world.until_told("UP", len(CARS))
        await world.post(*(up(car, car, gateway=WEST) for car in back))
        await world.post(*(down(car, car) for car in CARS))
        told = await world.until_told("OFFLINE", len(CARS) - len(back))
    assert sorted(told.events("OFFLINE")) == [car for car in CARS if car % 4]
    assert max(told.identities.values()) == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_killed_again_and_again_it_tells_everything_once(world: World, seed: int) -> None:
    chance = random.Random(seed)
    process = world.process()
    try:
        await world.post(gateway_up(EAST))
        for start in range(1, 10_001, 1_000):
            cars = range(start, start + 1_000)
            await world.post(*(up(car, car) for car in cars))
            await world.post(*(down(car, car) for car in cars))
            await world.post(*(up(car, 1, gateway=WEST) for car in cars if car % 5 == 0))
            if start % 2_000 == 1:
                await _at_work(world)
                await asyncio.sleep(chance.random() * 0.05)
                process.kill()
                process.wait()
                process = world.process()
        told = await world.until_told("OFFLINE", 8_000)
        await asyncio.sleep(2 * world.config.offline_grace_s)
        told = await world.told()
    finally:
        process.kill()
        process.wait()
    assert max(told.identities.values()) == 1
    assert sorted(told.events("OFFLINE")) == [car for car in CARS if car % 5]
    assert len(told.events("UP")) == 12_000
    last = {row["vehicle"]: row for row in told.rows}
    assert all(last[car][ROOT + "IsOnline"] == (car % 5 == 0) for car in CARS)


async def test_what_was_stored_and_not_told_is_told_after_a_restart(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Die between the transaction and the append; then between the append and its note."""

    async def nothing(*_: object, **__: object) -> int:
        await asyncio.Event().wait()
        return 0

    with monkeypatch.context() as patched:
        async with world.serving() as service:
            patched.setattr(world.log, "append", nothing)
            await world.post(up(7, 1))
            await until(lambda: _stored(service))
    assert (await world.told()).rows == []
    for _ in range(2):
        async with world.serving():
            told = await world.until_told("UP", 1)
    assert told.events("UP") == [7]
    assert max(told.identities.values()) == 1


async def test_offline_waits_for_events_that_are_not_read_yet(world: World) -> None:
    """A worker that comes late judges by the log's clock, not by its own."""
    await world.post(up(7, 1), up(9, 1))
    await world.post(down(7, 1), down(9, 1))
    await world.post(up(7, 2, gateway=WEST))
    await asyncio.sleep(2 * world.config.offline_grace_s)
    await world.post(up(9, 2, gateway=WEST))
    async with world.serving():
        told = await world.until_told("UP", 4)
    assert told.events("OFFLINE") == [9]
    states = [row[ROOT + "IsOnline"] for row in told.rows if row["vehicle"] == 9]
    assert states == [True, True, False, True]


async def test_a_silent_gateway_is_given_up_and_one_that_is_back_is_told(
    world: World, nats: Nats
) -> None:
    world.config = Config(offline_grace_s=0.4, gateway_lost_s=2.0)
    lost: asyncio.Queue[str] = asyncio.Queue()

    async def hear(_: str, payload: bytes) -> None:
        (incarnation,) = msgspec.msgpack.decode(payload)
        await lost.put(incarnation)

    subscription = await world.log.subscribe(LOST_SUBJECT, hear)
    await world.post(gateway_up(EAST), gateway_up(WEST))
    await world.post(*(up(car, car) for car in range(1, 5)), up(11, 1, gateway=WEST))
    async with world.serving() as service, _alive(world.log, WEST):
        await world.until_told("UP", 5)
        told = await world.until_told("OFFLINE", 4)
        assert sorted(told.events("OFFLINE")) == [1, 2, 3, 4]
        reasons = {row[ROOT + "Link.Reason"] for row in told.rows if row["vehicle"] == 1}
        assert reasons == {None, "gateway_lost"}
        assert [one.link for one in service.links(11)] == [link(1, WEST)]
        while not lost.empty():
            lost.get_nowait()
        async with _alive(world.log, EAST), asyncio.timeout(10):
            assert await lost.get() == EAST
            await world.post(*(up(car, car) for car in range(1, 5)))
            await world.until_told("UP", 9)
            await asyncio.sleep(1.5 * world.config.gateway_lost_s)
            assert [one.link for one in service.links(1)] == [link(1)]
    await subscription.close()


async def test_it_goes_on_when_its_engines_come_back(
    world: World, nats: Nats, postgres: EmbeddedPostgres
) -> None:
    async with world.serving():
        await world.post(up(1, 1))
        await world.until_told("UP", 1)
        postgres.stop()
        try:
            await world.post(up(2, 1), up(3, 1))
            await asyncio.sleep(0.5)
            assert (await world.told()).events("UP") == [1]
        finally:
            postgres.start()
        await world.until_told("UP", 3)
        nats.kill()
        await asyncio.sleep(0.5)
        await nats.start()
        await world.post(down(1, 1), down(2, 1), down(3, 1))
        told = await world.until_told("OFFLINE", 3)
    assert max(told.identities.values()) == 1


async def test_who_takes_a_partition_over_has_it_alone(world: World) -> None:
    async with world.serving() as first:
        await world.post(up(7, 1))
        await world.until_told("UP", 1)
        async with world.serving() as second:
            await world.post(up(9, 1))
            await world.until_told("UP", 2)
            record = EventRecord(99, START_US, (down(7, 1),))
            with pytest.raises(Conflict):
                await first.apply(1, [record])
            assert [one.link for one in second.links(7)] == [link(1)]
        told = await world.told()
    assert told.events("DOWN") == []
    assert max(told.identities.values()) == 1


async def test_a_tenant_reads_its_own_sessions_alone(world: World) -> None:
    async with world.serving():
        await world.post(up(7, 1), up(9, 2, tenant=2))
        await world.until_told("UP", 2)
        store = Store(world.fleet_config)
        await store.open()
        sessions = SessionStore(store)
        mine = await sessions.of_vehicle(1, 7)
        assert mine is not None
        assert [one.identity for one in mine.links] == ["13800000007"]
        assert await sessions.of_vehicle(2, 7) is None
        assert await sessions.of_vehicle(1, 9) is None
        await store.close()


async def _at_work(world: World) -> None:
    """Until the telemetry log grows."""
    before = await world.log.last_sequence(0)

    async def grown() -> bool:
        return await world.log.last_sequence(0) > before

    await until(grown)


async def _stored(service: SessionsService) -> bool:
    return service.metrics.counts["rows"] > 0


@contextlib.asynccontextmanager
async def _alive(log: Log, incarnation: str) -> AsyncIterator[None]:
    """A gateway's sign of life."""

    async def say() -> None:
        while True:
            payload = msgspec.msgpack.encode([incarnation.rpartition(".")[0], incarnation, 0])
            await log.publish(ALIVE_SUBJECT, payload)
            await asyncio.sleep(0.3)

    task = asyncio.create_task(say())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
