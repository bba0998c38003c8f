"""JT/T 808 terminals at the gateway: registration, login, locations, datagrams, commands."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from gateway.terminals import (
    DEVICE,
    Datagrams,
    Terminal,
    auth,
    general,
    location,
    packed,
    register,
    unpacked,
)
from gateway.test_links import told
from gateway.test_ticks import Gate
from gateway.world import OFF, World, eventually
from motorcade.errors import DependencyError
from motorcade.gateway.config import ListenerConfig
from motorcade.gateway.datagrams import DatagramDoor
from motorcade.gateway.downlink import Downlinks
from motorcade.gateway.entrance import Entrance
from motorcade.gateway.gateway import Gateway
from motorcade.gateway.stateful import Stateful
from motorcade.log.downlink import Downlink, down_subject, pack_downlinks, read_downlinked
from motorcade.log.events import CommandAnswered, LinkDown, LinkUp
from motorcade.log.log import Quarantined
from motorcade.protocols.commands import Command
from motorcade.protocols.jt808.pieces import join_pieces

pytestmark = pytest.mark.engines
assert DatagramDoor
assert Downlinks
assert Entrance
assert Stateful

OTHER = (b"OTHER", b"TERM002")

_PHONES = itertools.count(13_800_000_000)


async def door(world: World, **rules: Any) -> Gateway:
    """A gateway with a JT/T 808 door, TCP and UDP."""
    doors = {"listen": "127.0.0.1:0", "udp_listen": "127.0.0.1:0", **rules}
    return await world.gateway(jt808=ListenerConfig(**doors))


def phone_of(world: World, vin: str = "") -> tuple[str, str]:
    """A phone number and the VIN of the car that has it."""
    vin = vin or world.table.add()
    phone = str(next(_PHONES))
    number = world.table.known[vin].vehicle
    world.table.name("phone", phone, vin, f"code-{number}")
    return phone, vin


async def refused(world: World, phone: str) -> list[Quarantined]:
    """The refused registrations by this number that lie in the quarantine, once two do."""
    page = await world.log.quarantined(None, 100)
    found = [one for one in page.entries if (one.vin, one.code) == (phone, "other_terminal")]
    return found if len(found) > 1 else []


@pytest.fixture
async def gateway(world: World) -> Gateway:
    return await door(world)


async def terminal(world: World, gateway: Gateway, phone: str) -> Terminal:
    car: Terminal = world.own(await Terminal.open(phone, gateway.addresses["jt808"][0]))
    return car


async def test_a_terminal_registers_authenticates_and_reports(
    world: World, gateway: Gateway
) -> None:
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    result, code = await car.register()
    assert result == 0
    assert await car.login(code) == 0
    car.send(location(phone, 77), location(phone, 78))
    answers = [await car.receive(), await car.receive()]
    assert [(message, body.hex()) for message, body in answers] == [
        (0x8001, "004d020000"),
        (0x8001, "004e020000"),
    ]
    rows = await world.rows()
    assert len(rows) == 2
    assert {row["vehicle"] for row in rows} == {world.table.known[vin].vehicle}
    assert rows[0]["Vehicle.Speed"] == pytest.approx(60.5)
    (up,) = await told(world, LinkUp, vin)
    assert (up.protocol, up.identity, up.reachable) == ("jt808", phone, True)
    await car.close()
    await eventually(lambda: told(world, LinkDown, vin))


async def test_what_stands_behind_a_login_waits_for_it(world: World, gateway: Gateway) -> None:
    phone, _ = phone_of(world)
    car = await terminal(world, gateway, phone)
    _, code = await car.register()
    car.send(auth(phone, code) + location(phone) + location(phone) + packed(2, phone, b""))
    assert [(await car.receive())[0] for _ in range(4)] == [0x8001] * 4
    assert len(await world.rows()) == 2


async def test_registration_and_login_in_one_segment(world: World, gateway: Gateway) -> None:
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    code = f"code-{world.table.known[vin].vehicle}"
    car.send(register(phone) + auth(phone, code) + location(phone))
    assert [(await car.receive())[0] for _ in range(3)] == [0x8100, 0x8001, 0x8001]


async def test_a_wrong_code_and_an_unknown_phone_are_refused(
    world: World, gateway: Gateway
) -> None:
    phone, _ = phone_of(world)
    car = await terminal(world, gateway, phone)
    assert await car.login("wrong") != 0
    car.send(location(phone))
    stranger = await terminal(world, gateway, "19999999999")
    result, code = await stranger.register()
    assert result != 0
    assert code == ""
    assert await stranger.login("whatever") != 0
    assert await world.rows() == []
    rejects = gateway.metrics.rejects
    assert rejects["credentials"] == 1
    assert rejects["unknown_vin"] == 2


async def test_data_before_a_login_is_not_stored(world: World, gateway: Gateway) -> None:
    phone, _ = phone_of(world)
    car = await terminal(world, gateway, phone)
    car.send(location(phone))
    result, code = await car.register()
    assert (result, bool(code)) == (0, True)
    assert await world.rows() == []


async def test_another_phones_frames_are_refused(world: World, gateway: Gateway) -> None:
    phone, vin = phone_of(world)
    other, _ = phone_of(world)
    car = await terminal(world, gateway, phone)
    await car.login(f"code-{world.table.known[vin].vehicle}")
    car.send(location(other), location(phone))
    first, second = await car.receive(), await car.receive()
    assert (first[1][4] != 0, second[1][4]) == (True, 0)
    assert len(await world.rows()) == 1


async def test_a_registration_may_bind_where_the_operator_says_so(world: World) -> None:
    gateway = await door(world, bind_on_registration=True)
    vin = world.table.add()
    car = await terminal(world, gateway, str(next(_PHONES)))
    result, code = await car.register(vin)
    assert result == 0
    assert await car.login(code) == 0


async def test_a_known_phone_is_of_the_terminal_that_came_first(
    world: World, gateway: Gateway
) -> None:
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    _, code = await car.register()
    assert await car.login(code) == 0
    thief = await terminal(world, gateway, phone)
    for device in (OTHER, (OTHER[0], DEVICE[1]), (DEVICE[0], OTHER[1])):
        assert await thief.register(vin, device) == (1, "")
    assert gateway.metrics.rejects["other_terminal"] == 3
    assert 'motorcade_gateway_rejects_total{code="other_terminal"} 3.0' in gateway.metrics_text()
    again = await terminal(world, gateway, phone)
    assert await again.register(device=OTHER) == (1, "")
    kept = await eventually(lambda: refused(world, phone))
    # Once per peer, and its tenant sees it.
    assert [one.tenant for one in kept] == [1, 1]
    assert OTHER[1] in kept[0].data
    # The link of the car's own terminal lives, and its code is told again.
    car.send(location(phone, 5))
    assert await car.receive() == (0x8001, bytes.fromhex("0005020000"))
    assert await again.register() == (0, code)


async def test_of_two_terminals_in_one_round_the_first_is_remembered(
    world: World, gateway: Gateway
) -> None:
    phone, _ = phone_of(world)
    car = await terminal(world, gateway, phone)
    car.send(register(phone, device=OTHER), register(phone))
    (first, one), (second, other) = await car.receive(), await car.receive()
    assert (first, second) == (0x8100, 0x8100)
    assert (one[2], other[2]) == (0, 1)
    assert world.table.named["phone", phone].terminal == "OTHER/TERM002"


async def test_any_terminal_may_register_where_the_operator_says_so(world: World) -> None:
    gateway = await door(world, terminals="any")
    phone, _ = phone_of(world)
    car = await terminal(world, gateway, phone)
    result, code = await car.register()
    other = await terminal(world, gateway, phone)
    assert (result, await other.register(device=OTHER)) == (0, (0, code))
    assert world.table.named["phone", phone].terminal == ""


async def test_a_bound_phone_is_of_its_terminal(world: World) -> None:
    gateway = await door(world, bind_on_registration=True)
    vin, phone = world.table.add(), str(next(_PHONES))
    car = await terminal(world, gateway, phone)
    assert (await car.register(vin))[0] == 0
    assert (await car.register(vin, OTHER)) == (1, "")


async def test_optional_credentials_let_in_who_brings_none(world: World) -> None:
    gateway = await door(world, credentials="optional")
    phone, _ = phone_of(world)
    car = await terminal(world, gateway, phone)
    assert await car.login("wrong") != 0
    assert await car.login("") == 0


async def test_the_registry_away_means_no_and_later_yes(world: World, gateway: Gateway) -> None:
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    world.table.away = True
    assert await car.login("code") != 0
    world.table.away = False
    assert await car.login(f"code-{world.table.known[vin].vehicle}") == 0


async def test_a_goodbye_is_answered_once_and_only_when_it_is_stored(world: World) -> None:
    gate = Gate(world.log)
    doors = {"listen": "127.0.0.1:0"}
    gateway = await world.gateway(log=gate, jt808=ListenerConfig(**doors))
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    assert await car.login(f"code-{world.table.known[vin].vehicle}") == 0
    gate.error = DependencyError("away")
    car.send(packed(0x0003, phone, b""))
    await eventually(lambda: told(world, LinkDown, vin))
    with pytest.raises(TimeoutError):
        await car.receive(0.3)
    gate.error = None
    assert await car.login(f"code-{world.table.known[vin].vehicle}") == 0
    car.send(packed(0x0003, phone, b""))
    message, body = await car.receive()
    assert (message, body[2:].hex()) == (0x8001, "000300")
    with pytest.raises(TimeoutError):
        await car.receive(0.3)


async def test_terminals_may_come_by_datagrams(world: World, gateway: Gateway) -> None:
    phone, vin = phone_of(world)
    device: Datagrams = world.own(await Datagrams.open(gateway.addresses["jt808"][1]))
    device.send(register(phone))
    _, body = unpacked(await device.receive())
    device.send(auth(phone, body[3:].decode()))
    assert unpacked(await device.receive())[1][4] == 0
    device.send(b"\x7e\x02 half a frame")
    device.send(location(phone, 5))
    assert unpacked(await device.receive()) == (0x8001, bytes.fromhex("0005020000"))
    (row,) = await world.rows()
    assert row["vehicle"] == world.table.known[vin].vehicle


async def test_what_came_by_datagram_is_answered_before_a_stop(world: World) -> None:
    gate = Gate(world.log)
    gateway = await world.gateway(log=gate, jt808=ListenerConfig(udp_listen="127.0.0.1:0"))
    phone, vin = phone_of(world)
    device: Datagrams = world.own(await Datagrams.open(gateway.addresses["jt808"][0]))
    device.send(auth(phone, f"code-{world.table.known[vin].vehicle}"))
    assert unpacked(await device.receive())[1][4] == 0
    gate.open.clear()
    begun = gate.begun
    device.send(location(phone, 5))
    await eventually(lambda: gate.begun > begun)
    stop = asyncio.create_task(gateway.drain_and_stop())
    await asyncio.sleep(0.05)
    gate.open.set()
    assert unpacked(await device.receive()) == (0x8001, bytes.fromhex("0005020000"))
    await stop
    (down,) = await told(world, LinkDown, vin)
    assert down.reason == "stopped"


async def test_strangers_datagrams_leave_room_for_terminals(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motorcade.gateway.gateway.connections_max", lambda _wanted: 8)
    gateway = await door(world)
    phone, vin = phone_of(world)
    code = f"code-{world.table.known[vin].vehicle}"
    device: Datagrams = world.own(await Datagrams.open(gateway.addresses["jt808"][1]))
    device.send(auth(phone, code))
    assert unpacked(await device.receive())[1][4] == 0
    for number in range(20):
        stranger: Datagrams = world.own(await Datagrams.open(gateway.addresses["jt808"][1]))
        stranger.send(location(str(number + 1)))
    await eventually(lambda: gateway.metrics.closed["datagram_strangers"] == 18)
    other, vin = phone_of(world)
    car = await terminal(world, gateway, other)
    assert await car.login(f"code-{world.table.known[vin].vehicle}") == 0
    device.send(location(phone, 5))
    assert unpacked(await device.receive()) == (0x8001, bytes.fromhex("0005020000"))


def picture(phone: str, number: int, first: int) -> tuple[bytes, list[bytes]]:
    """A picture's bytes, and its 0801 in four sub-packages."""
    data = b"\xff\xd8" + bytes(range(256)) * 10
    body = number.to_bytes(4, "big") + bytes([0, 0, 1, 2]) + bytes(22)
    body += bytes.fromhex("250615080000") + data
    cuts = [body[at : at + 650] for at in range(0, len(body), 650)]
    return data, [
        packed(0x0801, phone, one, first + n, (len(cuts), n + 1)) for n, one in enumerate(cuts)
    ]


async def test_a_sub_package_is_answered_once_it_is_in_the_log(world: World) -> None:
    gate = Gate(world.log)
    gateway = await world.gateway(
        gate, jt808=ListenerConfig(listen="127.0.0.1:0", frame_timeout_s=5)
    )
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    assert await car.login(f"code-{world.table.known[vin].vehicle}") == 0
    data, parts = picture(phone, 7, 300)
    for away in (parts[:2], parts):
        gate.error = DependencyError("away")
        begun = gate.begun
        car.send(*away)
        await eventually(lambda begun=begun: gate.begun > begun)
        with pytest.raises(TimeoutError):
            await car.receive(0.25)
    assert (await world.rows("event"), await world.rows("media")) == ([], [])
    gate.error = None
    car.send(*parts)
    answers = [await car.receive() for _ in parts]
    assert [(message, body.hex()) for message, body in answers] == [
        *((0x8001, f"{serial:04x}080100") for serial in (300, 301, 302)),
        (0x8800, "00000007"),
    ]
    (row,) = await world.rows("media")
    assert row["raw"].endswith(data[-1000:])
    assert row["Vehicle.Media.Id"] == 7
    assert {row["vehicle"] for row in await world.rows("event")} == {row["vehicle"]}
    places = [row["Vehicle.Connectivity.MessagePart"] for row in await world.rows("event")]
    assert places == [1, 2, 3]


async def test_what_was_answered_of_a_message_that_never_got_whole_is_kept(
    world: World, gateway: Gateway
) -> None:
    phone, vin = phone_of(world)
    code = f"code-{world.table.known[vin].vehicle}"
    data, parts = picture(phone, 8, 400)
    for sent in (parts[:3], parts[3:]):
        car = await terminal(world, gateway, phone)
        assert await car.login(code) == 0
        car.send(*sent)
        assert [(await car.receive())[0] for _ in sent] == [0x8001] * len(sent)
        await car.close()
    assert await world.rows("media") == []
    raws = [row["raw"] for row in await world.rows("event")]
    ((message, body),) = join_pieces(raws)
    assert (message, body[36:]) == (0x0801, data)


async def test_a_picture_whose_storing_failed_is_whole_when_its_last_part_comes_again(
    world: World,
) -> None:
    gate = Gate(world.log)
    gateway = await world.gateway(gate, jt808=ListenerConfig(listen="127.0.0.1:0"))
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    assert await car.login(f"code-{world.table.known[vin].vehicle}") == 0
    data, parts = picture(phone, 9, 500)
    car.send(*parts[:3])
    assert [(await car.receive())[0] for _ in range(3)] == [0x8001] * 3
    gate.error = DependencyError("away")
    car.send(parts[3])
    with pytest.raises(TimeoutError):
        await car.receive(0.25)
    gate.error = None
    # The terminal has freed what was answered.
    car.send(parts[3])
    assert await car.receive() == (0x8800, bytes.fromhex("00000009"))
    (row,) = await world.rows("media")
    assert row["raw"] == data


async def test_what_is_read_leniently_is_counted(world: World, gateway: Gateway) -> None:
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    assert await car.login(f"code-{world.table.known[vin].vehicle}") == 0
    crooked = bytearray(location(phone, 9))
    crooked[3] |= 0x40
    crooked[-2] ^= 0x40
    car.send(bytes(crooked), location(phone, 10))
    assert [(await car.receive())[1].hex() for _ in range(2)] == ["0009020000", "000a020000"]
    assert 'motorcade_gateway_repaired_total{code="edition"} 1.0' in gateway.metrics_text()


async def ask(world: World, gateway: Gateway, *commands: Downlink) -> list[Any]:
    subject = down_subject(gateway.links.incarnation)
    return read_downlinked(await world.log.request(subject, pack_downlinks(commands)))


async def test_a_command_goes_down_and_its_answer_is_an_event(
    world: World, gateway: Gateway
) -> None:
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    number = world.table.known[vin].vehicle
    await car.login(f"code-{number}")
    (up,) = await eventually(lambda: told(world, LinkUp, vin))

    def text(link: str, vehicle: int = number, kind: str = "text") -> Downlink:
        said = Command(id="0" * 32, number=4711, kind=kind, parameters={"text": "hello"}, time_us=1)
        return Downlink(link=link, vehicle=vehicle, command=said)

    results = await ask(
        world,
        gateway,
        text(up.link),
        text(up.link + "9"),
        text("another.1/jt808/1"),
        text(up.link, 1),
        text(up.link, kind="charge_start"),
    )
    assert [one.code for one in results][:4] == ["sent", "no_link", "no_link", "no_link"]
    assert results[4].code in ("unsupported", "invalid")
    message, body = await car.receive()
    assert message == 0x8300
    assert body.endswith(b"hello")
    car.send(general(phone, 4711, 0x8300))
    (told_,) = await eventually(lambda: told(world, CommandAnswered, vin))
    assert (told_.key, told_.outcome, told_.link) == (results[0].key, "succeeded", up.link)
    assert OFF.listen == ""
