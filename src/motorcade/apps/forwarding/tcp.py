"""The connection of a sender to its peer: made when it is needed, and again after it has ended.

In: an address a tenant named. Out: bytes as they come, and when and why it ended. It is read in the
background: else what comes while nobody writes would wait in the kernel, and a peer that went away
be noticed minutes later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from motorcade.apps.forwarding.config import Config
from motorcade.apps.forwarding.parcel import Away
from motorcade.apps.forwarding.targets import connect, tls_context
from motorcade.clock import Clock
from motorcade.tasks import ended

__all__ = ["TcpLink", "TcpTarget"]

_READ_BYTES: Final = 64 << 10
_CLOSE_S: Final = 1.0
_log = structlog.get_logger(__name__)


class TcpTarget(Protocol):
    """Where to, of the settings of a target."""

    @property
    def host(self) -> str:
        """Name or address."""

    @property
    def port(self) -> int:
        """1 to 65,535."""

    @property
    def tls(self) -> bool:
        """Whether the connection is enciphered."""

    @property
    def ca_pem(self) -> str:
        """The certificate the peer's is signed by; empty: those the system trusts."""


class TcpLink:
    """One connection after the other. ``heard`` gets the bytes, and what it raises ends the
    connection as a peer that broke its protocol. ``forget`` is called with the end of each, and
    before the first: no answer to what was said will come any more."""

    def __init__(
        self,
        target: TcpTarget,
        config: Config,
        clock: Clock,
        heard: Callable[[bytes], None],
        forget: Callable[[], None],
    ) -> None:
        self._target = target
        self._config = config
        self._clock = clock
        self._tls = tls_context(target.ca_pem) if target.tls else None
        self._heard = heard
        self._forget = forget
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._why = ""
        self._news = asyncio.Event()
        self._said_s = 0.0

    @property
    def alive(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._reading is not None and not self._reading.done()

    @property
    def silent_s(self) -> float:
        """Seconds since something was written."""
        return self._clock.monotonic_s() - self._said_s

    async def ready(self, greet: Callable[[], Awaitable[None]]) -> None:
        """Be connected; ``greet`` whenever that takes a new connection. Raises ``Away``, also what
        ``greet`` does, which then was the end of it."""
        if self.alive:
            return
        await self.close()
        target, config = self._target, self._config
        reader, self._writer = await connect(
            target.host, target.port, config.allow_private_addresses, config.timeout_s, self._tls
        )
        self._reading = asyncio.create_task(self._read(reader))
        try:
            await greet()
        except Away:
            await self.close()
            raise

    async def write(self, data: bytes) -> None:
        """Send; waits while the peer does not read. Raises ``Away``, with the connection given up:
        the peer may have a part."""
        self.check()
        assert self._writer is not None
        self._said_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self._config.timeout_s):
                self._writer.write(data)
                await self._writer.drain()
        except TimeoutError as error:
            await self.close()
            wait_s = self._config.timeout_s
            raise Away(f"the peer has not read for {wait_s:g} s") from error
        except OSError as error:
            await self.close()
            raise Away(f"the connection broke: {error}") from error

    async def until(self, done: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait for ``what`` the peer owes: until ``done()``, asked whenever it was heard. Raises
        ``Away``, with the connection given up, where that ends first or ``timeout_s`` are over."""
        try:
            async with asyncio.timeout(timeout_s):
                while not done():
                    self.check()
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            await self.close()
            raise Away(f"no {what} within {timeout_s:g} s") from None
        except Away:
            await self.close()
            raise

    def check(self) -> None:
        """Raises ``Away`` where there is no connection, or no more."""
        if not self.alive:
            raise Away(self._why or "not connected")

    async def close(self) -> None:
        """Give the connection up. Safe to call twice."""
        reading, writer = self._reading, self._writer
        self._reading = self._writer = None
        self._why = ""
        self._forget()
        if writer is not None:
            writer.close()
        if reading is not None:
            await ended(reading)
        if writer is not None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(_READ_BYTES):
                self._heard(data)
                self._news.set()
            self._why = "the peer closed the connection"
        except OSError as error:
            self._why = f"the connection broke: {error}"
        except Away as error:
            self._why = error.detail
        except Exception as error:
            self._why = f"what the peer said could not be understood: {error!r}"
            _log.exception("a peer's words broke their reader", host=self._target.host)
        finally:
            self._news.set()
