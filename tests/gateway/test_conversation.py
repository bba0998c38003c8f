"""Frames that are no reports, refusals, platform links, and what is kept for people to see."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from gateway.world import (
    TIME,
    Car,
    World,
    eventually,
    frame,
    login,
    logout,
    platform_login,
    report,
)
from motorcade.gateway.conversation import Conversation
from motorcade.gateway.gateway import Gateway

pytestmark = pytest.mark.engines
assert Conversation


@dataclass(frozen=True)
class Settings:
    """A tenant's settings, as the fleet has them."""

    acknowledge_reports: str | None = None
    aes_key: bytes | None = None
    custom: tuple[object, ...] = ()


async def kept(world: World, code: str) -> list[object]:
    """Quarantine entries with a code, once there are some."""

    async def look() -> list[object]:
        page = await world.log.quarantined(None, 100)
        return [entry for entry in page.entries if entry.code == code]

    found: list[object] = await eventually(look)
    return found


async def platform(world: World, gateway: Gateway, user: str = "one") -> Car:
    car = await world.car(gateway)
    car.send(platform_login(user, "secret"))
    assert (await car.receive())[3] == 1
    return car


async def test_data_before_a_login_is_dropped_and_kept_for_people(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway)
    sent = report(vin)
    car.send(sent)
    assert await car.silent()
    assert await world.rows() == []
    assert gateway.metrics.rejects["not_logged_in"] == 1
    entries = await kept(world, "not_logged_in")
    mine = [entry for entry in entries if entry.data == sent]  # type: ignore[attr-defined]
    assert len(mine) == 1
    assert mine[0].vin == vin  # type: ignore[attr-defined]
    assert mine[0].protocol == "gbt32960"  # type: ignore[attr-defined]
    await car.login(vin)


async def test_a_terminal_reports_for_itself_only(world: World) -> None:
    gateway = await world.gateway()
    mine, other = world.table.add(), world.table.add()
    car = await world.car(gateway, mine)
    car.send(report(mine), report(other), report(mine))
    assert [(await car.receive())[3] for _ in range(3)] == [1, 2, 1]
    rows = await world.rows()
    assert {row["vehicle"] for row in rows} == {world.table.known[mine].vehicle}


async def test_heartbeats_and_time_are_answered_in_their_place(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway, vin)
    car.send(report(vin), frame(7, vin, b""), report(vin), frame(8, vin, b""))
    answers = [await car.receive() for _ in range(4)]
    assert [answer[2:4] for answer in answers] == [
        b"\x02\x01",
        b"\x07\x01",
        b"\x02\x01",
        b"\x08\x01",
    ]
    assert len(answers[3]) == 31


async def test_a_logout_is_stored_answered_and_ends_the_session(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway, vin)
    car.send(report(vin), logout(vin), report(vin))
    assert [(await car.receive())[2:4] for _ in range(2)] == [b"\x02\x01", b"\x04\x01"]
    assert await car.silent()
    assert len(await world.rows("logout")) == 1
    assert len(await world.rows()) == 1
    assert gateway.sessions == 0
    await car.login(vin)


async def test_a_platform_link_carries_many_vehicles(world: World) -> None:
    gateway = await world.gateway()
    car = await platform(world, gateway)
    vins = [world.table.add() for _ in range(30)]
    car.send(*(login(vin) for vin in vins), *(report(vin) for vin in vins), frame(7, "P", b""))
    answers = [await car.receive() for _ in range(61)]
    assert [answer[2:4] for answer in answers[:60]] == [b"\x01\x01"] * 30 + [b"\x02\x01"] * 30
    # A platform's link: header and time come back, the rest is removed.
    assert {len(answer) for answer in answers[:60]} == {31}
    assert len(await world.rows()) == 30
    assert len(await world.rows("login")) == 30
    car.send(frame(6, "PLATFORM000000001", TIME + b"\x00\x01"), report(vins[0]))
    assert (await car.receive())[2:4] == b"\x06\x01"
    assert await car.silent()


async def test_a_platform_link_never_reaches_another_tenants_vehicle(world: World) -> None:
    gateway = await world.gateway()
    car = await platform(world, gateway, "two")
    mine, theirs = world.table.add(tenant=2), world.table.add(tenant=1)
    car.send(report(mine), report(theirs), report("LMTNOBODY00000002"))
    assert [(await car.receive())[3] for _ in range(3)] == [1, 2, 2]
    assert [row["tenant"] for row in await world.rows()] == [2]
    assert gateway.metrics.rejects["other_tenant"] == 1
    assert gateway.metrics.rejects["unknown_vin"] == 1


async def test_a_platform_does_not_wait_for_ever_for_a_fault_of_ours(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await world.gateway()
    car = await platform(world, gateway)
    vin = world.table.add()

    async def faulty(_vins: object) -> object:
        raise ZeroDivisionError

    with monkeypatch.context() as wrong:
        wrong.setattr(world.table, "resolve", faulty)
        car.send(report(vin))
        assert await car.silent()
    car.send(report(vin))
    assert (await car.receive())[3] == 1


async def test_a_platform_waits_for_an_absent_registry_without_an_answer(world: World) -> None:
    gateway = await world.gateway()
    car = await platform(world, gateway)
    vin = world.table.add()
    world.table.away = True
    car.send(report(vin))
    assert await car.silent()
    world.table.away = False
    car.send(report(vin))
    assert (await car.receive())[3] == 1


@pytest.mark.parametrize(
    ("rule", "choice", "answered"),
    [
        ("always", None, True),
        ("standard", None, False),
        ("always", "standard", False),
        ("standard", "always", True),
    ],
)
async def test_correct_reports_of_terminals_are_answered_as_the_tenant_decides(
    world: World, rule: str, choice: str | None, answered: bool
) -> None:
    world.table.settings = {4: Settings(acknowledge_reports=choice)}
    gateway = await world.gateway(rules={"acknowledge_reports": rule})
    vin = world.table.add(tenant=4)
    car = await world.car(gateway, vin)
    car.send(report(vin))
    if answered:
        assert (await car.receive())[3] == 1
    else:
        assert await car.silent()
    # A wrong one always is.
    car.send(frame(2, vin, TIME + b"\x01\x02"))
    assert (await car.receive())[3] != 1
    link = await platform(world, gateway)
    other = world.table.add(tenant=1)
    link.send(report(other))
    assert (await link.receive())[3] == 1


async def test_new_settings_are_obeyed_without_a_restart(world: World) -> None:
    gateway = await world.gateway(settings_interval_s=0.05)
    vin = world.table.add(tenant=4)
    car = await world.car(gateway, vin)
    world.table.settings = {4: Settings(acknowledge_reports="standard")}
    world.table.stamp += 1
    await eventually(lambda: len(gateway._shared.settings.standard) == 1)
    car.send(report(vin))
    assert await car.silent()


@pytest.mark.parametrize(("start", "flag"), [(b"##", 0x02), (b"$$", 0x07)])
async def test_a_cipher_nobody_can_open_is_refused_in_the_editions_words(
    world: World, start: bytes, flag: int
) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway, vin)
    car.send(frame(2, vin, bytes(32), start=start, cipher=2))
    assert (await car.receive())[:4] == start + bytes([2, flag])
    assert await kept(world, "cipher")


async def test_what_cannot_be_resynchronised_is_skipped_and_the_rest_is_served(
    world: World,
) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway, vin)
    broken = bytearray(report(vin))
    broken[-1] ^= 0xFF
    car.send(b"garbage", report(vin), bytes(broken), report(vin), b"##", bytes(40), report(vin))
    assert [(await car.receive())[3] for _ in range(3)] == [1, 1, 1]
    assert gateway.metrics.rejects["checksum"] == 1
    assert gateway.metrics.rejects["garbage"] >= 1

    async def mine() -> bool:
        entries = await kept(world, "checksum")
        return bytes(broken) in {entry.data for entry in entries}  # type: ignore[attr-defined]

    await eventually(mine)


async def test_an_unknown_command_gets_the_standards_refusal(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway, vin)
    car.send(frame(0x55, vin, b"\x01\x02"), report(vin))
    assert (await car.receive())[2:4] == b"\x55\x02"
    assert (await car.receive())[2:4] == b"\x02\x01"


async def test_two_platform_links_share_the_question_for_new_vehicles(world: World) -> None:
    gateway = await world.gateway(linger_ms=30)
    links = [await platform(world, gateway) for _ in range(2)]
    vins = [world.table.add() for _ in range(2)]
    for link, vin in zip(links, vins, strict=True):
        link.send(report(vin), report(vin))
    answers = await asyncio.gather(*(link.receive() for link in links for _ in range(1)))
    assert {answer[3] for answer in answers} == {1}
    assert await eventually(lambda: gateway.metrics.records >= 4)
    assert len(world.table.asked) <= 2
