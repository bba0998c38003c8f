"""One peer's conversation, sans-IO: who it is, what its frames ask for, which answers it is owed.

Roles: nobody yet, a ``terminal`` (after an accepted 01) or a ``platform`` (after an accepted 05).
Reports need a role. A gateway hands ``handle`` every frame that is no report and decides the
events; a session fed by ``receive_data`` decides for itself and accepts whatever is well formed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from motorcade.errors import MessageError
from motorcade.protocols.gbt32960 import cipher, events
from motorcade.protocols.gbt32960.answers import answer, flags_for
from motorcade.protocols.gbt32960.events import Event, Refused
from motorcade.protocols.gbt32960.framing import HEADER, cut
from motorcade.protocols.gbt32960.messages import read_message
from motorcade.protocols.gbt32960.settings import TenantSettings
from motorcade.protocols.gbt32960.words import (
    ACTIVATION,
    ACTIVATION_ANSWER,
    AES128,
    COMMAND,
    CONTROL,
    HEARTBEAT,
    KEY_EXCHANGE,
    LOGIN,
    LOGOUT,
    OK,
    PLAIN,
    PLATFORM_LOGIN,
    PLATFORM_LOGOUT,
    QUERY,
    RECORDS,
    SET,
    TIME_SYNC,
    edition_of,
    flag_of,
)

__all__ = ["Session"]

_FROM_PLATFORM: Final = (QUERY, SET, CONTROL)


class Session:
    """The state of one connection. ``role`` '' | 'terminal' | 'platform', ``identity`` the VIN or
    the platform's unique code, ``sequence`` of the login, ``edition`` of its last frame (0: none
    yet)."""

    __slots__ = ("_frames", "_replies", "_tail", "edition", "identity", "role", "sequence")

    def __init__(self) -> None:
        self.role = ""
        self.identity = ""
        self.sequence = -1
        self.edition = 0
        self._tail = b""
        self._frames: list[bytes] | None = None
        self._replies: bytes = b""

    def receive_data(self, data: bytes, now: int = 0) -> None:
        """Take any slice of the stream; ``now`` (µs UTC) is what time answers carry."""
        found = cut([self._tail + data])
        self._tail = found.remainder.get(0, b"")
        for row in range(len(found.frames)):
            frame = found.frames.bytes_of(row)
            self._frames = [*(self._frames or ()), frame]
            self._replies += self._own_reply(frame, now)

    def frames_received(self) -> list[bytes]:
        """Complete frames since the last call, each handed over once."""
        frames, self._frames = self._frames or [], None
        return frames

    def data_to_send(self) -> bytes:
        """Answers owed since the last call, once."""
        data, self._replies = self._replies, b""
        return data

    def handle(
        self, frame: bytes, now: int, settings: TenantSettings | None = None
    ) -> Event | None:
        """What a frame asks for; None for a report the peer may send. ``settings`` of the VIN's
        tenant open encrypted frames."""
        command, flag = frame[2], frame[3]
        self.edition = edition_of(frame)
        base: dict[str, Any] = {"frame": frame, "session": self, "settings": settings}
        if flag != COMMAND or command == ACTIVATION_ANSWER:
            plain = _opened(frame, settings)
            return events.Answered(
                **base,
                command=command,
                flag=flag,
                facts=_facts_of_answer(plain),
                time=b"" if plain is None else plain[HEADER:-1][:6],
            )
        if command in RECORDS:
            return None if self.role else self._refuse(base, "login", "Data before login.", 0)
        if command == HEARTBEAT:
            return events.Heartbeat(**base)
        if command == TIME_SYNC:
            return events.TimeSync(**base)
        plain = _opened(frame, settings)
        if plain is None:
            return self._refuse(base, "cipher", "The data unit cannot be decrypted.")
        try:
            facts = read_message(command, plain[HEADER:-1], edition_of(frame))
        except MessageError as error:
            return self._refuse(base, error.facts.get("kind", "structure"), error.detail)
        return self._asked(command, base, facts)

    def _asked(self, command: int, base: dict[str, Any], facts: dict[str, Any]) -> Event:
        if command == LOGIN:
            return events.LoginRequested(
                **base,
                event_time=facts["time"],
                sequence=facts["sequence"],
                iccid=facts["iccid"],
                facts=facts,
            )
        if command == PLATFORM_LOGIN:
            if self.role == "terminal":
                return self._refuse(base, "order", "A platform login on a terminal's link.")
            return events.PlatformLoginRequested(
                **base,
                event_time=facts["time"],
                sequence=facts["sequence"],
                user=facts["user"],
                password=facts["password"],
                encryption=facts["encryption"],
            )
        if command in (LOGOUT, PLATFORM_LOGOUT):
            return self._goodbye(command, base, facts)
        if command == ACTIVATION:
            return events.ActivationRequested(**base, event_time=facts["time"], facts=facts)
        if command == KEY_EXCHANGE:
            return events.KeyExchanged(**base, facts=facts)
        if command in _FROM_PLATFORM:
            return self._refuse(base, "direction", "Only a platform may send this.")
        return self._refuse(base, "command", f"Command {command:02X} is not one of the standard.")

    def _goodbye(self, command: int, base: dict[str, Any], facts: dict[str, Any]) -> Event:
        wanted = "platform" if command == PLATFORM_LOGOUT else self.role
        if not self.role or self.role != wanted:
            return self._refuse(base, "login", "A logout without a login.")
        alone = self.role == "terminal" or command == PLATFORM_LOGOUT
        kind = events.PlatformLoggedOut if command == PLATFORM_LOGOUT else events.LoggedOut
        return kind(
            **base,
            event_time=facts["time"],
            sequence=facts["sequence"],
            matches=not alone or facts["sequence"] == self.sequence,
        )

    def _refuse(
        self, base: dict[str, Any], code: str, reason: str, owed: int | None = None
    ) -> Refused:
        if owed is None:
            owed = flag_of(code, edition_of(base["frame"]))
        return Refused(**base, code=code, reason=reason, owed=owed)

    def _own_reply(self, frame: bytes, now: int) -> bytes:
        """What a platform that accepts everything well-formed answers."""
        event = self.handle(frame, now)
        if event is not None:
            return event.reply(OK, now)
        from motorcade.protocols.gbt32960.decode import decode

        frames = cut([frame]).frames
        flags = flags_for(frames, list(decode(frames, now).rejects))
        return answer(frames, flags, np.array([self.role == "platform"]), now).buffer


def _opened(frame: bytes, settings: TenantSettings | None) -> bytes | None:
    if frame[21] == PLAIN:
        return frame
    if frame[21] != AES128 or settings is None:
        return None
    return cipher.opened(frame, settings)


def _facts_of_answer(frame: bytes | None) -> dict[str, Any]:
    """Facts of a plain frame; none of one that cannot be decrypted."""
    if frame is None:
        return {}
    try:
        return read_message(frame[2], frame[HEADER:-1], edition_of(frame), frame[3] != COMMAND)
    except MessageError:
        return {"unit": frame[HEADER:-1].hex()}
