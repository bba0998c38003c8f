"""A sender's connection: made when it is needed, told why it ended, and made again after that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from apps.forwarding.world import QUICK
from motorcade.apps.forwarding.parcel import Away
from motorcade.apps.forwarding.tcp import TcpLink
from motorcade.clock import SteerableClock


class Target(msgspec.Struct, frozen=True):
    """What every sender's target has."""

    port: int
    host: str = "127.0.0.1"
    tls: bool = False
    ca_pem: str = ""


class Echo:
    """Says again what it hears; ``deaf``: does not even read. ``connections`` so far."""

    def __init__(self) -> None:
        self.deaf = False
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            while not self.deaf and (data := await reader.read(65536)):
                writer.write(data)

    def hang_up(self) -> None:
        while self._writers:
            self._writers.pop().transport.abort()


class Client:
    """A sender's part: greets with ``hello``, keeps what it hears, forgets it with the link."""

    def __init__(self, port: int, **changes: Any) -> None:
        self.heard = b""
        self.forgotten = 0
        config = msgspec.structs.replace(QUICK, **changes)
        self.clock = SteerableClock(0)
        self.link = TcpLink(Target(port), config, self.clock, self._heard, self._forget)

    async def ready(self) -> None:
        await self.link.ready(self._greet)

    async def _greet(self) -> None:
        await self.link.write(b"hello")
        await self.link.until(lambda: self.heard.startswith(b"hello"), 5.0, "greeting")

    def _heard(self, data: bytes) -> None:
        if b"nonsense" in data:
            raise Away("nonsense")
        self.heard += data

    def _forget(self) -> None:
        self.forgotten += 1
        self.heard = b""


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, int]]:
    found = Echo()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    yield found, server.sockets[0].getsockname()[1]
    server.close()
    found.hang_up()
    await server.wait_closed()


async def test_it_is_made_when_needed_and_greeted_once(echo: tuple[Echo, int]) -> None:
    peer, port = echo
    client = Client(port)
    assert not client.link.alive
    with pytest.raises(Away, match="not connected"):
        await client.link.write(b"too early")
    await client.ready()
    await client.ready()
    assert client.link.alive
    assert (client.heard, peer.connections) == (b"hello", 1)
    client.clock.advance(7.0)
    assert client.link.silent_s == 7.0
    await client.link.write(b"!")
    assert client.link.silent_s == 0.0
    await client.link.close()
    await client.link.close()
    assert not client.link.alive


async def test_it_says_why_it_ended_and_is_made_again(echo: tuple[Echo, int]) -> None:
    peer, port = echo
    client = Client(port)
    await client.ready()
    before = client.forgotten
    waiting = asyncio.create_task(client.link.until(lambda: False, 60.0, "answer"))
    await asyncio.sleep(0)
    peer.hang_up()
    with pytest.raises(Away, match=r"the connection broke|the peer closed"):
        await waiting
    assert (client.link.alive, client.heard, client.forgotten) == (False, b"", before + 1)
    await client.ready()
    assert (client.heard, peer.connections) == (b"hello", 2)
    await client.link.write(b"nonsense")
    with pytest.raises(Away, match="nonsense"):
        await client.link.until(lambda: False, 60.0, "answer")
    with pytest.raises(Away):
        client.link.check()
    await client.link.close()


async def test_a_greeting_that_fails_leaves_no_connection(echo: tuple[Echo, int]) -> None:
    peer, port = echo
    client = Client(port)

    async def refused() -> None:
        await client.link.write(b"hello")
        raise Away("the login was refused")

    with pytest.raises(Away, match="refused"):
        await client.link.ready(refused)
    assert not client.link.alive
    await client.ready()
    assert peer.connections == 2
    await client.link.close()


async def test_what_is_not_answered_ends_the_connection(echo: tuple[Echo, int]) -> None:
    _, port = echo
    client = Client(port)
    await client.ready()
    with pytest.raises(Away, match=r"no PUBACK within 0.01 s"):
        await client.link.until(lambda: False, 0.01, "PUBACK")
    assert not client.link.alive
    await client.link.close()


async def test_a_peer_that_does_not_read_is_called_anew(echo: tuple[Echo, int]) -> None:
    """Half a frame may lie in the way: what is said next must not follow it."""
    peer, port = echo
    client = Client(port, timeout_s=0.2)
    await client.ready()
    peer.deaf = True
    with pytest.raises(Away, match=r"has not read for 0.2 s"):
        await client.link.write(b"x" * (16 << 20))
    assert not client.link.alive
    peer.deaf = False
    await client.ready()
    assert peer.connections == 2
    await client.link.close()


async def test_nobody_there_is_told() -> None:
    server = await asyncio.start_server(Echo().serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(Away, match=f"127.0.0.1:{port}"):
        await Client(port).ready()
