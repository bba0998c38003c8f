"""Mobile-terminated messages: what is sent to Iridium's gateway for a modem, what that says, and
what vehicles answer to commands.

The platform is the client here: one connection, one message, one confirmation, sans-IO
(``MtSession``); ``gateway/satellite.py`` opens the connections.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from motorcade.errors import FrameError, Invalid
from motorcade.protocols.commands import Answer, Command, Sealed
from motorcade.protocols.frames import Frames
from motorcade.protocols.iridium.elements import (
    MO_PAYLOAD,
    MT_CONFIRMATION,
    MT_HEADER,
    MT_PAYLOAD,
    encode,
    read_elements,
)
from motorcade.protocols.iridium.framing import cut
from motorcade.wire.compact.command import (
    ANSWER,
    KINDS,
    CompactCommand,
    pack_command,
    read_answer,
)

__all__ = [
    "COMMANDS",
    "FLUSH",
    "HIGH_PRIORITY",
    "MT_STATUSES",
    "QUEUED_MAX",
    "RING_ALERT",
    "MtConfirmation",
    "MtSession",
    "answers",
    "encode_command",
    "encode_mt",
    "read_mt_confirmation",
    "read_mt_header",
]

FLUSH: Final = 1
"""Disposition: delete what waits for the modem first."""
RING_ALERT: Final = 2
"""Disposition: send no message, only wake the modem."""
HIGH_PRIORITY: Final = 16
"""Disposition: before all else that waits for the modem."""

QUEUED_MAX: Final = 50
"""Messages that may wait for one modem at Iridium's gateway."""

MT_STATUSES: Final = {
    -1: "bad_imei",
    -2: "unknown_imei",
    -3: "too_large",
    -4: "missing_payload",
    -5: "queue_full",
    -6: "resources",
    -7: "protocol",
    -8: "ring_alerts_off",
    -9: "not_attached",
    -10: "source_rejected",
    -11: "mtmsn_range",
    -12: "certificate",
}
"""Word of each refusal."""

_LATER: Final = frozenset({-5, -6, -9})
"""Refusals that may be none the next time."""
_HEADER: Final = struct.Struct(">I15sH")
_CONFIRMATION: Final = struct.Struct(">I15sIh")
_PAYLOAD_MAX: Final = 1890
"""Bytes the largest modem takes (the small ones 270: the gateway says so by ``too_large``)."""

COMMANDS: Final = {kind: f"compact profile, kind {known.number}" for kind, known in KINDS.items()}
"""What a modem can be told, and what it becomes."""


class MtConfirmation(NamedTuple):
    """Element 44. ``status`` 0 to 50: taken, so many wait; negative: refused."""

    client_id: int
    imei: bytes
    auto_id: int
    status: int

    @property
    def is_taken(self) -> bool:
        """Whether the message is queued or sent."""
        return self.status >= 0

    @property
    def is_retryable(self) -> bool:
        """Whether the same message may be taken later."""
        return self.status in _LATER

    @property
    def word(self) -> str:
        """``queued``, or why not."""
        return "queued" if self.is_taken else MT_STATUSES.get(self.status, f"status_{self.status}")


class MtSession:
    """One message to Iridium's gateway and its confirmation."""

    __slots__ = ("_data", "_tail", "confirmation")

    def __init__(self, message: bytes) -> None:
        self.confirmation: MtConfirmation | None = None
        self._data = message
        self._tail = b""

    def data_to_send(self) -> bytes:
        """The message, once."""
        data, self._data = self._data, b""
        return data

    def receive_data(self, data: bytes) -> None:
        """Take any slice of the answer; ``FrameError`` where it is no confirmation."""
        found = cut([self._tail + data])
        self._tail = found.remainder.get(0, b"")
        for row in range(len(found.frames)):
            self.confirmation = read_mt_confirmation(found.frames.bytes_of(row))
        if found.rejects:
            raise FrameError(f"no confirmation: {found.rejects[0].reason}")


def encode_mt(imei: str, payload: bytes, client_id: int, disposition: int = 0) -> bytes:
    """A message for the modem ``imei`` (15 digits). ``client_id`` comes back in the confirmation;
    no payload asks for nothing but a ring alert."""
    if len(imei) != 15 or not (imei.isascii() and imei.isdigit()):
        raise Invalid(f"an IMEI has 15 digits, and {imei!r} has not")
    if len(payload) > _PAYLOAD_MAX:
        raise Invalid(f"a modem takes {_PAYLOAD_MAX} bytes, not {len(payload)}")
    header = _HEADER.pack(client_id & 0xFFFFFFFF, imei.encode(), disposition)
    elements = [(MT_HEADER, header)]
    if payload:
        elements.append((MT_PAYLOAD, payload))
    return encode(elements)


def read_mt_header(value: bytes) -> tuple[int, bytes, int]:
    """The value of element 41: client id, IMEI, disposition flags."""
    client_id, imei, disposition = _HEADER.unpack(value)
    return client_id, imei, disposition


def read_mt_confirmation(message: bytes) -> MtConfirmation:
    """The confirmation in a whole message; ``FrameError`` where it holds none."""
    value = dict(read_elements(message, 3)).get(MT_CONFIRMATION)
    if value is None:
        raise FrameError("the message holds no confirmation")
    return MtConfirmation(*_CONFIRMATION.unpack(value))


def encode_command(command: Command, identity: str, session: Any = None) -> Sealed:
    """The payload of a command, for ``encode_mt``. ``Invalid`` where the profile cannot say it."""
    deadline_s = -(-command.deadline_us // 1_000_000)
    said = CompactCommand(command.kind, command.number, deadline_s, command.parameters)
    return Sealed(pack_command(said), _key(command.number))


def answers(frames: Frames) -> list[tuple[int, Answer]]:
    """Which of these messages answer commands: row and what is said."""
    found = []
    for row in range(len(frames)):
        frame = frames.bytes_of(row)
        if ANSWER not in frame:
            continue
        payload = dict(reversed(read_elements(frame, 3))).get(MO_PAYLOAD, b"")
        said = read_answer(payload)
        if said is not None:
            key = _key(said.number)
            found.append((row, Answer(key=key, outcome=said.outcome, code=said.code)))
    return found


def _key(number: int) -> str:
    return f"iridium:{number}"
