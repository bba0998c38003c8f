"""A server platform of GB/T 32960 that does as it is told: answers, refuses, stalls, lies, goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from motorcade.protocols import gbt32960

__all__ = ["Platform"]


class Platform:
    """``frames`` received in order, over all connections; ``answer(frame)`` says with which flag
    they are answered, None with none. ``lies`` are sent after every frame."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.connections = 0
        self.answer: Callable[[bytes], int | None] = lambda frame: 1
        self.lies = b""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def commands(self) -> list[int]:
        """Commands received, heartbeats left out."""
        return [frame[2] for frame in self.frames if frame[2] != 7]

    async def start(self) -> Platform:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Be gone, connections and all."""
        if self._server is not None:
            self._server.close()
        self.hang_up()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def hang_up(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        rest = b""
        try:
            while data := await reader.read(65536):
                cut = gbt32960.cut([rest + data])
                rest = cut.remainder.get(0, b"")
                for row in range(len(cut.frames)):
                    frame = cut.frames.bytes_of(row)
                    self.frames.append(frame)
                    flag = self.answer(frame)
                    if flag is not None:
                        writer.write(gbt32960.answer_one(frame, flag, True, 0))
                    if self.lies:
                        writer.write(self.lies)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            with contextlib.suppress(OSError):
                writer.close()
