"""MQTT: records as JSON with QoS 1 to a broker, 3.1.1 or 5.0.

In: rows. Out: a PUBLISH a row on a topic made of its words. A row is acknowledged by its PUBACK;
one that a broker of MQTT 5 refuses for good (not authorised, a topic it does not take) is not sent
again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from motorcade.apps.forwarding.parcel import Away, Parcel, Surroundings
from motorcade.apps.forwarding.rendering import records
from motorcade.apps.forwarding.targets import check_host, tls_context
from motorcade.apps.forwarding.tcp import TcpLink
from motorcade.apps.forwarding.templates import check_template, fill
from motorcade.errors import Invalid, MessageError
from motorcade.protocols.mqtt.framing import cut
from motorcade.protocols.mqtt.packets import (
    Ack,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Publish,
    read_packet,
    write_packet,
)
from motorcade.protocols.mqtt.words import PUBACK, V5

__all__ = ["RECORDS", "SECRETS", "Sender", "Target", "check"]

RECORDS: Final = ("report",)
SECRETS: Final = frozenset({"password"})
_V311: Final = 4
_REFUSED: Final = 0x80
_QUOTA: Final = 0x97
_WRITE_BYTES: Final = 32 << 10
_REST_BYTES_MAX: Final = 1 << 20
_PACKET_MAX: Final = 268_435_460
"""The longest packet there can be (section 2.1.4); a broker of MQTT 5 may take less."""


class Target(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The broker, who we are there, and the topic."""

    host: str
    port: int = 1883
    tls: bool = False
    ca_pem: str = ""
    """Certificate the broker's is signed by; empty: those the system trusts."""
    username: str = ""
    password: str = ""
    client_id: str = ""
    """Empty: ``motorcade-<tenant>-<forwarder>``."""
    version: Literal["3.1.1", "5.0"] = "5.0"
    topic: str = "fleet/{vin}/{kind}"
    """With ``{vin}``, ``{kind}``, ``{tenant}`` and ``{forwarder}``."""
    retain: bool = False
    window: int = 100
    """Messages under way without their PUBACK, 1 to 10,000; the broker may ask for fewer."""
    keep_alive_s: int = 60
    answer_timeout_s: float = 30.0


def check(target: Target) -> None:
    """Raise ``Invalid`` for what cannot be."""
    check_host(target.host, target.port)
    check_template("topic", target.topic, "+#")
    if target.topic.startswith("$"):
        raise Invalid("target: topic does not begin with $, which is the broker's own")
    if not 1 <= target.window <= 10_000 or not 5 <= target.keep_alive_s <= 65_535:
        raise Invalid("target: window is 1 to 10000, keep_alive_s 5 to 65535")
    if not 0.01 <= target.answer_timeout_s <= 600:
        raise Invalid("target: answer_timeout_s is 0.01 to 600 s")
    if len(target.client_id) > 256 or not target.client_id.isprintable():
        raise Invalid("target: client_id has at most 256 printable characters")
    tls_context(target.ca_pem)


class Sender:
    """One broker's client."""

    def __init__(self, target: Target, around: Surroundings) -> None:
        self._target = target
        self._around = around
        self._version = V5 if target.version == "5.0" else _V311
        self._tcp = TcpLink(target, around.config, around.clock, self._heard, self._forget)
        self._rest = b""
        self._window = target.window
        self._packet_max = _PACKET_MAX
        self._connack: Connack | None = None
        self._ponged = True
        self._under_way: dict[int, tuple[Parcel, int, int]] = {}
        self._busy = 0
        self._packet_id = 0

    async def send(self, parcel: Parcel) -> None:
        """Publish the open rows ahead of their acknowledgements, and wait for those."""
        await self._connected()
        waiting: list[bytes] = []
        size = 0
        for index, rows, batch in parcel.open():
            found = records(batch, parcel.names, self._around.catalogue)
            for row, one in zip(rows.tolist(), found, strict=True):
                while len(self._under_way) >= self._window:
                    await self._write(waiting)
                    waiting, size = [], 0
                    await self._progress()
                packet = self._publish(parcel, index, row, one)
                if len(packet) > self._packet_max:
                    del self._under_way[self._packet_id]
                    reason = f"larger than the broker's {self._packet_max} bytes"
                    parcel.refused(index, row, reason)
                    continue
                waiting.append(packet)
                size += len(packet)
                if size >= _WRITE_BYTES:
                    await self._write(waiting)
                    waiting, size = [], 0
        await self._write(waiting)
        while self._under_way:
            await self._progress()
        if self._busy:
            self._busy = 0
            raise Away("the broker's quota is exceeded")

    async def idle(self) -> None:
        """Be connected, and say so before the broker would doubt it."""
        await self._connected()
        if self._tcp.silent_s < self._target.keep_alive_s / 2:
            return
        self._ponged = False
        await self._write([write_packet(Ping(), self._version)])
        await self._until(lambda: self._ponged, "PINGRESP")

    async def close(self) -> None:
        """DISCONNECT, and close. Never raises."""
        with contextlib.suppress(Away):
            await self._write([write_packet(Disconnect(), self._version)])
        await self._tcp.close()

    def _publish(self, parcel: Parcel, index: int, row: int, one: dict[str, Any]) -> bytes:
        self._packet_id = self._packet_id % 65_535 + 1
        self._under_way[self._packet_id] = (parcel, index, row)
        topic = fill(self._target.topic, self._around, one["vin"], one["kind"])
        packet = Publish(
            topic=topic,
            payload=msgspec.json.encode(one),
            qos=1,
            retain=self._target.retain,
            packet_id=self._packet_id,
        )
        return write_packet(packet, self._version)

    async def _connected(self) -> None:
        await self._tcp.ready(self._connect)

    async def _connect(self) -> None:
        target, around = self._target, self._around
        client_id = target.client_id or f"motorcade-{around.tenant_name}-{around.name}"
        packet = Connect(
            version=self._version,
            client_id=client_id,
            keep_alive=target.keep_alive_s,
            username=target.username or None,
            password=target.password.encode() if target.password else None,
        )
        await self._write([write_packet(packet, self._version)])
        await self._until(lambda: self._connack is not None, "CONNACK")
        answer = self._connack or Connack()
        if answer.reason:
            raise Away(f"the broker refused the connection with reason 0x{answer.reason:02X}")
        asked = answer.properties.get("receive_maximum", target.window)
        self._window = max(1, min(target.window, asked))
        self._packet_max = answer.properties.get("maximum_packet_size", _PACKET_MAX)

    async def _write(self, packets: list[bytes]) -> None:
        if packets:
            await self._tcp.write(b"".join(packets))

    async def _progress(self) -> None:
        before = len(self._under_way)
        await self._until(lambda: len(self._under_way) < before, "PUBACK")

    async def _until(self, done: Callable[[], bool], what: str) -> None:
        await self._tcp.until(done, self._target.answer_timeout_s, what)

    def _heard(self, data: bytes) -> None:
        found = cut([self._rest + data])
        self._rest = found.remainder.get(0, b"")
        if found.rejects or len(self._rest) > _REST_BYTES_MAX:
            raise Away("what the peer sends is not MQTT")
        for row in range(len(found.frames)):
            try:
                self._take(read_packet(found.frames.bytes_of(row), self._version))
            except MessageError as error:
                raise Away(f"the broker broke its protocol: {error.detail}") from error

    def _take(self, packet: Packet) -> None:
        """One packet of the broker; acknowledgements of what is not under way change nothing."""
        if isinstance(packet, Connack):
            self._connack = packet
        elif isinstance(packet, Ping):
            self._ponged = True
        elif isinstance(packet, Disconnect):
            raise Away(f"the broker disconnected with reason 0x{packet.reason:02X}")
        elif isinstance(packet, Ack) and packet.type == PUBACK:
            sent = self._under_way.pop(packet.packet_id, None)
            if sent is None:
                return
            parcel, index, row = sent
            if packet.reason < _REFUSED:
                parcel.sent(index, row)
            elif packet.reason == _QUOTA:
                self._busy += 1
            else:
                reason = f"the broker refused a message with reason 0x{packet.reason:02X}"
                parcel.refused(index, row, reason)

    def _forget(self) -> None:
        self._under_way.clear()
        self._rest = b""
        self._connack = None
