"""Files of alarms at the gateway: connections beside a terminal's link, packets, missing ranges."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.terminals import Terminal, auth, location, packed
from gateway.test_jt808 import door, phone_of, terminal
from gateway.test_links import told
from gateway.test_ticks import Gate
from gateway.world import World
from motorcade.errors import DependencyError
from motorcade.gateway.config import ListenerConfig
from motorcade.log.events import LinkDown, LinkUp
from motorcade.protocols import jt808
from motorcade.protocols.jt808.attachments import Piece, join_file
from motorcade.protocols.jt808.side import aside

pytestmark = pytest.mark.engines
assert aside

SIGN = b"T000001" + bytes.fromhex("250615100000") + b"\1\1\0"
NAME = "00_65_6501_1_alarm.jpg"
DATA = bytes(range(256)) * 300 + b"\x7e01cd\x7e"


def number_of(world: World, vin: str) -> bytes:
    return jt808.attachment_number(f"code-{world.table.known[vin].vehicle}", "alarm-1")


def listed(phone: str, number: bytes, size: int = len(DATA)) -> bytes:
    """1210."""
    files = bytes([len(NAME)]) + NAME.encode() + size.to_bytes(4, "big")
    return packed(0x1210, phone, b"T000001" + SIGN + number + b"\0\1" + files)


def told_of(message: int, phone: str, size: int = len(DATA)) -> bytes:
    """1211, 1212."""
    body = bytes([len(NAME)]) + NAME.encode() + b"\0" + size.to_bytes(4, "big")
    return packed(message, phone, body)


def packets(size: int = 30_000) -> list[bytes]:
    begins = range(0, len(DATA), size)
    return [jt808.packet(NAME, begin, DATA[begin : begin + size]) for begin in begins]


def verdict(*missing: tuple[int, int]) -> bytes:
    """The body of 9212."""
    head = bytes([len(NAME)]) + NAME.encode() + b"\0" + bytes([bool(missing), len(missing)])
    return head + b"".join(at.to_bytes(4, "big") + size.to_bytes(4, "big") for at, size in missing)


async def beside(world: World, gateway: Any, phone: str, number: bytes) -> Terminal:
    """A connection for attachments that is let in."""
    side = await terminal(world, gateway, phone)
    side.send(listed(phone, number))
    message, body = await side.receive()
    assert (message, body[2:]) == (0x8001, b"\x12\x10\0")
    return side


async def whole(world: World) -> tuple[bytes, list[tuple[int, int]]]:
    """The file as it is read back from the log."""
    media = await world.rows("media")
    assert {row["Vehicle.Media.File"] for row in media} == {NAME}
    names = ("Vehicle.Media.File", "Vehicle.Media.FileSize", "Vehicle.Media.Offset", "raw")
    return join_file(Piece(*(row[name] for name in names)) for row in media)


async def test_a_file_comes_whole_and_the_link_is_untouched(world: World) -> None:
    gateway = await door(world)
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    await car.login(f"code-{world.table.known[vin].vehicle}")
    side = await beside(world, gateway, phone, number_of(world, vin))
    stream = told_of(0x1211, phone) + b"".join(packets()) + told_of(0x1212, phone)
    for begin in range(0, len(stream), 7_001):
        side.send(stream[begin : begin + 7_001])
        await side.writer.drain()
    message, body = await side.receive()
    assert (message, body[2:]) == (0x8001, b"\x12\x11\0")
    assert await side.receive() == (0x9212, verdict())
    assert await whole(world) == (DATA, [])
    car.send(location(phone))
    assert (await car.receive())[0] == 0x8001
    assert len(await told(world, LinkUp, vin)) == 1
    await side.close()
    assert not await told(world, LinkDown, vin)
    # A link that begins anew replaces the link, not what is beside it.
    side = await beside(world, gateway, phone, number_of(world, vin))
    again = await terminal(world, gateway, phone)
    await again.login(f"code-{world.table.known[vin].vehicle}")
    side.send(told_of(0x1212, phone, 0))
    assert await side.receive() == (0x9212, verdict())
    assert await car.reader.read() == b""


async def test_what_is_missing_is_named_and_sent_again(world: World) -> None:
    gateway = await door(world)
    phone, vin = phone_of(world)
    side = await beside(world, gateway, phone, number_of(world, vin))
    sent = packets()
    side.send(told_of(0x1211, phone), sent[0], sent[2], told_of(0x1212, phone))
    assert (await side.receive())[0] == 0x8001
    assert await side.receive() == (0x9212, verdict((30_000, 30_000)))
    side.send(sent[1][:100])
    side.send(sent[1][100:], told_of(0x1212, phone))
    assert await side.receive() == (0x9212, verdict())
    assert await whole(world) == (DATA, [])


async def test_nothing_is_whole_that_was_not_stored(world: World) -> None:
    gate = Gate(world.log)
    gateway = await world.gateway(gate, jt808=ListenerConfig(listen="127.0.0.1:0"))
    phone, vin = phone_of(world)
    side = await beside(world, gateway, phone, number_of(world, vin))
    sent = packets()
    gate.error = DependencyError("the log is away")
    side.send(told_of(0x1211, phone), *sent[:2])
    assert (await side.receive())[0] == 0x8001
    assert await side.reader.read() == b""
    gate.error = None
    side = await beside(world, gateway, phone, number_of(world, vin))
    side.send(told_of(0x1211, phone), sent[2], told_of(0x1212, phone))
    assert (await side.receive())[0] == 0x8001
    assert await side.receive() == (0x9212, verdict((0, 60_000)))


async def test_a_number_that_proves_nothing_is_refused(world: World) -> None:
    gateway = await door(world)
    phone, vin = phone_of(world)
    other = jt808.attachment_number("another-code", "alarm-1")
    for number in (bytes(32), other, b"0" * 32):
        side = await terminal(world, gateway, phone)
        side.send(listed(phone, number) + packets()[0] + told_of(0x1212, phone))
        message, body = await side.receive()
        assert (message, body[2:4], body[4] != 0) == (0x8001, b"\x12\x10", True)
    assert await world.rows("event") == await world.rows("media") == []
    assert not await told(world, LinkUp, vin)


async def test_where_codes_are_optional_numbers_are(world: World) -> None:
    gateway = await door(world, credentials="optional")
    phone, _ = phone_of(world)
    await beside(world, gateway, phone, bytes(32))


async def test_a_connection_for_files_takes_nothing_else(world: World) -> None:
    gateway = await door(world)
    phone, vin = phone_of(world)
    side = await beside(world, gateway, phone, number_of(world, vin))
    code = f"code-{world.table.known[vin].vehicle}"
    side.send(location(phone), auth(phone, code), packed(2, phone, b""))
    assert (await side.receive())[1][2:4] == b"\0\2"
    assert len(await world.rows("event")) == 1
    assert await world.rows() == await world.rows("login") == []
    assert gateway.metrics.rejects["attachment"] == 2


async def test_a_packet_over_the_link_is_refused(world: World) -> None:
    gateway = await door(world)
    phone, vin = phone_of(world)
    car = await terminal(world, gateway, phone)
    await car.login(f"code-{world.table.known[vin].vehicle}")
    car.send(packets()[0] + location(phone))
    assert (await car.receive())[1][2:4] == b"\2\0"
    assert len(await world.rows()) == 1
    assert await world.rows("media") == []
    assert gateway.metrics.rejects["attachment"] == 1
