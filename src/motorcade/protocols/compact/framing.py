"""Cutting datagrams apart, and what a gateway asks of them before it decodes.

Each body tells its length by its first bytes, so that datagrams which arrived together can be laid
end to end. Whether one is as its device wrote it is told by the signature, not here: a cut needs no
keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.compact.signing import BODY, DATAGRAM_MAX, MAGIC, OVERHEAD
from motorcade.protocols.frames import Cut, Frames, Reject
from motorcade.wire.compact.command import ANSWER, ANSWER_SIZE, COMMAND, COMMAND_HEAD
from motorcade.wire.compact.report import GROUPS, HEAD, REPORT

__all__ = [
    "ACKNOWLEDGEMENT",
    "ACKNOWLEDGEMENT_SIZE",
    "cut",
    "frame_length",
    "is_login",
    "is_record",
    "kinds",
    "vins",
]

ACKNOWLEDGEMENT: Final = 0xA1
"""First byte of an acknowledgement."""
ACKNOWLEDGEMENT_SIZE: Final = 4

_REJECT_BYTES_MAX: Final = 4096
_WRONG: Final = -1
_SIZES: Final = {
    presence: HEAD + sum(group.size for bit, group in enumerate(GROUPS) if presence >> bit & 1)
    for presence in range(1 << len(GROUPS))
}


def cut(chunks: Sequence[bytes]) -> Cut:
    """Complete datagrams from one chunk of bytes per peer; never raises.

    ``frames.buffer`` is twice as long as the chunks and may be written to (``signing``).
    """
    spans: list[tuple[int, int, int]] = []
    remainder: dict[int, bytes] = {}
    rejects: list[Reject] = []
    base = 0
    for peer, data in enumerate(chunks):
        at = 0
        while at < len(data):
            size = _size(data, at)
            if size == _WRONG:
                after = data.find(MAGIC, at + 1)
                end = after if after >= 0 else len(data)
                rejects.append(_reject(data[at:end], peer))
                at = end
            elif size == 0 or at + size > len(data):
                remainder[peer] = data[at:]
                break
            else:
                spans.append((base + at, size, peer))
                at += size
        base += len(data)
    table = np.array(spans, np.int64).reshape(-1, 3)
    rows = len(table)
    frames = Frames(
        np.frombuffer(bytearray(b"".join(chunks)) + bytes(base), np.uint8),
        table[:, 0],
        table[:, 1],
        table[:, 2],
        np.zeros(rows, np.uint64),
        np.zeros(rows, np.uint32),
    )
    return Cut(frames, remainder, rejects)


def frame_length(begun: bytes) -> int | None:
    """Bytes of the whole datagram that begins so; None before they can be told."""
    return max(_size(begun, 0), 0) or None if begun else None


def kinds(frames: Frames) -> NDArray[np.uint8]:
    """First byte of every body: uint8 (n)."""
    return frames.buffer[frames.offset + BODY]


def is_record(frames: Frames) -> NDArray[np.bool_]:
    """Which datagrams go to ``decode``: reports, and answers to commands."""
    kind = kinds(frames)
    record: NDArray[np.bool_] = (kind == REPORT) | (kind == ANSWER)
    return record


def is_login(frames: Frames) -> NDArray[np.bool_]:
    """None is: every datagram names its device."""
    return np.zeros(len(frames), bool)


def vins(frames: Frames) -> list[bytes]:
    """The device of every datagram: 16 hexadecimal digits."""
    return [
        frames.buffer[at : at + BODY - 1].tobytes().hex().encode()
        for at in (frames.offset + 1).tolist()
    ]


def _size(data: bytes, at: int) -> int:
    """Bytes of the datagram at ``at``, also where not all are there yet; 0: it cannot be told yet;
    ``_WRONG``: it is none."""
    if data[at] != MAGIC:
        return _WRONG
    there = len(data) - at
    if there <= BODY:
        return 0
    kind = data[at + BODY]
    body = _FIXED.get(kind)
    if body is None:
        length = _LENGTH_AT.get(kind)
        if length is None:
            return _WRONG
        if there < BODY + length:
            return 0
        last = data[at + BODY + length - 1]
        body = COMMAND_HEAD + last if kind == COMMAND else _SIZES[last]
        if kind == REPORT and data[at + BODY + 1]:
            return _WRONG
    size = OVERHEAD + body
    return size if size <= DATAGRAM_MAX else _WRONG


_FIXED: Final = {ANSWER: ANSWER_SIZE, ACKNOWLEDGEMENT: ACKNOWLEDGEMENT_SIZE}
_LENGTH_AT: Final = {REPORT: 3, COMMAND: COMMAND_HEAD}
"""Bytes of a body that tell its length."""


def _reject(data: bytes, peer: int) -> Reject:
    kept = data[:_REJECT_BYTES_MAX]
    if data[0] != MAGIC:
        return Reject("garbage", "Bytes that begin no datagram.", kept, -1, peer)
    return Reject("structure", "A datagram of a kind or size nobody knows.", kept, -1, peer)
