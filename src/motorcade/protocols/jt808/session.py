"""One terminal's conversation, sans-IO: who it is, what its frames ask for, what it is owed.

A gateway hands ``handle`` every frame that is no record and decides the events; a session fed by
``receive_data`` decides for itself and accepts whatever is well formed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from motorcade.errors import MessageError
from motorcade.protocols.commands import Answer
from motorcade.protocols.frames import Frames
from motorcade.protocols.jt808 import events
from motorcade.protocols.jt808.alone import Head, read_head
from motorcade.protocols.jt808.answers import STORED, answer, flags_for
from motorcade.protocols.jt808.attachments import Attachments, read_file
from motorcade.protocols.jt808.commands import general_answer, specific_answer
from motorcade.protocols.jt808.decode import decode
from motorcade.protocols.jt808.events import Event, Refused
from motorcade.protocols.jt808.fragments import Fragments
from motorcade.protocols.jt808.framing import cut
from motorcade.protocols.jt808.hear import hear
from motorcade.protocols.jt808.messages import read_message
from motorcade.protocols.jt808.packets import HEAD_BYTES, read_packet
from motorcade.protocols.jt808.registration import read_auth, read_registration, terminal_of
from motorcade.protocols.jt808.words import (
    ALARM_FILES,
    AUTH,
    COPY,
    DEREGISTER,
    FILES,
    GENERAL,
    HEARTBEAT,
    RECORDS,
    REGISTER,
    RESEND_ASKED,
    TIME,
    result_of,
)

__all__ = ["Session"]

_UNSUPPORTED: Final = 4
"""Flag of result 3."""


class Session:
    """The state of one connection. ``role`` '' | 'terminal', ``identity`` the phone number without
    leading zeros."""

    __slots__ = (
        "_frames",
        "_replies",
        "_tail",
        "address",
        "attachments",
        "fragments",
        "identity",
        "role",
        "upgrading",
    )

    def __init__(self) -> None:
        self.role = ""
        self.identity = ""
        self.address: tuple[int, bytes] | None = None
        """The edition of its last login, and the bytes it writes its phone number in."""
        self.fragments: Fragments | None = None
        self.attachments: Attachments | None = None
        """Set where the connection is one for files of alarms and nothing else."""
        self.upgrading = 0
        """Number of the upgrade command that was last sent; its result names none."""
        self._tail = b""
        self._frames: list[bytes] | None = None
        self._replies: bytes = b""

    @property
    def is_side(self) -> bool:
        """Whether it is no link, and has to begin anew where something was not stored: what it was
        told of a file holds for all that came."""
        return self.attachments is not None

    def receive_data(self, data: bytes, now: int = 0) -> None:
        """Take any slice of the stream; ``now`` µs UTC."""
        found = cut([self._tail + data])
        self._tail = found.remainder.get(0, b"")
        for row in range(len(found.frames)):
            frame = found.frames.bytes_of(row)
            self._frames = [*(self._frames or ()), frame]
            self._replies += self._own_reply(found.frames.take(np.array([row])), frame, now)

    def frames_received(self) -> list[bytes]:
        """Complete frames since the last call, each handed over once."""
        frames, self._frames = self._frames or [], None
        return frames

    def data_to_send(self) -> bytes:
        """Answers owed since the last call, once."""
        data, self._replies = self._replies, b""
        return data

    def handle(self, frame: bytes, now: int, settings: Any = None) -> Event | None:
        """What a frame asks for; None for a record the peer may send."""
        if read_packet(frame) is not None:
            told = _fault("attachment", "A data packet, and nobody asked for a file here.")
            return Refused(frame=frame[:HEAD_BYTES], session=self, message=0, serial=0, **told)
        head = read_head(frame)
        message = head.message
        if message == AUTH or (message == FILES and not self.role):
            self.address = (head.edition, head.named)
        base: dict[str, Any] = {
            "frame": frame,
            "session": self,
            "message": message,
            "serial": head.serial,
        }
        if message == FILES and not self.role:
            return self._side(base, head)
        if message in RECORDS:
            return None if self.role else Refused(**base, **_fault("login", "Data before login."))
        if message & 0x8000 and message < 0xE000:
            return Refused(**base, **_fault("direction", "Only a platform may send this."))
        try:
            return self._asked(message, base, head)
        except MessageError as error:
            return Refused(**base, **_fault("structure", error.detail, result_of("structure") + 1))

    def _asked(self, message: int, base: dict[str, Any], head: Head) -> Event:
        body, edition = head.body, head.edition
        if message == REGISTER:
            facts = read_registration(body, edition)
            names = {"vin": facts["vin"], "plate": facts["plate"]}
            names["terminal"] = terminal_of(body, edition)
            return events.RegistrationRequested(
                **base, identity=head.identity, **names, facts=facts
            )
        if message == AUTH:
            facts = read_auth(body, edition)
            code = facts.pop("code")
            return events.LoginRequested(
                **base, identity=head.identity, credential=code or None, facts=facts
            )
        if message == HEARTBEAT:
            return events.Heartbeat(**base)
        if message == DEREGISTER:
            return events.LoggedOut(**base)
        if message == TIME:
            return events.TimeSync(**base)
        if message == GENERAL:
            return events.Answered(**base, answer=self._general(body))
        if message == COPY:
            answered = int.from_bytes(body[:2], "big")
            told = specific_answer(answered, body[2:], edition, self.upgrading)
            return events.Answered(**base, answer=told)
        if message == RESEND_ASKED:
            return events.Answered(**base, answer=None, facts=read_message(message, body, edition))
        if message in ALARM_FILES and self.attachments is not None:
            read_file(body)
            return events.FileAnnounced(**base)
        if message in ALARM_FILES:
            # Another answer would let it delete a file that nobody has.
            reason = "Files of alarms come over a connection of their own, which 1210 opens."
            return Refused(**base, **_fault("message", reason, _UNSUPPORTED))
        reason = f"Message 0x{message:04X} is not one of the standard."
        return Refused(**base, **_fault("message", reason, _UNSUPPORTED))

    def _side(self, base: dict[str, Any], head: Head) -> Event:
        """0x1210 where nobody has logged in."""
        facts = read_message(FILES, head.body, head.edition)
        if facts.get("short"):
            reason = "The body is no list of attachments."
            return Refused(**base, **_fault("structure", reason, result_of("structure") + 1))
        return events.LoginRequested(
            **base, identity=head.identity, credential=None, is_side=True, number=facts["alarm"]
        )

    def next_timer(self, now: int) -> int | None:
        """When ``handle_timer`` wants to be called, µs UTC; None: not at all."""
        return None if self.fragments is None else self.fragments.next_timer()

    def handle_timer(self, now: int) -> bytes:
        """Ask for sub-packages that did not come (0x8003)."""
        return b"" if self.fragments is None else self.fragments.ask(now)

    def _general(self, body: bytes) -> Answer:
        facts = read_message(GENERAL, body, 2013)
        if facts.get("short"):
            raise MessageError(f"a general answer has 5 bytes, not {len(body)}")
        return general_answer(facts, self.upgrading)

    def _own_reply(self, frames: Frames, frame: bytes, now: int) -> bytes:
        """What a platform that accepts everything well-formed answers."""
        role, self.role = self.role, "terminal"
        heard = hear(frames, [self], now)
        said = b""
        for row in range(len(heard.frames)):
            said += self._one_reply(heard.frames.take(np.array([row])), now)
        self.role = role
        return said

    def _one_reply(self, frames: Frames, now: int) -> bytes:
        event = self.handle(frames.bytes_of(0), now)
        if event is not None:
            role = self.role
            said = event.reply(STORED, now)
            self.role = role
            return said
        flags = flags_for(frames, decode(frames, now).rejects)
        return answer(frames, flags, np.zeros(1, bool), now).buffer


def _fault(code: str, reason: str, owed: int = 0) -> dict[str, Any]:
    return {"code": code, "reason": reason, "owed": owed}
