"""Who is let in, who is refused and how, and who must leave for it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.world import TIME, World, eventually, frame, login, platform_login, report
from motorcade.gateway.logins import frames_from

pytestmark = pytest.mark.engines


def test_frames_laid_end_to_end_are_each_their_own_peers() -> None:
    frames = frames_from([b"abc", b"", b"de"])
    assert [frames.bytes_of(row) for row in range(3)] == [b"abc", b"", b"de"]
    assert frames.peer.tolist() == [0, 1, 2]


async def test_a_login_is_answered_and_in_the_log(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add(tenant=7)
    car = await world.car(gateway)
    car.send(login(vin))
    answer = await car.receive()
    assert answer[:4] == b"##\x01\x01"
    assert answer[4:21] == vin.encode()
    (row,) = await world.rows("login")
    assert row["vehicle"] == world.table.known[vin].vehicle
    assert row["tenant"] == 7
    assert gateway.sessions == 1


@pytest.mark.parametrize(("start", "flag"), [(b"##", 0x02), (b"$$", 0x04)])
async def test_an_unregistered_vin_is_refused_in_its_editions_words(
    world: World, start: bytes, flag: int
) -> None:
    gateway = await world.gateway()
    car = await world.car(gateway)
    car.send(login("LMTNOBODY00000001", start))
    answer = await car.receive()
    assert answer[:4] == start + bytes([1, flag])
    assert gateway.sessions == 0
    assert gateway.metrics.rejects["unknown_vin"] == 1
    # It stays connected, and is let in once somebody has registered it.
    vin = world.table.add()
    car.send(login(vin, start))
    assert (await car.receive())[3] == 1


async def test_a_malformed_login_is_ignored_as_annex_b_has_it(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway)
    car.send(frame(1, vin, TIME + b"\x00"))
    assert await car.silent()
    await car.login(vin)
    assert gateway.sessions == 1


async def test_logins_that_come_together_are_one_question(world: World) -> None:
    gateway = await world.gateway(linger_ms=50)
    vins = [world.table.add(tenant=1 + number % 3) for number in range(50)]
    cars = [await world.car(gateway) for _ in vins]
    for car, vin in zip(cars, vins, strict=True):
        car.send(login(vin))
    answers = await asyncio.gather(*(car.receive() for car in cars))
    assert {answer[3] for answer in answers} == {1}
    assert len(world.table.asked) <= 4
    assert sorted(row["vehicle"] for row in await world.rows("login")) == sorted(
        world.table.known[vin].vehicle for vin in vins
    )


async def test_reports_sent_right_behind_the_login_are_kept_for_it(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway)
    car.send(login(vin), *(report(vin) for _ in range(5)))
    assert [(await car.receive())[2:4] for _ in range(6)] == [b"\x01\x01", *[b"\x02\x01"] * 5]
    assert len(await world.rows()) == 5


async def test_no_login_while_the_registry_is_away_and_no_answer(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway)
    world.table.away = True
    car.send(login(vin))
    assert await car.silent()
    world.table.away = False
    await car.login(vin)


async def test_a_new_link_of_a_vehicle_closes_its_old_one(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    old = await world.car(gateway, vin)
    new = await world.car(gateway, vin)
    assert await old.closed()
    new.send(report(vin))
    assert (await new.receive())[2:4] == b"\x02\x01"
    assert gateway.sessions == 1
    assert gateway.metrics.closed["replaced"] == 1


async def test_a_link_may_log_in_again_and_as_another_vehicle(world: World) -> None:
    gateway = await world.gateway()
    first, second = world.table.add(), world.table.add()
    car = await world.car(gateway, first)
    await car.login(first)
    await car.login(second)
    car.send(report(first), report(second))
    assert [(await car.receive())[3] for _ in range(2)] == [2, 1]
    assert gateway.sessions == 1


async def test_a_platform_logs_in_and_is_closed_after_three_wrong_passwords(world: World) -> None:
    gateway = await world.gateway()
    good = await world.car(gateway)
    good.send(platform_login("one", "secret"))
    assert (await good.receive())[2:4] == b"\x05\x01"
    bad = await world.car(gateway)
    for _ in range(3):
        bad.send(platform_login("one", "guess"))
        assert (await bad.receive())[2:4] == b"\x05\x02"
    assert await bad.closed()
    await eventually(lambda: gateway.connections == 1)


async def test_a_stop_waits_for_no_login_that_is_never_decided(world: World) -> None:
    gateway = await world.gateway(drain_timeout_s=0.1)
    asked = asyncio.Event()

    async def hangs(*_: object, **__: object) -> dict[str, object]:
        asked.set()
        await asyncio.Event().wait()
        return {}

    world.table.resolve = world.table.identify = hangs
    cars = [await world.car(gateway) for _ in range(3)]
    for car in cars:
        car.send(login(world.table.add()))
    await asked.wait()
    before = asyncio.all_tasks()
    await gateway.drain_and_stop()
    assert not [task for task in before & asyncio.all_tasks() if "_rounds" in repr(task)]
