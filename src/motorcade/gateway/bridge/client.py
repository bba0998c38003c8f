"""One connection to a broker: the other side of our own MQTT packets, over asyncio.

In: a broker's bytes. Out: its publishes, in order, as long as there is room for them; what is not
taken stays in the socket, so that the broker slows down. Nothing here acknowledges by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from typing import Any, Final
from urllib.parse import urlsplit

from motorcade.clock import Clock
from motorcade.errors import DependencyError, Invalid
from motorcade.gateway.bridge.config import BridgeConfig
from motorcade.gateway.bridge.stream import PacketStream
from motorcade.limits import BRIDGE_PACKET_BYTES_MAX, BRIDGE_PENDING_BYTES_MAX
from motorcade.protocols.mqtt.packets import (
    Ack,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
    write_packet,
)
from motorcade.protocols.mqtt.words import PINGREQ, PUBACK, V5
from motorcade.tasks import ended

__all__ = ["Client", "VersionRefused", "broker_address", "tls_of"]

_READ_BYTES: Final = 256 << 10
_UNSUPPORTED: Final = (0x84, 0x01)
_SUBSCRIPTION: Final = 1


class VersionRefused(DependencyError):
    """The broker does not speak this version of MQTT."""


class Client:
    """``connect``, then ``publishes`` again and again, ``acknowledge`` what is stored;
    ``close``."""

    def __init__(
        self, config: BridgeConfig, client_id: str, version: int, clock: Clock, filters: list[str]
    ) -> None:
        self._config = config
        self._client_id = client_id
        self._clock = clock
        self._filters = filters
        self.version = version
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._stream = PacketStream(version, BRIDGE_PACKET_BYTES_MAX)
        self._early: deque[Packet] = deque()
        self._waiting: deque[Publish] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._error: Exception | None = None
        self._heard_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> bool:
        """Log in and subscribe; whether the broker had kept the session. ``VersionRefused``, or
        ``DependencyError`` with what the broker said."""
        config = self._config
        try:
            async with asyncio.timeout(config.connect_timeout_s):
                host, port, secure = broker_address(config.url)
                context = tls_of(config) if secure else None
                self._reader, self._writer = await asyncio.open_connection(
                    host, port, ssl=context, limit=_READ_BYTES
                )
                present = await self._login()
                await self._subscribe()
        except (TimeoutError, OSError) as error:
            await self.close()
            said = str(error) or type(error).__name__
            raise DependencyError(
                f"the broker at {config.url} cannot be reached: {said}"
            ) from error
        except BaseException:
            await self.close()
            raise
        run = asyncio.get_running_loop().create_task
        self._tasks = [run(self._receive()), run(self._stay())]
        return present

    async def publishes(self, most: int) -> list[Publish]:
        """What has come and was not handed over yet, at most ``most``; waits for the first.
        ``DependencyError`` once the connection is over and all was handed over."""
        while not self._waiting:
            if self._error is not None:
                raise DependencyError(f"the broker is gone: {self._error}") from self._error
            self._arrived.clear()
            await self._arrived.wait()
        count = min(most, len(self._waiting))
        some = [self._waiting.popleft() for _ in range(count)]
        self._bytes -= sum(_weight(one) for one in some)
        self._room.set()
        return some

    async def acknowledge(self, publishes: list[Publish]) -> None:
        """PUBACK for those that want one, in their order."""
        acks = [Ack(PUBACK, one.packet_id) for one in publishes if one.qos == 1]
        if acks and self._writer is not None and self._error is None:
            self._writer.write(b"".join(write_packet(ack, self.version) for ack in acks))
            with contextlib.suppress(OSError):
                await self._writer.drain()

    def leave(self) -> None:
        """Ask for no more; what the broker has for us already still comes."""
        self._write(Unsubscribe(_SUBSCRIPTION, tuple(self._filters)))

    async def close(self) -> None:
        """Say goodbye (the session stays with the broker) and close."""
        await ended(*self._tasks)
        self._tasks = []
        writer, self._writer = self._writer, None
        if writer is None:
            return
        with contextlib.suppress(OSError):
            if self._error is None and not writer.is_closing():
                writer.write(write_packet(Disconnect(), self.version))
            writer.close()
            async with asyncio.timeout(1.0):
                await writer.wait_closed()

    async def _login(self) -> bool:
        config, five = self._config, self.version == V5
        properties: dict[str, Any] = {}
        if five:
            properties = {
                "session_expiry_interval": config.session_expiry_s,
                "receive_maximum": config.receive_maximum,
                "maximum_packet_size": BRIDGE_PACKET_BYTES_MAX,
            }
        packet = Connect(
            version=self.version,
            client_id=self._client_id,
            clean=False,
            keep_alive=config.keep_alive_s,
            username=config.username or None,
            password=config.password.encode() if config.password else None,
            properties=properties,
        )
        self._write(packet)
        answer = await self._next()
        if not isinstance(answer, Connack):
            raise DependencyError(f"the broker answers CONNECT with {type(answer).__name__}")
        if answer.reason in _UNSUPPORTED:
            raise VersionRefused("the broker does not speak this version of MQTT")
        if answer.reason:
            told = answer.properties.get("reason_string", "")
            raise DependencyError(
                f"the broker refuses the bridge with reason 0x{answer.reason:02X} {told}".rstrip()
            )
        return answer.session_present

    async def _subscribe(self) -> None:
        """A kept session may already send; those publishes wait their turn."""
        self._write(Subscribe(_SUBSCRIPTION, tuple((name, 1) for name in self._filters)))
        while True:
            answer = await self._next()
            if isinstance(answer, Publish):
                self._put(answer)
            elif isinstance(answer, Suback):
                break
        refused = [
            f"{name} (0x{reason:02X})"
            for name, reason in zip(self._filters, answer.reasons, strict=False)
            if reason >= 0x80
        ]
        if refused:
            raise DependencyError(f"the broker refuses the subscription to {', '.join(refused)}")

    async def _next(self) -> Packet:
        """The next whole packet, before the connection runs by itself."""
        while not self._early:
            self._early.extend(await self._more())
        return self._early.popleft()

    async def _more(self) -> list[Packet]:
        assert self._reader is not None
        data = await self._reader.read(_READ_BYTES)
        if not data:
            raise DependencyError("the broker closed the connection")
        self._heard_s = self._clock.monotonic_s()
        return self._stream.feed(data)

    async def _receive(self) -> None:
        """Whole packets as they come; nothing is read while there is no room."""
        try:
            while True:
                packets = [*self._early] or await self._more()
                self._early.clear()
                for packet in packets:
                    if isinstance(packet, Publish):
                        self._put(packet)
                    elif isinstance(packet, Disconnect):
                        raise DependencyError(f"the broker ends it, reason 0x{packet.reason:02X}")
                while self._bytes > BRIDGE_PENDING_BYTES_MAX:
                    self._room.clear()
                    await self._room.wait()
        except (DependencyError, OSError) as error:
            self._error = error
        finally:
            self._arrived.set()

    async def _stay(self) -> None:
        """PINGREQ twice per keep-alive; a broker that is silent is given up."""
        pause_s = self._config.keep_alive_s / 2
        while self._writer is not None:
            await asyncio.sleep(pause_s)
            full = self._bytes > BRIDGE_PENDING_BYTES_MAX
            if not full and self._clock.monotonic_s() - self._heard_s > 3 * pause_s:
                self._error = DependencyError("the broker is silent")
                self._arrived.set()
                return
            self._write(Ping(PINGREQ))

    def _put(self, packet: Publish) -> None:
        self._waiting.append(packet)
        self._bytes += _weight(packet)
        self._arrived.set()

    def _write(self, packet: Packet) -> None:
        if self._writer is not None:
            self._writer.write(write_packet(packet, self.version))


def broker_address(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether over TLS, of a broker's URL; ``Invalid`` where it is none."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == -1:
        raise Invalid(f"{url!r} is no broker's URL: mqtt://host:1883 or mqtts://host:8883")
    if parts.username or parts.password:
        raise Invalid("user and password are settings of their own, not part of a broker's URL")
    secure = parts.scheme == "mqtts"
    return parts.hostname, port or (8883 if secure else 1883), secure


def tls_of(config: BridgeConfig) -> ssl.SSLContext:
    """How the broker's certificate is checked, and ours shown; ``Invalid`` for unreadable files."""
    try:
        context = ssl.create_default_context(cafile=config.tls_ca or None)
        if config.tls_certificate:
            context.load_cert_chain(config.tls_certificate, config.tls_key or None)
    except (OSError, ssl.SSLError) as error:
        raise Invalid(f"the bridge's certificates cannot be read: {error}") from error
    return context


def _weight(packet: Publish) -> int:
    """Bytes a waiting publish holds, the object's own among them."""
    return len(packet.payload) + len(packet.topic) + 400
