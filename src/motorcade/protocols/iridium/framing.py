"""Cutting streams of DirectIP messages, and what a gateway asks of them before it decodes.

There is no checksum and no start mark but the revision byte 01, so a message is taken where its
elements fill its length exactly, the first is one that messages begin with, and every known element
has its length. Anything else is garbage and is searched for the next 01. What can be told from a
part of a message is told from it, so the frames found do not depend on how the stream was sliced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Cut, Frames, Reject
from motorcade.protocols.iridium.elements import (
    ELEMENTS,
    FIRST,
    MO_HEADER,
    PROTOCOL,
)

__all__ = ["LENGTH_MAX", "cut", "frame_length", "is_login", "is_record", "seal", "vins"]

LENGTH_MAX: Final = 2200
"""Longest overall length: a payload of 1,960 bytes, the longest any modem sends, and every other
element beside it."""

_ELEMENTS_MAX: Final = 16
"""Elements of a message; more would only be somebody's attempt to keep this machine busy."""
_REJECT_BYTES_MAX: Final = 4096
_HEAD: Final = 6
"""Bytes before the value of a message's first element."""
_IMEI: Final = slice(_HEAD + 4, _HEAD + 19)
"""Where the IMEI stands: behind four bytes of the first element, in both directions."""

_WRONG: Final = -1


def cut(chunks: Sequence[bytes]) -> Cut:
    """Complete messages from one chunk of bytes per peer; never raises."""
    spans: list[tuple[int, int, int]] = []
    remainder: dict[int, bytes] = {}
    rejects: list[Reject] = []
    base = 0
    for peer, data in enumerate(chunks):
        at = 0
        while at < len(data):
            size = _size(data, at)
            if size == _WRONG:
                after = data.find(PROTOCOL, at + 1)
                end = after if after >= 0 else len(data)
                rejects.append(_reject(data[at:end], peer))
                at = end
            elif at + size > len(data) or size == 0:
                remainder[peer] = data[at:]
                break
            else:
                spans.append((base + at, size, peer))
                at += size
        base += len(data)
    table = np.array(spans, np.int64).reshape(-1, 3)
    buffer = np.frombuffer(b"".join(chunks), np.uint8)
    rows = len(table)
    frames = Frames(
        buffer,
        table[:, 0],
        table[:, 1],
        table[:, 2],
        np.zeros(rows, np.uint64),
        np.zeros(rows, np.uint32),
    )
    return Cut(frames, remainder, rejects)


def frame_length(begun: bytes) -> int | None:
    """Bytes of the whole message that begins so; None before its length is there."""
    return 3 + int.from_bytes(begun[1:3], "big") if len(begun) >= 3 else None


def is_record(frames: Frames) -> NDArray[np.bool_]:
    """Which messages go to ``decode``: the mobile-originated ones."""
    record: NDArray[np.bool_] = frames.buffer[frames.offset + 3] == MO_HEADER
    return record


def is_login(frames: Frames) -> NDArray[np.bool_]:
    """None is: every message names its vehicle."""
    return np.zeros(len(frames), bool)


def vins(frames: Frames) -> list[bytes]:
    """The IMEI of every message; of a confirmation, which names nobody, nothing."""
    return [frames.bytes_of(row)[_IMEI] for row in range(len(frames))]


def seal(frame: bytes) -> bytes:
    """Make revision and overall length right."""
    if len(frame) < 3:
        return frame
    return bytes([PROTOCOL]) + (len(frame) - 3).to_bytes(2, "big") + frame[3:]


def _size(data: bytes, at: int) -> int:
    """Bytes of the message at ``at``, also where not all are there yet; 0: it cannot be told yet;
    ``_WRONG``: it is none."""
    if data[at] != PROTOCOL:
        return _WRONG
    there = len(data)
    if there < at + 3:
        return 0
    length = data[at + 1] << 8 | data[at + 2]
    end = at + 3 + length
    if not 3 <= length <= LENGTH_MAX:
        return _WRONG
    place = at + 3
    for count in range(_ELEMENTS_MAX + 1):
        if place == end:
            return 3 + length
        if place + 3 > end or count == _ELEMENTS_MAX:
            return _WRONG
        if place >= there:
            return 3 + length
        if count == 0 and data[place] not in FIRST:
            return _WRONG
        if place + 3 > there:
            return 3 + length
        size = data[place + 1] << 8 | data[place + 2]
        fixed = ELEMENTS.get(data[place], ("", None))[1]
        place += 3 + size
        if place > end or (fixed is not None and size != fixed):
            return _WRONG
    return _WRONG


def _reject(data: bytes, peer: int) -> Reject:
    kept = data[:_REJECT_BYTES_MAX]
    if data[0] != PROTOCOL:
        return Reject("garbage", "Bytes between messages; none of them begins one.", kept, -1, peer)
    length = int.from_bytes(data[1:3], "big")
    if len(data) >= 3 and not 3 <= length <= LENGTH_MAX:
        reason = f"The message claims {length} bytes; it may have {LENGTH_MAX}."
        return Reject("length", reason, kept, -1, peer)
    return Reject("structure", "Its elements do not fill the message's length.", kept, -1, peer)
