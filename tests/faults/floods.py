"""Peers that do harm, each kind in its own process: ``floods.py KIND HOST PORT SECONDS``.

``garbage`` random bytes; ``halves`` frames cut anywhere, then nothing, then a new connection;
``lengths`` headers that announce 65,531 bytes and most of them; ``slow`` one byte now and then on
many connections; ``sealed`` frames with right check bytes and random contents, in and out of a
session; ``reports`` good reports as fast as the socket takes them, answers unread only as long as
it takes to send the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["KINDS", "flooding"]

LENGTH_MAX = 65_531
_CHUNK = 1 << 16
_MILEAGE_FIRST = 20_000_000
"""Above those of the cars that are watched."""

_PEERS = {"garbage": 8, "halves": 40, "lengths": 150, "slow": 300, "sealed": 12, "reports": 20}
KINDS = tuple(_PEERS)

_Peer = Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def flooding(kind: str, address: tuple[str, int], seconds: float) -> Iterator[None]:
    """A flood while the block lasts, or for ``seconds``."""
    arguments = [kind, address[0], str(address[1]), str(seconds)]
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments], env={**os.environ, "PYTHONPATH": paths}
    )
    try:
        yield
        assert process.poll() in (None, 0), f"the flood {kind} ended with {process.returncode}"
    finally:
        process.kill()
        process.wait()


async def _garbage(number: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    lot = random.Random(number)
    while True:
        writer.write(lot.randbytes(_CHUNK))
        await writer.drain()


async def _halves(number: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    lot = random.Random(time.monotonic_ns() + number)
    whole = _login(number) + b"".join(_report(number, i) for i in range(20))
    writer.write(whole[: lot.randrange(len(whole))])
    await writer.drain()
    await asyncio.sleep(0.2)


async def _lengths(number: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = b"##\x02\xfe" + _vin(number).encode() + b"\x01" + LENGTH_MAX.to_bytes(2, "big")
    writer.write(_login(number) + head + bytes(LENGTH_MAX - 1))  # one byte short of the check byte
    await writer.drain()
    await asyncio.sleep(1.0 + number % 3)


async def _slow(number: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    frame = _login(number)
    while True:
        for byte in frame:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.25)


async def _sealed(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    from faults.cars import frame

    lot = random.Random(time.monotonic_ns() + number)
    if number % 2:
        writer.write(_login(number))
        await reader.read(_CHUNK)
    own = _vin(number)
    while True:
        parts = []
        for _ in range(200):
            vin = own if lot.random() < 0.8 else f"ZZZ{lot.randrange(10**14):014d}"
            data = lot.randbytes(lot.choice((0, 6, 7, 30, 200)))
            parts.append(frame(lot.choice((1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 0x80, 0xC0)), data, vin))
        writer.write(b"".join(parts))
        await writer.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.read(_CHUNK), 0.05)


async def _reports(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_login(number))
    await reader.read(_CHUNK)
    frames = b"".join(_report(number, i) for i in range(1000))

    async def read() -> None:
        while await reader.read(_CHUNK):
            pass

    reading = asyncio.create_task(read())
    try:
        while not reading.done():
            writer.write(frames)
            await writer.drain()
    finally:
        reading.cancel()


_DOES: dict[str, _Peer] = {
    "garbage": _garbage,
    "halves": _halves,
    "lengths": _lengths,
    "slow": _slow,
    "sealed": _sealed,
    "reports": _reports,
}


async def _peer(kind: str, number: int, host: str, port: int) -> None:
    """Do harm on one connection after the other."""
    while True:
        with contextlib.suppress(OSError, EOFError):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                await _DOES[kind](number, reader, writer)
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.02)


async def _main(kind: str, host: str, port: int, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(_peer(kind, n, host, port) for n in range(_PEERS[kind])))


def _vin(number: int) -> str:
    from faults.cars import vin_of

    return vin_of(900_000 + number, "LSF")


def _login(number: int) -> bytes:
    from faults.cars import login

    return login(_vin(number), time.time())


def _report(number: int, count: int) -> bytes:
    from faults.cars import report

    return report(_vin(number), time.time() - 5_000 + count, _MILEAGE_FIRST + count)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
