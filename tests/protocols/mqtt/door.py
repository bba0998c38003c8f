"""A door on a real port for real clients: the protocol's own session behind asyncio, and a record
of what came in."""

from __future__ import annotations

import asyncio
from types import TracebackType

import numpy as np

from motorcade.protocols import mqtt
from motorcade.protocols.mqtt.alone import one_reply
from motorcade.protocols.mqtt.framing import cut

__all__ = ["NOW", "Door"]

NOW = 1_772_366_400_000_000


class Door:
    """``async with Door() as door``: ``door.port``; ``door.packets`` whole packets as they came;
    ``door.sessions``; ``push`` bytes to the last client."""

    def __init__(self) -> None:
        self.port = 0
        self.packets: list[bytes] = []
        self.sent: list[bytes] = []
        self.sessions: list[mqtt.Session] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.changed = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Door:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self.writers:
            writer.close()
        await self._server.wait_closed()

    async def until(self, count: int, kind: int) -> list[bytes]:
        """The packets of a type, once there are ``count``."""
        async with asyncio.timeout(10):
            while True:
                found = [packet for packet in self.packets if packet[0] >> 4 == kind]
                if len(found) >= count:
                    return found
                self.changed.clear()
                await self.changed.wait()

    def push(self, data: bytes) -> None:
        """Send bytes to the last client."""
        self.writers[-1].write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = mqtt.Session()
        self.sessions.append(session)
        self.writers.append(writer)
        rest = b""
        while data := await reader.read(65_536):
            found = cut([rest + data])
            rest = found.remainder.get(0, b"")
            for row in range(len(found.frames)):
                self.packets.append(found.frames.bytes_of(row))
                said, fatal = one_reply(session, found.frames.take(np.array([row])), NOW)
                self.sent.append(said)
                self.changed.set()
                writer.write(said)
                if fatal:
                    writer.close()
        writer.close()
