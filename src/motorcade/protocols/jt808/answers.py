"""Answers to frames, built for many peers as one array (2013: sections 8.2 and 8.37).

Every record gets the platform's general answer 0x8001 but for multimedia data, whose answer is
0x8800 with no sub-packages to send again, and files of alarms (0x9212 at their ends). Answers are
in the edition of what they answer and carry its serial as their own: that counts up, wraps where
the standard wants it, and needs no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Answers, Frames, Reject
from motorcade.protocols.jt808.alone import read_head
from motorcade.protocols.jt808.encode import escaped
from motorcade.protocols.jt808.heads import (
    EDITION_2019,
    ESCAPES,
    Heads,
    frames_of,
    read_heads,
)
from motorcade.protocols.jt808.words import (
    FILE_ANSWER,
    FILE_JUDGED,
    MEDIA,
    MEDIA_ANSWER,
    PACKET,
    PLATFORM_GENERAL,
    result_of,
)
from motorcade.wire.escape import escape
from motorcade.wire.ragged import gather, ranges, starts_of

__all__ = ["STORED", "answer", "answer_one", "flags_for", "general", "say"]

STORED: Final = 1
"""The flag of a record that is on disk; a flag is a result and one, and 0 is no answer."""

_GENERAL_BODY: Final = 5
_MEDIA_BODY: Final = 4


def answer(
    frames: Frames,
    flags: NDArray[np.uint8],
    platform_link: NDArray[np.bool_],
    now: int,
    settings: Mapping[int, Any] | None = None,
) -> Answers:
    """One answer per frame: ``flags`` uint8 (n; 0: none is owed, else the result and one).
    ``platform_link``, ``now`` and ``settings`` change nothing here."""
    heads = read_heads(frames)
    if (heads.message >= FILE_JUDGED).any():
        files = np.isin(heads.message, (FILE_JUDGED, PACKET))
        if files.any():
            return _beside(frames, flags, heads, files)
    return _columns(heads, flags)


def _beside(
    frames: Frames, flags: NDArray[np.uint8], heads: Heads, files: NDArray[np.bool_]
) -> Answers:
    """Answers where some are about files of alarms: 0x9212, and nothing for their data."""
    usual = _columns(heads, np.where(files, np.uint8(0), flags))
    said = [
        usual.buffer[at : at + size] for at, size in zip(usual.offset, usual.length, strict=True)
    ]
    for row in np.flatnonzero((heads.message == FILE_JUDGED) & (flags == STORED)).tolist():
        said[row] = say(frames.bytes_of(row), FILE_ANSWER, heads.body_of(row))
    length = np.fromiter(map(len, said), np.int64, len(said))
    return Answers(b"".join(said), np.cumsum(length) - length, length)


def _columns(heads: Heads, flags: NDArray[np.uint8]) -> Answers:
    """Answers by the rules that hold for nearly all."""
    n = len(heads)
    new = heads.layout == EDITION_2019
    media = (heads.message == MEDIA) & (heads.index == 0) & (flags == STORED)
    media &= heads.end - heads.body >= 4
    size = np.where(flags == 0, 0, np.where(new, 17, 12) + np.where(media, 6, 7))
    size = np.where(flags == 0, 0, size + 1)
    at = starts_of(size)
    out = np.zeros(int(at[-1]), np.uint8)
    for edition, picked in ((0, ~new), (1, new)):
        for kind in (0, 1):
            rows = np.flatnonzero(picked & (media == kind) & (flags > 0))
            if len(rows):
                built = _same_size(heads, rows, flags, new=bool(edition), media=bool(kind))
                out[ranges(at[rows], size[rows])] = built.ravel()
    owed = np.flatnonzero(size)
    begin, end = at[owed] + 1, at[owed] + size[owed] - 1
    longer, start, stop = escape(out, begin, end, ESCAPES)
    offset, length = np.zeros(n, np.int64), np.zeros(n, np.int64)
    offset[owed], length[owed] = start - 1, stop - start + 2
    return Answers(longer.tobytes(), offset, length)


def _same_size(
    heads: Heads, rows: NDArray[np.int64], flags: NDArray[np.uint8], *, new: bool, media: bool
) -> NDArray[np.uint8]:
    """Answers of one edition and kind, not yet escaped: uint8 (k, size)."""
    body = _MEDIA_BODY if media else _GENERAL_BODY
    head = 17 if new else 12
    phone = 11 if new else 6
    out = np.empty((len(rows), 1 + head + body + 2), np.uint8)
    out[:, 0] = out[:, -1] = 0x7E
    out[:, 1:3] = divmod(MEDIA_ANSWER if media else PLATFORM_GENERAL, 256)
    out[:, 3:5] = (0x40 if new else 0, body)
    # The version byte of 2019 stands before the phone number and is sent back with it.
    out[:, 5 : 5 + phone] = gather(heads.buffer, heads.phone[rows] - new, phone)
    serial = heads.serial[rows]
    out[:, head - 1] = serial >> 8
    out[:, head] = serial
    if media:
        out[:, head + 1 : -2] = gather(heads.buffer, heads.body[rows], 4)
    else:
        out[:, head + 1 : head + 3] = out[:, head - 1 : head + 1]
        out[:, head + 3] = heads.message[rows] >> 8
        out[:, head + 4] = heads.message[rows]
        out[:, head + 5] = flags[rows] - np.uint8(1)
    out[:, -2] = np.bitwise_xor.reduce(out[:, 1:-2], axis=1)
    return out


def answer_one(frame: bytes, flag: int) -> bytes:
    """The answer to one frame."""
    zero = np.zeros(1, np.int64)
    frames = frames_of(np.frombuffer(frame, np.uint8), zero, zero + len(frame), zero)
    return answer(frames, np.array([flag], np.uint8), np.zeros(1, bool), 0).buffer


def say(frame: bytes, message: int, body: bytes) -> bytes:
    """A message to whoever sent ``frame``, in its edition, under its phone number and serial."""
    head = read_head(frame)
    attributes = (0x4000 if head.layout == EDITION_2019 else 0) | len(body)
    data = message.to_bytes(2, "big") + attributes.to_bytes(2, "big") + head.named
    return escaped(data + head.serial.to_bytes(2, "big") + body)


def general(frame: bytes, serial: int, message: int, result: int) -> bytes:
    """0x8001 for a message of this serial and id."""
    body = serial.to_bytes(2, "big") + message.to_bytes(2, "big") + bytes([result])
    return say(frame, PLATFORM_GENERAL, body)


def flags_for(frames: Frames, rejects: Iterable[Reject]) -> NDArray[np.uint8]:
    """Answer flags (n) for decoded frames: stored, and for each reject its result and one."""
    flags = np.full(len(frames), STORED, np.uint8)
    for reject in rejects:
        if reject.frame >= 0:
            flags[reject.frame] = result_of(reject.code) + 1
    return flags
