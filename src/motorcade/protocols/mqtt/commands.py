"""Commands to vehicles and what they answer, both as JSON.

Down, to ``v/<vin>/down/command``: ``{"id": …, "number": 17, "kind": "lock", "parameters": {…},
"time": "2026-…Z", "deadline": "2026-…Z"}``. Up, to ``v/<vin>/up/answer`` (CBOR too): ``{"number":
17, "outcome": "succeeded", "code": "ok", "detail": "…", "facts": {…}}``; ``outcome`` is
``delivered``, ``succeeded`` or ``failed``. MQTT 5 may name the command by the correlation data it
came with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from motorcade.errors import CapacityError, Invalid
from motorcade.limits import MQTT_COMMANDS_IN_FLIGHT_MAX
from motorcade.protocols.commands import KINDS, Answer, Command, Outcome, Sealed
from motorcade.protocols.mqtt.packets import Publish, write_packet
from motorcade.protocols.mqtt.topics import ANSWER, COMMAND, down, up
from motorcade.protocols.mqtt.words import V5
from motorcade.signals.payloads import read_payload
from motorcade.signals.text import iso_time

if TYPE_CHECKING:
    from motorcade.protocols.mqtt.session import Session

__all__ = ["COMMANDS", "encode_command", "key_of", "read_answer"]

COMMANDS: Final[Mapping[str, str]] = dict.fromkeys(KINDS, f"JSON on v/<vin>/down/{COMMAND}")
"""Every kind is said as it is: the vehicle's software knows what it can do."""

_CHARS_MAX: Final = 1_000
"""Of an answer's code or detail; facts are bounded by the packet."""


class _Said(msgspec.Struct, frozen=True):
    outcome: Outcome
    number: int = 0
    id: str = ""
    code: str = ""
    detail: str = ""
    facts: dict[str, Any] = {}


def key_of(number: int) -> str:
    """The key of a command in answers."""
    return f"mqtt:{number}"


def encode_command(command: Command, identity: str, session: Session | None) -> Sealed:
    """A PUBLISH for this session, with the QoS it subscribed with (at most 1).

    ``Invalid`` where the vehicle has not subscribed to ``v/<vin>/down/command`` or takes no packet
    that long, ``CapacityError`` where it has not acknowledged as many as it takes.
    """
    qos = -1 if session is None else session.qos
    if session is None or qos < 0:
        raise Invalid(f"the vehicle has not subscribed to {down(identity)}{COMMAND}")
    packet_id = _next_id(session) if qos else 0
    properties: dict[str, Any] = {}
    if session.version == V5:
        properties = {
            "payload_format_indicator": 1,
            "content_type": "application/json",
            "response_topic": up(identity).decode() + ANSWER,
            "correlation_data": str(command.number).encode(),
        }
    packet = Publish(
        topic=down(identity) + COMMAND,
        payload=_payload(command),
        qos=qos,
        packet_id=packet_id,
        properties=properties,
    )
    data = write_packet(packet, session.version)
    if len(data) > session.packet_max:
        raise Invalid(f"the vehicle takes packets of at most {session.packet_max} bytes")
    if qos:
        session.flight = session.flight or {}
        session.flight[packet_id] = command.number
    return Sealed(data, key_of(command.number))


def read_answer(packet: Publish) -> Answer:
    """The answer in a PUBLISH; ``Invalid`` says what is wrong with it."""
    try:
        said = msgspec.convert(read_payload(packet.payload), _Said)
        # Facts go on as JSON, so what CBOR alone can say becomes what JSON says for it.
        facts = msgspec.json.decode(msgspec.json.encode(said.facts))
        msgspec.msgpack.encode(facts)  # whole numbers past 64 bits cannot be told on
    except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as error:
        raise Invalid(f"the answer cannot be read: {error}") from error
    number = said.number
    correlation = packet.properties.get("correlation_data", b"")
    if not number and correlation.isdigit() and len(correlation) < 6:
        number = int(correlation)
    if not 0 < number < 1 << 16:
        raise Invalid("the answer names no command: number, or the correlation data it came with")
    code = said.code or ("failed" if said.outcome == "failed" else "ok")
    return Answer(
        key=key_of(number),
        outcome=said.outcome,
        code=code[:_CHARS_MAX],
        detail=said.detail[:_CHARS_MAX],
        facts=facts,
    )


def _payload(command: Command) -> bytes:
    said: dict[str, Any] = {
        "id": command.id,
        "number": command.number,
        "kind": command.kind,
        "parameters": command.parameters,
        "time": iso_time(command.time_us),
    }
    if command.deadline_us:
        said["deadline"] = iso_time(command.deadline_us)
    return msgspec.json.encode(said)


def _next_id(session: Session) -> int:
    """The lowest packet identifier that is free."""
    flight = session.flight or {}
    if len(flight) >= min(MQTT_COMMANDS_IN_FLIGHT_MAX, session.receive_max):
        raise CapacityError("the vehicle has not acknowledged its earlier commands")
    return next(number for number in range(1, len(flight) + 2) if number not in flight)
