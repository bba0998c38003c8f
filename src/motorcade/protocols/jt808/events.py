"""What a peer's conversation asks of the platform: one event per frame that is no record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from motorcade.protocols.commands import Answer
from motorcade.protocols.jt808.answers import STORED, general, say
from motorcade.protocols.jt808.attachments import Attachments, is_proof
from motorcade.protocols.jt808.words import REGISTER_ANSWER, TIME_ANSWER
from motorcade.wire.bcd import bcd_time

if TYPE_CHECKING:
    from motorcade.protocols.jt808.session import Session

__all__ = [
    "Answered",
    "Event",
    "FileAnnounced",
    "Heartbeat",
    "LoggedOut",
    "LoginRequested",
    "Refused",
    "RegistrationRequested",
    "TimeSync",
]

_FAILED: Final = 2
_REGISTRATION: Final[Mapping[str, int]] = {
    "duplicate": 4,
    "other_terminal": 2,
    "unknown_vin": 5,
    "credentials": 5,
    "unavailable": 0,
}
"""Refusals of a registration as flags: result and one (1 the vehicle is registered, with another
terminal; 3 the terminal is registered, 4 there is no such terminal). 0: nothing is said, and the
terminal asks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A frame that wants a decision. ``reply`` takes it into the session and gives the bytes owed,
    so it is called once, when the decision is final. ``flag`` is a result and one; 0: no answer."""

    frame: bytes
    session: Session
    message: int
    serial: int

    def refusal(self, code: str) -> int:
        """The flag that refuses for a reason: ``unknown_vin``, ``credentials``, ``duplicate``,
        ``other_terminal``, ``unavailable``."""
        return _FAILED

    def reply(self, flag: int, now: int) -> bytes:
        """The general answer with this flag (1 accepts); ``now`` µs UTC."""
        return general(self.frame, self.serial, self.message, flag - 1) if flag else b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequested(Event):
    """0102: a terminal wants in with the code its registration gave it. ``is_side``, 0x1210: it
    opens a connection for attachments beside its link, with the alarm number it was sent."""

    identity: str
    credential: str | None
    bearer: str = ""
    keep_alive_s: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    is_side: bool = False
    number: str = ""

    def is_proven_by(self, secret: bytes) -> bool:
        """Whether the alarm number was made for the vehicle whose code has this SHA-256."""
        return self.is_side and is_proof(self.number, secret)

    def reply(self, flag: int, now: int) -> bytes:
        if flag == STORED:
            self.session.role = "terminal"
            self.session.identity = self.identity
            if self.is_side and self.session.address is not None:
                self.session.attachments = Attachments(self.session.address)
        return general(self.frame, self.serial, self.message, flag - 1) if flag else b""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRequested(Event):
    """0100: a terminal wants a code. ``vin`` and ``plate``: one of them, as the colour says;
    ``terminal``: its maker's id and its own."""

    identity: str
    vin: str
    plate: str
    terminal: str
    facts: dict[str, Any] = field(default_factory=dict)

    def refusal(self, code: str) -> int:
        return _REGISTRATION.get(code, 5)

    def reply(self, flag: int, now: int, code: str = "") -> bytes:
        """0x8100: with 1 the terminal is registered and gets ``code``."""
        if not flag:
            return b""
        body = self.serial.to_bytes(2, "big") + bytes([flag - 1])
        if flag == STORED:
            body += code.encode("gb18030")
        return say(self.frame, REGISTER_ANSWER, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut(Event):
    """0003: a terminal deregisters."""

    def reply(self, flag: int, now: int) -> bytes:
        if flag == STORED:
            self.session.role = ""
        return general(self.frame, self.serial, self.message, flag - 1) if flag else b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Event):
    """0002: still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAnnounced(Event):
    """1211: a file of an alarm comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSync(Event):
    """0004 (2019): what time is it? 0x8004 tells it in UTC, unlike every other time."""

    def reply(self, flag: int, now: int) -> bytes:
        return say(self.frame, TIME_ANSWER, bcd_time(now, 0)) if flag else b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """The terminal answers something of ours; never answered itself. ``answer`` is None where it
    is no command's."""

    answer: Answer | None
    facts: dict[str, Any] = field(default_factory=dict)

    def reply(self, flag: int, now: int) -> bytes:
        return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """A frame that cannot be accepted. ``owed`` is the flag of the answer; 0: none."""

    code: str
    reason: str
    owed: int

    def reply(self, flag: int, now: int) -> bytes:
        """The answer owed, whatever ``flag`` says."""
        return general(self.frame, self.serial, self.message, self.owed - 1) if self.owed else b""
