"""The words of MQTT 3.1.1 (OASIS, 2014) and 5.0 (OASIS, 2019): packet types and reason codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = [
    "AUTH",
    "CONNACK",
    "CONNECT",
    "DISCONNECT",
    "FATAL",
    "FIXED_FLAGS",
    "NAMES",
    "PINGREQ",
    "PINGRESP",
    "PUBACK",
    "PUBCOMP",
    "PUBLISH",
    "PUBREC",
    "PUBREL",
    "REASONS",
    "SUBACK",
    "SUBSCRIBE",
    "UNSUBACK",
    "UNSUBSCRIBE",
    "V3",
    "V5",
    "connect_code",
    "reason_of",
]

CONNECT: Final = 1
CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
PUBREC: Final = 5
PUBREL: Final = 6
PUBCOMP: Final = 7
SUBSCRIBE: Final = 8
SUBACK: Final = 9
UNSUBSCRIBE: Final = 10
UNSUBACK: Final = 11
PINGREQ: Final = 12
PINGRESP: Final = 13
DISCONNECT: Final = 14
AUTH: Final = 15

V3: Final = 4
"""Protocol level of 3.1.1."""
V5: Final = 5

NAMES: Final[Mapping[int, str]] = {
    CONNECT: "CONNECT",
    CONNACK: "CONNACK",
    PUBLISH: "PUBLISH",
    PUBACK: "PUBACK",
    PUBREC: "PUBREC",
    PUBREL: "PUBREL",
    PUBCOMP: "PUBCOMP",
    SUBSCRIBE: "SUBSCRIBE",
    SUBACK: "SUBACK",
    UNSUBSCRIBE: "UNSUBSCRIBE",
    UNSUBACK: "UNSUBACK",
    PINGREQ: "PINGREQ",
    PINGRESP: "PINGRESP",
    DISCONNECT: "DISCONNECT",
    AUTH: "AUTH",
}

FIXED_FLAGS: Final[Mapping[int, int]] = {PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}
"""Low four bits of the first byte (table 2-2); 0 for all other types but PUBLISH."""

REASONS: Final[Mapping[str, int]] = {
    "malformed": 0x81,
    "protocol": 0x82,
    "version": 0x84,
    "unknown_vin": 0x85,
    "credentials": 0x86,
    "not_authorized": 0x87,
    "vin_mismatch": 0x87,
    "other_tenant": 0x87,
    "not_logged_in": 0x87,
    "unavailable": 0x88,
    "busy": 0x89,
    "duplicate": 0x87,
    "auth_method": 0x8C,
    "stopped": 0x8B,
    "unstored": 0x89,
    "idle_timeout": 0x8D,
    "frame_timeout": 0x8D,
    "login_timeout": 0x87,
    "replaced": 0x8E,
    "unread_answers": 0x97,
    "partial_bytes": 0x97,
    "filter": 0x8F,
    "topic": 0x90,
    "packet_id": 0x92,
    "receive_maximum": 0x93,
    "alias": 0x94,
    "too_large": 0x95,
    "quota": 0x97,
    "payload": 0x99,
    "time": 0x99,
    "structure": 0x99,
    "checksum": 0x99,
    "cipher": 0x99,
    "garbage": 0x99,
    "header": 0x99,
    "incomplete": 0x99,
    "length": 0x99,
    "retain": 0x9A,
    "shared": 0x9E,
    "subscription_id": 0xA1,
    "client_id": 0x85,
    "will": 0x87,
    "will_size": 0x97,
    "internal": 0x83,
}
"""Our code of a fault to the reason code of MQTT 5 (section 2.4); 0x80 for any other."""

FATAL: Final = frozenset(
    {
        "malformed",
        "protocol",
        "version",
        "auth_method",
        "receive_maximum",
        "alias",
        "too_large",
        "retain",
        "client_id",
        "will",
        "will_size",
        "forbidden_topic",
        "unknown_vin",
        "credentials",
        "duplicate",
        "unavailable",
    }
)
"""Codes that end the connection: breaches, and refused logins (MQTT-3.2.2-5). ``forbidden_topic``
is MQTT 3.1.1's, which has no other way to say no to a publish."""

_CONNECT_V3: Final[Mapping[int, int]] = {
    0x84: 1,
    0x85: 2,
    0x86: 4,
    0x87: 5,
    0x88: 3,
    0x89: 3,
    0x8B: 3,
    0x95: 3,
    0x97: 3,
}
"""Reason codes of CONNACK as MQTT 3.1.1 says them (table 3.1); 5, not authorised, for others."""


def reason_of(code: str) -> int:
    """The reason code for one of our codes."""
    return REASONS.get(code, 0x87 if code == "forbidden_topic" else 0x80)


def connect_code(reason: int, version: int) -> int:
    """What a CONNACK of this version says for a reason."""
    if version == V5 or reason == 0:
        return reason
    return _CONNECT_V3.get(reason, 5)
