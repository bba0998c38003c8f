"""Vehicles without logins: satellite modems, signed datagrams, and commands to both."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import pytest

from gateway.terminals import Datagrams
from gateway.test_jt808 import ask
from gateway.test_links import told
from gateway.world import World, eventually
from motorcade.gateway.config import ListenerConfig
from motorcade.gateway.gateway import Gateway
from motorcade.gateway.relays import Relays
from motorcade.log.downlink import Downlink
from motorcade.log.events import CommandAnswered, LinkDown, LinkUp
from motorcade.protocols import compact, iridium
from motorcade.protocols.commands import Command
from motorcade.protocols.iridium.framing import cut
from motorcade.wire.compact.command import CompactAnswer, pack_answer, read_command
from motorcade.wire.compact.report import pack_report

pytestmark = pytest.mark.engines
assert Relays

KEY = bytes(range(16))
POSITION = {"latitude": 31.2, "longitude": 121.5}


def report(sequence: int) -> bytes:
    return pack_report(int(time.time()), sequence, {})


def modem_of(world: World) -> tuple[str, str]:
    """An IMEI and the VIN of the car that has it."""
    vin = world.table.add()
    imei = f"30143406{world.table.known[vin].vehicle:07d}"
    world.table.name("imei", imei, vin)
    return imei, vin


def device_of(world: World, key: bytes = KEY) -> tuple[str, str]:
    """A device's name and the VIN of the car that has it."""
    vin = world.table.add()
    device = f"{world.table.known[vin].vehicle:016x}"
    world.table.name("device", device, vin, key=key)
    return device, vin


def lock(world: World, vin: str, link: str) -> Downlink:
    said = Command(id="cd" * 16, number=9, kind="lock", parameters={}, time_us=1)
    return Downlink(link=link, vehicle=world.table.known[vin].vehicle, command=said)


async def directip(world: World, **rules: Any) -> Gateway:
    return await world.gateway(iridium=ListenerConfig(listen="127.0.0.1:0", **rules))


async def deliver(gateway: Gateway, message: bytes) -> bytes:
    """As Iridium's gateway does: a connection, a message, the confirmation."""
    reader, writer = await asyncio.open_connection(*gateway.addresses["iridium"][0])
    writer.write(message)
    async with asyncio.timeout(10):
        head = await reader.readexactly(3)
        rest = await reader.readexactly(int.from_bytes(head[1:3], "big"))
    writer.close()
    await writer.wait_closed()
    return head + rest


def message(imei: str, number: int, payload: bytes) -> bytes:
    header = iridium.MoHeader(
        number, imei.encode(), status=0, momsn=number, mtmsn=0, session_s=int(time.time())
    )
    return iridium.encode_mo(header, payload)


async def test_a_modems_message_is_a_row_and_confirmed(world: World) -> None:
    gateway = await directip(world)
    imei, vin = modem_of(world)
    said = message(imei, 1, report(1))
    assert (await deliver(gateway, said))[3] == 0x05
    await deliver(gateway, said)
    rows = await world.rows()
    assert {row["vehicle"] for row in rows} == {world.table.known[vin].vehicle}
    assert len({(row["event_time"], row["record"]) for row in rows}) == 1
    (up,) = await told(world, LinkUp, vin)
    assert (up.bearer, up.protocol, up.identity) == ("satellite", "iridium", imei)


async def test_a_modem_heard_at_another_gateway_has_its_link_there(world: World) -> None:
    first, second = await directip(world), await directip(world)
    imei, vin = modem_of(world)

    async def downs() -> list[str]:
        return [one.link for one in await told(world, LinkDown, vin)]

    for count, gateway in enumerate((first, second, first)):
        await deliver(gateway, message(imei, count + 1, report(count + 1)))
        await eventually(partial(_many, downs, count))
    ups = [one.link for one in await told(world, LinkUp, vin)]
    assert len(ups) == 3
    assert await downs() == ups[:2]


async def _many(read: Any, count: int) -> bool:
    return len(await read()) == count


async def test_an_unknown_modem_is_confirmed_and_kept_for_people(world: World) -> None:
    gateway = await directip(world)
    assert (await deliver(gateway, message("300000000000000", 1, report(1))))[3] == 0x05
    assert await world.rows() == []
    assert gateway.metrics.rejects["unknown_vin"] == 1


async def test_a_command_goes_to_the_networks_gateway_and_is_answered_by_a_message(
    world: World,
) -> None:
    taken: list[bytes] = []

    async def network(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(3)
        taken.append(head + await reader.readexactly(int.from_bytes(head[1:3], "big")))
        header = dict(iridium.elements.read_elements(taken[-1], 3))[0x41]
        said = header[:19] + (7).to_bytes(4, "big") + (1).to_bytes(2, "big")
        writer.write(iridium.encode([(0x44, said)]))
        writer.close()

    server = await asyncio.start_server(network, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    gateway = await directip(world, mt_gateway=f"{host}:{port}")
    imei, vin = modem_of(world)
    await deliver(gateway, message(imei, 1, report(1)))
    (up,) = await eventually(lambda: told(world, LinkUp, vin))
    (result,) = await ask(world, gateway, lock(world, vin, up.link))
    assert result.sent
    await eventually(lambda: taken)
    assert not cut([taken[0]]).rejects
    elements = dict(iridium.elements.read_elements(taken[0], 3))
    assert read_command(elements[0x42]).number == 9
    answer = pack_answer(CompactAnswer(9, "succeeded", "ok", int(time.time())))
    assert (await deliver(gateway, message(imei, 2, answer)))[3] == 0x05
    (said,) = await told(world, CommandAnswered, vin)
    assert (said.key, said.outcome, said.link) == (result.key, "succeeded", up.link)
    assert len(await world.rows()) == 1
    server.close()
    await server.wait_closed()


async def datagrams(world: World, **rules: Any) -> tuple[Gateway, Datagrams]:
    gateway = await world.gateway(compact=ListenerConfig(udp_listen="127.0.0.1:0", **rules))
    return gateway, world.own(await Datagrams.open(gateway.addresses["compact"][0]))


async def test_a_signed_datagram_is_a_row_and_acknowledged_with_a_proof(world: World) -> None:
    gateway, door = await datagrams(world)
    device, vin = device_of(world)
    said = compact.encode(device, report(7), KEY)
    assert len(said) <= 50
    door.send(said)
    back = await door.receive()
    assert back[-8:] == compact.proof_of(said, KEY)
    door.send(said)
    assert await door.receive() == back
    rows = await world.rows()
    assert {row["vehicle"] for row in rows} == {world.table.known[vin].vehicle}
    assert len({(row["event_time"], row["record"]) for row in rows}) == 1
    assert gateway.sessions >= 1


async def test_what_is_not_signed_by_its_device_is_dropped(world: World) -> None:
    gateway, door = await datagrams(world)
    device, _ = device_of(world)
    keyless, _ = device_of(world, key=b"")
    door.send(compact.encode(device, report(1), b"another key 1234"))
    door.send(compact.encode(keyless, report(1), KEY))
    door.send(b"\x4d nonsense")
    door.send(compact.encode(device, report(2), KEY))
    assert (await door.receive())[9] == 0xA1
    assert len(await world.rows()) == 1
    assert gateway.metrics.rejects["signature"] == 2


async def test_a_device_is_sent_signed_commands_where_it_was_heard_last(world: World) -> None:
    gateway, door = await datagrams(world)
    device, vin = device_of(world)
    door.send(compact.encode(device, report(1), KEY))
    await door.receive()
    (up,) = await eventually(lambda: told(world, LinkUp, vin))
    (result,) = await ask(world, gateway, lock(world, vin, up.link))
    assert result.sent, result
    sent = await door.receive()
    assert compact.seal(sent, KEY) == sent
    assert read_command(sent[9:-8]).kind == "lock"
    answer = compact.encode(
        device, pack_answer(CompactAnswer(9, "succeeded", "ok", int(time.time()))), KEY
    )
    door.send(answer)
    assert (await door.receive())[-8:] == compact.proof_of(answer, KEY)
    (said,) = await told(world, CommandAnswered, vin)
    assert (said.key, said.outcome) == (result.key, "succeeded")


async def test_a_silent_vehicles_link_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("motorcade.gateway.relays._SWEEP_EVERY_S", 0.1)
    _, door = await datagrams(world, relay_idle_s=0.5)
    device, vin = device_of(world)
    door.send(compact.encode(device, report(1), KEY))
    await door.receive()
    (down,) = await eventually(lambda: told(world, LinkDown, vin))
    assert down.reason == "idle"
