"""One connection of Iridium's gateway, sans-IO: messages in, confirmations out.

It sends one message a connection and closes it, or leaves it open for the next; nothing has to be
remembered between messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from motorcade.protocols.iridium.answers import answer, flags_for
from motorcade.protocols.iridium.elements import MO_HEADER
from motorcade.protocols.iridium.framing import cut

__all__ = ["Refused", "Session"]

_IMEI: Final = slice(10, 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message that only the platform sends, or a confirmation nobody asked for; no answer is
    owed."""

    frame: bytes
    session: Session
    code: str
    reason: str
    owed: int = 0

    @property
    def vin(self) -> str:
        """The IMEI."""
        return self.frame[_IMEI].decode("ascii", "replace")

    def reply(self, flag: int, now: int) -> bytes:
        """Nothing."""
        return b""


class Session:
    """The state of one connection: the bytes of a message that has not all come."""

    __slots__ = ("_frames", "_replies", "_tail", "identity", "role")

    def __init__(self) -> None:
        self.role = ""
        self.identity = ""
        self._tail = b""
        self._frames: list[bytes] = []
        self._replies = b""

    def receive_data(self, data: bytes, now: int = 0) -> None:
        """Take any slice of the stream; every message is confirmed as if it were stored."""
        found = cut([self._tail + data])
        self._tail = found.remainder.get(0, b"")
        for row in range(len(found.frames)):
            self._frames.append(found.frames.bytes_of(row))
        flags = flags_for(found.frames, ())
        self._replies += answer(found.frames, flags, np.zeros(len(flags), bool), now).buffer

    def frames_received(self) -> list[bytes]:
        """Complete messages since the last call, each handed over once."""
        frames, self._frames = self._frames, []
        return frames

    def data_to_send(self) -> bytes:
        """Confirmations owed since the last call, once."""
        data, self._replies = self._replies, b""
        return data

    def handle(self, frame: bytes, now: int, settings: Any = None) -> Refused | None:
        """What a message asks for: nothing where a vehicle sent it."""
        if frame[3] == MO_HEADER:
            return None
        reason = "Only messages from vehicles are taken here."
        return Refused(frame=frame, session=self, code="direction", reason=reason)
