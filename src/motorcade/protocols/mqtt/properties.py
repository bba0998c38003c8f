"""Properties of MQTT 5.0 (section 2.2.2): the table of them all, read and written.

They are mappings by our names; ``user_property`` is a list of pairs, ``subscription_identifier`` a
list of numbers, everything else one value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from motorcade.errors import Invalid, MessageError
from motorcade.protocols.mqtt.wording import Reader, binary, text, varint
from motorcade.protocols.mqtt.words import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
)

__all__ = ["PROPERTIES", "Properties", "Property", "WILL", "read_properties", "write_properties"]

Properties = Mapping[str, Any]

WILL: Final = 0
"""Where packet types stand: the properties of a will."""

_ACKS: Final = (PUBACK, PUBREC, PUBREL, PUBCOMP)
_ALL: Final = (CONNECT, CONNACK, PUBLISH, *_ACKS, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK)
_WORDED: Final = (CONNACK, *_ACKS, SUBACK, UNSUBACK, DISCONNECT, AUTH)


class Property(NamedTuple):
    """One row of table 2-4. ``low`` and ``high`` bound a number."""

    name: str
    type: Literal["byte", "u16", "u32", "varint", "text", "binary", "pair"]
    packets: tuple[int, ...]
    low: int = 0
    high: int = 0xFFFF_FFFF


PROPERTIES: Final[Mapping[int, Property]] = {
    0x01: Property("payload_format_indicator", "byte", (PUBLISH, WILL), 0, 1),
    0x02: Property("message_expiry_interval", "u32", (PUBLISH, WILL)),
    0x03: Property("content_type", "text", (PUBLISH, WILL)),
    0x08: Property("response_topic", "text", (PUBLISH, WILL)),
    0x09: Property("correlation_data", "binary", (PUBLISH, WILL)),
    0x0B: Property("subscription_identifier", "varint", (PUBLISH, SUBSCRIBE), 1),
    0x11: Property("session_expiry_interval", "u32", (CONNECT, CONNACK, DISCONNECT)),
    0x12: Property("assigned_client_identifier", "text", (CONNACK,)),
    0x13: Property("server_keep_alive", "u16", (CONNACK,)),
    0x15: Property("authentication_method", "text", (CONNECT, CONNACK, AUTH)),
    0x16: Property("authentication_data", "binary", (CONNECT, CONNACK, AUTH)),
    0x17: Property("request_problem_information", "byte", (CONNECT,), 0, 1),
    0x18: Property("will_delay_interval", "u32", (WILL,)),
    0x19: Property("request_response_information", "byte", (CONNECT,), 0, 1),
    0x1A: Property("response_information", "text", (CONNACK,)),
    0x1C: Property("server_reference", "text", (CONNACK, DISCONNECT)),
    0x1F: Property("reason_string", "text", _WORDED),
    0x21: Property("receive_maximum", "u16", (CONNECT, CONNACK), 1),
    0x22: Property("topic_alias_maximum", "u16", (CONNECT, CONNACK)),
    0x23: Property("topic_alias", "u16", (PUBLISH,)),
    0x24: Property("maximum_qos", "byte", (CONNACK,), 0, 1),
    0x25: Property("retain_available", "byte", (CONNACK,), 0, 1),
    0x26: Property("user_property", "pair", (*_ALL, DISCONNECT, AUTH, WILL)),
    0x27: Property("maximum_packet_size", "u32", (CONNECT, CONNACK), 1),
    0x28: Property("wildcard_subscription_available", "byte", (CONNACK,), 0, 1),
    0x29: Property("subscription_identifiers_available", "byte", (CONNACK,), 0, 1),
    0x2A: Property("shared_subscription_available", "byte", (CONNACK,), 0, 1),
}
"""By identifier (table 2-4)."""

_BY_NAME: Final = {row.name: number for number, row in PROPERTIES.items()}
_MANY: Final = {"user_property", "subscription_identifier"}
_WIDTHS: Final = {"byte": 1, "u16": 2, "u32": 4}


def read_properties(reader: Reader, packet: int) -> dict[str, Any]:
    """The properties at the reader's place, which ends up behind them; ``packet`` is the type, or
    ``WILL``. Raises ``MessageError`` (``malformed``, ``protocol``)."""
    inside = reader.part(reader.varint())
    found: dict[str, Any] = {}
    while inside.left:
        number = inside.varint()
        row = PROPERTIES.get(number)
        if row is None or packet not in row.packets:
            raise MessageError(f"property 0x{number:02X} has no place here", kind="malformed")
        value = _read(inside, row)
        if row.name not in _MANY:
            if row.name in found:
                raise MessageError(f"property {row.name} stands twice", kind="protocol")
            found[row.name] = value
        else:
            found.setdefault(row.name, []).append(value)
    return found


def write_properties(properties: Properties, packet: int) -> bytes:
    """Length and properties; ``Invalid`` for a name or value that cannot be."""
    parts: list[bytes] = []
    for name, value in properties.items():
        number = _BY_NAME.get(name)
        if number is None or packet not in PROPERTIES[number].packets:
            raise Invalid(f"there is no property {name!r} here")
        row = PROPERTIES[number]
        values: Sequence[Any] = value if name in _MANY else (value,)
        parts.extend(bytes([number]) + _written(row, one) for one in values)
    body = b"".join(parts)
    return varint(len(body)) + body


def _read(reader: Reader, row: Property) -> Any:
    if row.type == "text":
        return reader.text()
    if row.type == "binary":
        return reader.binary()
    if row.type == "pair":
        return (reader.text(), reader.text())
    number = reader.varint() if row.type == "varint" else reader.number(_WIDTHS[row.type])
    if not row.low <= number <= row.high:
        raise MessageError(f"property {row.name} cannot be {number}", kind="protocol")
    return number


def _written(row: Property, value: Any) -> bytes:
    if row.type == "text":
        return text(value)
    if row.type == "binary":
        return binary(value)
    if row.type == "pair":
        return text(value[0]) + text(value[1])
    if not row.low <= value <= row.high:
        raise Invalid(f"property {row.name} cannot be {value}")
    if row.type == "varint":
        return varint(value)
    try:
        return int(value).to_bytes(_WIDTHS[row.type], "big")
    except OverflowError:
        raise Invalid(f"property {row.name} cannot be {value}") from None
