"""What a vehicle's conversation asks of the platform: one event per packet that is no record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from motorcade.protocols.commands import Answer
from motorcade.protocols.mqtt.packets import Ack, write_packet
from motorcade.protocols.mqtt.words import PUBACK, PUBREC, reason_of

if TYPE_CHECKING:
    from motorcade.protocols.mqtt.session import Session

__all__ = [
    "Answered",
    "Event",
    "Heartbeat",
    "LoggedOut",
    "LoginRequested",
    "Refused",
    "Replied",
    "Subscribed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A packet that wants a decision or an answer. ``reply`` takes the decision into the session
    and gives the bytes owed, so it is called once, when the decision is final."""

    frame: bytes
    session: Session
    data: bytes = b""
    """What is owed whatever is decided."""

    def refusal(self, code: str) -> int:
        """The flag that refuses for one of our codes: a reason code of MQTT 5."""
        return reason_of(code)

    def reply(self, flag: int, now: int) -> bytes:
        """The bytes owed; ``now`` µs UTC."""
        return self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequested(Event):
    """CONNECT. ``identity`` the VIN it claims (empty: its certificate must tell), ``credential``
    the password or token, ``keep_alive_s`` how long it may be silent (0: as long as the listener
    has it), ``clean`` whether what was kept of an earlier session is to be forgotten.

    A gateway that knows the VIN better (from a certificate) sets ``session.identity`` before
    ``reply``, one that kept the subscription calls ``session.resume``. A refused CONNECT ends the
    connection once its answer is sent.
    """

    identity: str
    credential: str | None
    bearer: str
    keep_alive_s: float
    clean: bool
    facts: Mapping[str, Any] = field(default_factory=dict)

    def reply(self, flag: int, now: int) -> bytes:
        """CONNACK: 1 accepts, a reason code refuses."""
        return self.session.admitted(flag, self.facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut(Event):
    """DISCONNECT, which has no answer. The will is forgotten unless reason 0x04 asks for it: then
    ``session.will`` still holds it."""

    reason: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Event):
    """PINGREQ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied(Event):
    """Nothing to decide: ``reply`` is sent in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed(Event):
    """SUBSCRIBE that lets commands through from now on, with this ``qos`` (0 or 1)."""

    qos: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """PUBACK of a command, or what the vehicle says to one (None: to none that is open here)."""

    answer: Answer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """A packet that cannot be accepted; what is ``FATAL`` ends the connection with ``goodbye``.
    ``owed`` is the reason code of the answer to a publish, 0 for none."""

    code: str
    reason: str
    owed: int = 0
    packet_id: int = 0
    qos: int = 0

    def reply(self, flag: int, now: int) -> bytes:
        """PUBACK or PUBREC where one is owed. MQTT 3.1.1 has no way to say why."""
        if not self.owed or not self.qos:
            return b""
        kind, reason = (PUBACK, self.owed) if self.qos == 1 else (PUBREC, 0)
        return write_packet(Ack(kind, self.packet_id, reason), self.session.version)
