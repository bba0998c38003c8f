"""A TCP or TLS connection to a peer, read in the background.

In: an address a tenant named. Out: bytes as they come, and when and why it ended. Else what comes
while nobody writes would wait in the kernel, and a peer that went away be noticed minutes later.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable

from motorcade.apps.forwarding.parcel import Away
from motorcade.apps.forwarding.targets import connect
from motorcade.tasks import ended

__all__ = ["TcpLink"]

_READ_BYTES = 64 << 10


class TcpLink:
    """One connection; made by ``await TcpLink.open(…)``. ``heard`` gets the bytes; what it raises
    ends the link as a peer that broke its protocol."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        heard: Callable[[bytes], None],
        timeout_s: float,
    ) -> None:
        self.ended = asyncio.Event()
        self.why = ""
        self._reader = reader
        self._writer = writer
        self._heard = heard
        self._timeout_s = timeout_s
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        heard: Callable[[bytes], None],
        *,
        allow_private: bool,
        timeout_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> TcpLink:
        """Connect. Raises ``Away``."""
        reader, writer = await connect(host, port, allow_private, timeout_s, tls)
        return cls(reader, writer, heard, timeout_s)

    async def write(self, data: bytes) -> None:
        """Send; waits while the peer does not read. Raises ``Away``."""
        self.check()
        try:
            async with asyncio.timeout(self._timeout_s):
                self._writer.write(data)
                await self._writer.drain()
        except TimeoutError as error:
            raise Away(f"the peer has not read for {self._timeout_s:g} s") from error
        except OSError as error:
            raise Away(f"the connection broke: {error}") from error

    def check(self) -> None:
        """Raises ``Away`` once the connection has ended."""
        if self.ended.is_set():
            raise Away(self.why)

    async def close(self) -> None:
        """Close. Never raises, safe to call twice."""
        await ended(self._task)
        self._end("closed")
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(_READ_BYTES):
                self._heard(data)
            self._end("the peer closed the connection")
        except OSError as error:
            self._end(f"the connection broke: {error}")
        except Away as error:
            self._end(error.detail)
        except Exception as error:
            self._end(f"what the peer said could not be understood: {error!r}")
            raise

    def _end(self, why: str) -> None:
        if not self.ended.is_set():
            self.why = why
            self.ended.set()
