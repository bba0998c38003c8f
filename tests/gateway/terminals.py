"""JT/T 808 terminals on real sockets, their frames made here by the standard's table."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from functools import reduce
from operator import xor

__all__ = ["DEVICE", "Datagrams", "Terminal", "auth", "general", "location", "packed", "register"]

DEVICE = (b"MAKER", b"TERM001")

_SERIALS = itertools.count(1)
_SECONDS = itertools.count()


def packed(
    message: int,
    phone: str,
    body: bytes,
    serial: int | None = None,
    part: tuple[int, int] | None = None,
) -> bytes:
    """A frame of the 2013 edition; ``part`` is (total, index) of a sub-package."""
    number = next(_SERIALS) if serial is None else serial
    head = message.to_bytes(2, "big") + (len(body) | (0x2000 if part else 0)).to_bytes(2, "big")
    head += bytes.fromhex(phone.rjust(12, "0")) + (number & 0xFFFF).to_bytes(2, "big")
    plain = head + b"".join(one.to_bytes(2, "big") for one in part or ()) + body
    plain += bytes([reduce(xor, plain)])
    return b"\x7e" + plain.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def unpacked(frame: bytes) -> tuple[int, bytes]:
    """Message id and body of a frame of the 2013 edition."""
    plain = frame[1:-1].replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    assert reduce(xor, plain) == 0, frame.hex()
    return int.from_bytes(plain[:2], "big"), plain[12:-1]


def register(
    phone: str, vin: str = "", plate: str = "京A12345", device: tuple[bytes, bytes] = DEVICE
) -> bytes:
    """0100; ``device``: maker and terminal id."""
    maker, terminal = device[0].ljust(5, b"\0"), device[1].ljust(7, b"\0")
    name = vin.encode() if vin else plate.encode("gbk")
    body = bytes(4) + maker + b"MODEL".ljust(20, b"\0") + terminal + bytes([not vin]) + name
    return packed(0x0100, phone, body)


def auth(phone: str, code: str) -> bytes:
    """0102."""
    return packed(0x0102, phone, code.encode())


def location(phone: str, serial: int | None = None, second: int | None = None) -> bytes:
    """0200 with a position and the mileage; no two have the same time."""
    number = next(_SECONDS) if second is None else second
    stamp = f"2506{1 + number // 86400:02}{number // 3600 % 24:02}{number // 60 % 60:02}"
    body = bytes(4) + (3).to_bytes(4, "big") + (31_000_000).to_bytes(4, "big")
    body += (121_000_000).to_bytes(4, "big") + bytes(2) + (605).to_bytes(2, "big") + bytes(2)
    body += bytes.fromhex(f"{stamp}{number % 60:02}") + bytes.fromhex("010400002710")
    return packed(0x0200, phone, body, serial)


def general(phone: str, serial: int, message: int, result: int = 0) -> bytes:
    """0001."""
    body = serial.to_bytes(2, "big") + message.to_bytes(2, "big") + bytes([result])
    return packed(0x0001, phone, body)


class Terminal:
    """One TCP connection of a terminal; ``receive`` gives message id and body of one frame."""

    def __init__(
        self, phone: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.phone = phone
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, phone: str, address: tuple[str, int]) -> Terminal:
        return cls(phone, *await asyncio.open_connection(*address))

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def receive(self, timeout_s: float = 10.0) -> tuple[int, bytes]:
        async with asyncio.timeout(timeout_s):
            assert await self.reader.readexactly(1) == b"\x7e"
            rest = await self.reader.readuntil(b"\x7e")
        return unpacked(b"\x7e" + rest)

    async def register(
        self, vin: str = "", device: tuple[bytes, bytes] = DEVICE
    ) -> tuple[int, str]:
        """Result and code of a registration."""
        self.send(register(self.phone, vin, device=device))
        message, body = await self.receive()
        assert message == 0x8100
        return body[2], body[3:].decode()

    async def login(self, code: str) -> int:
        """Result of an authentication."""
        self.send(auth(self.phone, code))
        message, body = await self.receive()
        assert (message, body[2:4]) == (0x8001, b"\x01\x02")
        return body[4]

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket of a device; ``received`` holds whole datagrams."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, address: tuple[str, int]) -> Datagrams:
        loop = asyncio.get_running_loop()
        _, door = await loop.create_datagram_endpoint(cls, remote_addr=address)
        return door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.received.put_nowait(data)

    def send(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.sendto(data)

    async def receive(self, timeout_s: float = 10.0) -> bytes:
        async with asyncio.timeout(timeout_s):
            return await self.received.get()

    async def close(self) -> None:
        assert self.transport is not None
        self.transport.close()
