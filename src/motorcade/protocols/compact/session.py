"""One sender of datagrams, sans-IO; without a key it acknowledges nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from motorcade.protocols.compact.answers import answer, flags_for
from motorcade.protocols.compact.decode import decode
from motorcade.protocols.compact.framing import cut, is_record, vins
from motorcade.protocols.compact.signing import verify
from motorcade.protocols.frames import frames_from

__all__ = ["Refused", "Session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A datagram that only the platform sends; no answer is owed."""

    frame: bytes
    session: Session
    code: str
    reason: str
    owed: int = 0

    @property
    def vin(self) -> str:
        """The device."""
        return vins(frames_from([self.frame]))[0].decode()

    def reply(self, flag: int, now: int) -> bytes:
        """Nothing."""
        return b""


class Session:
    """The bytes of one sender. ``key`` signs for every device it speaks for."""

    __slots__ = ("_frames", "_key", "_replies", "_tail", "identity", "role")

    def __init__(self, key: bytes | None = None) -> None:
        self.role = ""
        self.identity = ""
        self._key = key
        self._tail = b""
        self._frames: list[bytes] = []
        self._replies = b""

    def receive_data(self, data: bytes, now: int = 0) -> None:
        """Take any slice of the datagrams laid end to end; all are acknowledged as if stored."""
        found = cut([self._tail + data])
        self._tail = found.remainder.get(0, b"")
        frames = found.frames
        self._frames += [frames.bytes_of(row) for row in range(len(frames))]
        if self._key is not None and verify(frames, [self._key] * len(frames)).any():
            flags = flags_for(frames, decode(frames, now).rejects)
            self._replies += answer(frames, flags, np.zeros(len(flags), bool), now).buffer

    def frames_received(self) -> list[bytes]:
        """Datagrams since the last call, each handed over once."""
        frames, self._frames = self._frames, []
        return frames

    def data_to_send(self) -> bytes:
        """Acknowledgements owed since the last call, once."""
        data, self._replies = self._replies, b""
        return data

    def handle(self, frame: bytes, now: int, settings: Any = None) -> Refused | None:
        """What a datagram asks for: nothing where a device sent it."""
        if is_record(frames_from([frame]))[0]:
            return None
        reason = "Only reports and answers are taken here."
        return Refused(frame=frame, session=self, code="direction", reason=reason)
