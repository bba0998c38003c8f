"""What happened to links and commands: the small, durable events that are no telemetry.

In: events of gateways and apps. Out: the same, in order, one stream a partition (``EVENTS-<p>``,
``events.<p>``, partition = vehicle % partitions). A message is a msgpack list of events. They are
few, so they are objects; what vehicles report are columns and goes another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from motorcade.errors import CorruptionError

__all__ = [
    "CommandAnswered",
    "Event",
    "GatewayLost",
    "GatewayUp",
    "LinkDown",
    "LinkUp",
    "pack_events",
    "read_events",
]


class LinkUp(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=1):
    """A vehicle has a link. ``link`` names it for ever: ``<incarnation>/<protocol>/<n>``.
    ``epoch`` grows with every link of this process; ``at_us`` µs UTC."""

    vehicle: int
    tenant: int
    link: str
    incarnation: str
    """The gateway process: its name and when it started, ``gateway-0.1763990000123456``."""
    protocol: str
    bearer: str
    """``lte``, ``nr``, ``cv2x``, ``satellite``, ``wifi``, ``wired`` or ``unknown``."""
    address: str
    epoch: int
    at_us: int
    reachable: bool = True
    """Whether the link can carry commands (an MQTT session without a subscription cannot)."""
    identity: str = ""
    """What the vehicle is called there: a phone number, an IMEI, a VIN."""


class LinkDown(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=2):
    """A link ended; ``reason`` is the rule that closed it, ``logout``, ``replaced`` or ``lost``."""

    vehicle: int
    tenant: int
    link: str
    at_us: int
    reason: str


class GatewayUp(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=3):
    """A gateway process begins: whatever links an earlier incarnation of its name had are gone."""

    name: str
    incarnation: str
    at_us: int


class GatewayLost(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=4):
    """A gateway process has not been heard of: its links are gone until it says otherwise."""

    incarnation: str
    at_us: int


class CommandAnswered(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=5):
    """A vehicle said something to a command. The fields of ``protocols.commands.Answer``."""

    vehicle: int
    tenant: int
    link: str
    protocol: str
    key: str
    outcome: str
    code: str
    detail: str
    facts: Mapping[str, Any]
    at_us: int


Event = LinkUp | LinkDown | GatewayUp | GatewayLost | CommandAnswered

_DECODER = msgspec.msgpack.Decoder(list[Event])


def pack_events(events: Sequence[Event]) -> bytes:
    """A message of events."""
    return msgspec.msgpack.encode(list(events))


def read_events(data: bytes) -> list[Event]:
    """The events of a message. Raises ``CorruptionError``."""
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise CorruptionError(f"a message of events cannot be read: {error}") from error
