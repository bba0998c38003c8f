"""What a peer's conversation asks of the platform: one event per frame that is no report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from motorcade.protocols.commands import Answer
from motorcade.protocols.gbt32960 import cipher
from motorcade.protocols.gbt32960.answers import answer_one
from motorcade.protocols.gbt32960.downlink import answer_of
from motorcade.protocols.gbt32960.settings import TenantSettings
from motorcade.protocols.gbt32960.words import (
    ACTIVATION_ANSWER,
    COMMAND,
    OK,
    PLAIN,
    edition_of,
    flag_of,
)

if TYPE_CHECKING:
    from motorcade.protocols.gbt32960.session import Session

__all__ = [
    "Event",
    "LoginRequested",
    "LoggedOut",
    "PlatformLoginRequested",
    "PlatformLoggedOut",
    "Heartbeat",
    "TimeSync",
    "ActivationRequested",
    "KeyExchanged",
    "Answered",
    "Refused",
]

ACTIVATED: Final = 1
NOT_ACTIVATED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A frame that wants a decision. ``reply`` takes the decision into the session and gives the
    bytes owed (empty where the standard wants none), so it is called once, when the decision is
    final."""

    frame: bytes
    session: Session
    settings: TenantSettings | None = None

    @property
    def edition(self) -> int:
        """2016 or 2025."""
        return edition_of(self.frame)

    @property
    def vin(self) -> str:
        """The VIN of the frame (a platform's unique code on its own messages)."""
        return self.frame[4:21].decode("ascii", "replace").strip("\0 ")

    def refusal(self, code: str) -> int:
        """The flag that refuses for a reason: ``unknown_vin``, ``duplicate``, ``structure``,
        ``cipher``…"""
        return flag_of(code, self.edition)

    def reply(self, flag: int, now: int) -> bytes:
        """The answer with this flag (01 accepts); ``now`` µs UTC."""
        return self._answer(flag, now)

    def _answer(self, flag: int, now: int) -> bytes:
        platform = self.session.role == "platform"
        return answer_one(self.frame, flag, platform, now, self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequested(Event):
    """01: a vehicle wants in, by itself or over its platform's link. A wrong login of a terminal is
    ignored (B.3.2), so on a terminal link the 2016 edition owes no answer to one; the gateway may
    send it."""

    event_time: int
    sequence: int
    iccid: str
    facts: dict[str, Any]

    def reply(self, flag: int, now: int) -> bytes:
        if flag == OK and self.session.role != "platform":
            self.session.role = "terminal"
            self.session.identity = self.vin
            self.session.sequence = self.sequence
        return self._answer(flag, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut(Event):
    """04: a vehicle says goodbye. ``matches`` is false where the sequence is not its login's."""

    event_time: int
    sequence: int
    matches: bool

    def reply(self, flag: int, now: int) -> bytes:
        data = self._answer(flag, now)
        if flag == OK and self.session.role == "terminal":
            self.session.role = ""
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformLoginRequested(Event):
    """05: an enterprise platform wants to forward its vehicles."""

    event_time: int
    sequence: int
    user: str
    password: str
    encryption: int

    def reply(self, flag: int, now: int) -> bytes:
        if flag == OK:
            self.session.role = "platform"
            self.session.identity = self.vin
            self.session.sequence = self.sequence
        return answer_one(self.frame, flag, True, now, self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformLoggedOut(Event):
    """06: an enterprise platform says goodbye."""

    event_time: int
    sequence: int
    matches: bool

    def reply(self, flag: int, now: int) -> bytes:
        if flag == OK:
            self.session.role = ""
        return answer_one(self.frame, flag, True, now, self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Event):
    """07: still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSync(Event):
    """08: what time is it?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationRequested(Event):
    """09 (2025): a terminal shows its security chip's key. Answered by command 0A, not by an
    echo."""

    event_time: int
    facts: dict[str, Any]

    def reply(self, flag: int, now: int) -> bytes:
        """``flag`` 01 accepts; any other refuses, 03 as a duplicate VIN."""
        result = ACTIVATED if flag == OK else NOT_ACTIVATED
        info = flag if flag in (1, 2, 3) else 2
        head = self.frame[:2] + bytes([ACTIVATION_ANSWER, COMMAND]) + self.frame[4:21]
        return cipher.sealed(head + bytes([PLAIN, 0, 2, result, info]))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyExchanged(Event):
    """0B (2025): a key for the data units to come, with the time it holds."""

    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """The peer answered something of ours (its flag is not FE, or it is a 0A); never answered
    itself."""

    command: int
    flag: int
    facts: dict[str, Any]
    time: bytes = b""
    """The first six bytes of the data unit, decrypted."""

    @property
    def answer(self) -> Answer | None:
        """What it says to a command of ours, if it is one's answer."""
        return answer_of(self.frame, self.facts, self.time)

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
        if self.owed == 0:
            return b""
        if len(self.frame) < 31:
            return answer_one(self.frame, self.owed, True, now, self.settings)
        return self._answer(self.owed, now)
