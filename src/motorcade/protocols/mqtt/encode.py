"""Single packets as a client sends them, for the simulator, tests and tools; and ``seal``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from motorcade.protocols.mqtt.packets import (
    Ack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Publish,
    Subscribe,
    Will,
    write_packet,
)
from motorcade.protocols.mqtt.topics import down, up
from motorcade.protocols.mqtt.wording import varint
from motorcade.protocols.mqtt.words import PINGREQ, PUBACK, PUBLISH, V5

__all__ = [
    "encode",
    "encode_connect",
    "encode_disconnect",
    "encode_pingreq",
    "encode_puback",
    "encode_publish",
    "encode_subscribe",
    "seal",
]


def encode(packet: Packet, version: int = V5) -> bytes:
    """Any packet; ``Invalid`` where it cannot be said."""
    return write_packet(packet, version)


def encode_connect(
    vin: str,
    token: str | None = None,
    *,
    version: int = V5,
    clean: bool = True,
    keep_alive_s: int = 60,
    bearer: str = "",
    will: tuple[str, bytes] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> bytes:
    """CONNECT of a vehicle by its VIN and token; ``will`` is a channel and a payload."""
    told = dict(properties or {})
    client_id = f"{vin}/{bearer}" if bearer else vin
    packet = Connect(
        version=version,
        client_id=client_id,
        clean=clean,
        keep_alive=keep_alive_s,
        username=vin,
        password=None if token is None else token.encode(),
        will=None if will is None else Will(up(vin).decode() + will[0], will[1]),
        properties=told,
    )
    return write_packet(packet, version)


def encode_publish(
    vin: str,
    payload: bytes,
    *,
    channel: str = "json",
    version: int = V5,
    qos: int = 1,
    packet_id: int = 1,
    properties: Mapping[str, Any] | None = None,
) -> bytes:
    """PUBLISH to ``v/<vin>/up/<channel>``."""
    packet = Publish(
        topic=up(vin).decode() + channel,
        payload=payload,
        qos=qos,
        packet_id=packet_id if qos else 0,
        properties=dict(properties or {}),
    )
    return write_packet(packet, version)


def encode_subscribe(vin: str, *, version: int = V5, qos: int = 1, packet_id: int = 1) -> bytes:
    """SUBSCRIBE to everything the platform sends this vehicle."""
    return write_packet(Subscribe(packet_id, ((f"{down(vin)}#", qos),)), version)


def encode_puback(packet_id: int, *, version: int = V5, reason: int = 0) -> bytes:
    """PUBACK of a command."""
    return write_packet(Ack(PUBACK, packet_id, reason), version)


def encode_pingreq() -> bytes:
    """PINGREQ."""
    return write_packet(Ping(PINGREQ), V5)


def encode_disconnect(*, version: int = V5, reason: int = 0) -> bytes:
    """DISCONNECT."""
    return write_packet(Disconnect(reason), version)


def seal(frame: bytes) -> bytes:
    """Make the remaining length right, and the first byte one that begins a packet."""
    body = frame[2:]
    first = frame[0] if frame else PUBLISH << 4
    kind = first >> 4 or PUBLISH
    flags = {PUBLISH: first & 0x0B, 6: 2, 8: 2, 10: 2}.get(kind, 0)
    return bytes([kind << 4 | flags]) + varint(len(body)) + body
