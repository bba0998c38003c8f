"""Every packet of MQTT 3.1.1 and 5.0 as an object, read from bytes and written to bytes, both ways.

The gateway's path of publishes does not come through here (``layout`` reads those by the column);
all other packets, the bridge's and the tests' do. ``version`` is ``V3`` or ``V5``; a CONNECT brings
its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from motorcade.errors import Invalid, MessageError
from motorcade.protocols.mqtt.properties import WILL, read_properties, write_properties
from motorcade.protocols.mqtt.wording import Reader, binary, text, varint
from motorcade.protocols.mqtt.words import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    FIXED_FLAGS,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    V3,
    V5,
)

__all__ = [
    "Ack",
    "Auth",
    "Connack",
    "Connect",
    "Disconnect",
    "Packet",
    "Ping",
    "Publish",
    "Suback",
    "Subscribe",
    "Unsuback",
    "Unsubscribe",
    "Will",
    "read_packet",
    "write_packet",
]


class Will(msgspec.Struct, frozen=True):
    """What is published for a client that is lost (section 3.1.2.5)."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: dict[str, Any] = {}


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """3.1. ``clean``: clean session (3.1.1) or clean start (5.0); ``keep_alive`` in seconds."""

    version: int = V5
    client_id: str = ""
    clean: bool = True
    keep_alive: int = 60
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: dict[str, Any] = {}


class Connack(msgspec.Struct, frozen=True):
    """3.2. ``reason`` as the version has it."""

    reason: int = 0
    session_present: bool = False
    properties: dict[str, Any] = {}


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """3.3. ``packet_id`` 0 with QoS 0."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    properties: dict[str, Any] = {}


class Ack(msgspec.Struct, frozen=True):
    """3.4 to 3.7: PUBACK, PUBREC, PUBREL or PUBCOMP by ``type``."""

    type: int
    packet_id: int
    reason: int = 0
    properties: dict[str, Any] = {}


class Subscribe(msgspec.Struct, frozen=True):
    """3.8. ``filters``: filter and options (the low two bits are the QoS)."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]
    properties: dict[str, Any] = {}


class Suback(msgspec.Struct, frozen=True):
    """3.9. One reason per filter: the QoS granted, or 0x80 and above."""

    packet_id: int
    reasons: bytes
    properties: dict[str, Any] = {}


class Unsubscribe(msgspec.Struct, frozen=True):
    """3.10."""

    packet_id: int
    filters: tuple[str, ...]
    properties: dict[str, Any] = {}


class Unsuback(msgspec.Struct, frozen=True):
    """3.11. ``reasons`` is empty in 3.1.1."""

    packet_id: int
    reasons: bytes = b""
    properties: dict[str, Any] = {}


class Ping(msgspec.Struct, frozen=True):
    """3.12 and 3.13 by ``type``."""

    type: int = PINGREQ


class Disconnect(msgspec.Struct, frozen=True):
    """3.14."""

    reason: int = 0
    properties: dict[str, Any] = {}


class Auth(msgspec.Struct, frozen=True):
    """3.15, MQTT 5 only."""

    reason: int = 0
    properties: dict[str, Any] = {}


Packet = (
    Connect
    | Connack
    | Publish
    | Ack
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Ping
    | Disconnect
    | Auth
)


def read_packet(frame: bytes, version: int) -> Packet:
    """One whole packet. Raises ``MessageError`` whose fact ``kind`` is a code of ``REASONS``."""
    first = frame[0]
    kind, flags = first >> 4, first & 0x0F
    reader = Reader(frame, 1)
    if reader.varint() != reader.left:
        raise MessageError("the remaining length is not what follows", kind="malformed")
    if kind == PUBLISH:
        return _read_publish(reader, flags, version)
    read = _READ.get(kind)
    if read is None or flags != FIXED_FLAGS.get(kind, 0):
        raise MessageError("the first byte begins no packet", kind="malformed")
    if kind == AUTH and version != V5:
        raise MessageError("MQTT 3.1.1 has no AUTH", kind="malformed")
    packet = read(reader, kind, version)
    reader.done()
    return packet


def write_packet(packet: Packet, version: int) -> bytes:
    """The packet's bytes; ``Invalid`` where it cannot be said."""
    kind, flags, body = _body(packet, version)
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def _read_connect(reader: Reader, kind: int, version: int) -> Connect:
    name, level = reader.binary(), reader.number(1)
    if name != b"MQTT" or level not in (V3, V5):
        known = name in (b"MQTT", b"MQIsdp")
        code = "version" if known else "protocol"
        raise MessageError(f"protocol {name!r} level {level} is not spoken here", kind=code)
    flags, keep_alive = reader.number(1), reader.number(2)
    qos = flags >> 3 & 3
    if flags & 1 or qos == 3 or (not flags & 4 and flags & 0x38):
        raise MessageError("the flags of CONNECT contradict each other", kind="malformed")
    if level == V3 and flags & 0xC0 == 0x40:
        raise MessageError("a password needs a username in MQTT 3.1.1", kind="malformed")
    properties = read_properties(reader, CONNECT) if level == V5 else {}
    client_id = reader.text()
    will = None
    if flags & 4:
        of_will = read_properties(reader, WILL) if level == V5 else {}
        will = Will(reader.text(), reader.binary(), qos, bool(flags & 0x20), of_will)
    return Connect(
        version=level,
        client_id=client_id,
        clean=bool(flags & 2),
        keep_alive=keep_alive,
        username=reader.text() if flags & 0x80 else None,
        password=reader.binary() if flags & 0x40 else None,
        will=will,
        properties=properties,
    )


def _read_connack(reader: Reader, kind: int, version: int) -> Connack:
    flags, reason = reader.number(1), reader.number(1)
    if flags & 0xFE:
        raise MessageError("reserved flags of CONNACK are set", kind="malformed")
    # A server of 3.1.1 refuses a client of 5.0 in its own words, without properties.
    properties = _properties(reader, CONNACK, version) if reader.left else {}
    return Connack(reason, bool(flags), properties)


def _read_publish(reader: Reader, flags: int, version: int) -> Publish:
    qos = flags >> 1 & 3
    if qos == 3:
        raise MessageError("there is no QoS 3", kind="malformed")
    topic = reader.text()
    return Publish(
        topic=topic,
        qos=qos,
        dup=bool(flags & 8),
        retain=bool(flags & 1),
        packet_id=_packet_id(reader) if qos else 0,
        properties=_properties(reader, PUBLISH, version),
        payload=reader.rest(),
    )


def _read_ack(reader: Reader, kind: int, version: int) -> Ack:
    packet_id = _packet_id(reader)
    if version != V5 or not reader.left:
        return Ack(kind, packet_id)
    reason = reader.number(1)
    return Ack(kind, packet_id, reason, read_properties(reader, kind) if reader.left else {})


def _read_subscribe(reader: Reader, kind: int, version: int) -> Subscribe:
    packet_id, properties = _packet_id(reader), _properties(reader, kind, version)
    filters = []
    while reader.left:
        name, options = reader.text(), reader.number(1)
        if options & 3 == 3 or options & (0xC0 if version == V5 else 0xFC) or options >> 4 & 3 == 3:
            raise MessageError("the options of a subscription are none", kind="malformed")
        filters.append((name, options))
    if not filters:
        raise MessageError("a SUBSCRIBE names no filter", kind="protocol")
    return Subscribe(packet_id, tuple(filters), properties)


def _read_suback(reader: Reader, kind: int, version: int) -> Suback:
    return Suback(_packet_id(reader), *_reasons(reader, kind, version))


def _read_unsubscribe(reader: Reader, kind: int, version: int) -> Unsubscribe:
    packet_id, properties = _packet_id(reader), _properties(reader, kind, version)
    filters = []
    while reader.left:
        filters.append(reader.text())
    if not filters:
        raise MessageError("an UNSUBSCRIBE names no filter", kind="protocol")
    return Unsubscribe(packet_id, tuple(filters), properties)


def _read_unsuback(reader: Reader, kind: int, version: int) -> Unsuback:
    return Unsuback(_packet_id(reader), *_reasons(reader, kind, version))


def _read_ping(reader: Reader, kind: int, version: int) -> Ping:
    return Ping(kind)


def _read_disconnect(reader: Reader, kind: int, version: int) -> Disconnect:
    return Disconnect(*_ending(reader, kind, version))


def _read_auth(reader: Reader, kind: int, version: int) -> Auth:
    return Auth(*_ending(reader, kind, version))


def _ending(reader: Reader, kind: int, version: int) -> tuple[int, dict[str, Any]]:
    if version != V5 or not reader.left:
        return 0, {}
    reason = reader.number(1)
    return reason, read_properties(reader, kind) if reader.left else {}


def _reasons(reader: Reader, kind: int, version: int) -> tuple[bytes, dict[str, Any]]:
    properties = _properties(reader, kind, version)
    return reader.rest(), properties


def _properties(reader: Reader, kind: int, version: int) -> dict[str, Any]:
    return read_properties(reader, kind) if version == V5 else {}


def _packet_id(reader: Reader) -> int:
    number = reader.number(2)
    if not number:
        raise MessageError("a packet identifier is never 0", kind="malformed")
    return number


_READ: Final[dict[int, Callable[[Reader, int, int], Packet]]] = {
    CONNECT: _read_connect,
    CONNACK: _read_connack,
    **dict.fromkeys((PUBACK, PUBREC, PUBREL, PUBCOMP), _read_ack),
    SUBSCRIBE: _read_subscribe,
    SUBACK: _read_suback,
    UNSUBSCRIBE: _read_unsubscribe,
    UNSUBACK: _read_unsuback,
    PINGREQ: _read_ping,
    PINGRESP: _read_ping,
    DISCONNECT: _read_disconnect,
    AUTH: _read_auth,
}


def _body(packet: Packet, version: int) -> tuple[int, int, bytes]:
    """Type, flags and everything behind the remaining length."""
    match packet:
        case Publish():
            flags = packet.dup << 3 | packet.qos << 1 | packet.retain
            return PUBLISH, flags, _publish_body(packet, version)
        case Ack():
            ending = _reason(packet.type, packet.reason, packet.properties, version)
            return packet.type, FIXED_FLAGS.get(packet.type, 0), _id(packet.packet_id) + ending
        case Connect():
            return CONNECT, 0, _connect_body(packet)
        case Connack():
            head = bytes([packet.session_present, packet.reason])
            return CONNACK, 0, head + _written(packet.properties, CONNACK, version)
        case Subscribe():
            head = _id(packet.packet_id) + _written(packet.properties, SUBSCRIBE, version)
            filters = (text(name) + bytes([options]) for name, options in packet.filters)
            return SUBSCRIBE, 2, head + b"".join(filters)
        case Unsubscribe():
            head = _id(packet.packet_id) + _written(packet.properties, UNSUBSCRIBE, version)
            return UNSUBSCRIBE, 2, head + b"".join(map(text, packet.filters))
        case Suback():
            head = _id(packet.packet_id) + _written(packet.properties, SUBACK, version)
            return SUBACK, 0, head + packet.reasons
        case Unsuback():
            head = _id(packet.packet_id) + _written(packet.properties, UNSUBACK, version)
            return UNSUBACK, 0, head + (packet.reasons if version == V5 else b"")
        case Ping():
            return packet.type, 0, b""
        case Disconnect():
            return DISCONNECT, 0, _reason(DISCONNECT, packet.reason, packet.properties, version)
        case Auth():
            return AUTH, 0, _reason(AUTH, packet.reason, packet.properties, V5)


def _connect_body(packet: Connect) -> bytes:
    will = packet.will
    flags = packet.clean << 1 | (packet.username is not None) << 7
    flags |= (packet.password is not None) << 6
    if packet.version == V3 and flags & 0xC0 == 0x40:
        raise Invalid("a password needs a username in MQTT 3.1.1")
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
    parts = [
        b"\0\x04MQTT",
        bytes([packet.version, flags]),
        packet.keep_alive.to_bytes(2, "big"),
        _written(packet.properties, CONNECT, packet.version),
        text(packet.client_id),
    ]
    if will is not None:
        parts += [_written(will.properties, WILL, packet.version), text(will.topic)]
        parts += [binary(will.payload)]
    if packet.username is not None:
        parts.append(text(packet.username))
    if packet.password is not None:
        parts.append(binary(packet.password))
    return b"".join(parts)


def _publish_body(packet: Publish, version: int) -> bytes:
    number = _id(packet.packet_id) if packet.qos else b""
    properties = _written(packet.properties, PUBLISH, version)
    return text(packet.topic) + number + properties + packet.payload


def _written(properties: dict[str, Any], kind: int, version: int) -> bytes:
    return write_properties(properties, kind) if version == V5 else b""


def _reason(kind: int, reason: int, properties: dict[str, Any], version: int) -> bytes:
    """A reason and properties, left out where they say nothing (sections 3.4.2.1 and 3.14.2.1)."""
    if version != V5 or (not reason and not properties):
        return b""
    return bytes([reason]) + (write_properties(properties, kind) if properties else b"")


def _id(packet_id: int) -> bytes:
    if not 0 < packet_id < 1 << 16:
        raise Invalid(f"a packet identifier is 1 to 65,535, not {packet_id}")
    return packet_id.to_bytes(2, "big")
