"""JT/T 808 frames: cutting the streams of many peers at once.

A frame is ``7E``, a message with ``7D`` and ``7E`` escaped, ``7E`` (2013: section 4.4.2). Bytes
between two delimiters are a frame when their escapes are known, their XOR is zero, and their length
is the one their header tells; whatever else stands there is garbage, and the delimiter behind it
may be the next frame's first. Neighbours may share a delimiter: it then belongs to the frame before
it, and the next one has none. That makes the frames found independent of how the stream was sliced.
Data packets of attachments (``packets``) stand between frames and are frames to everybody here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.limits import JT808_FRAME_BYTES_MAX
from motorcade.protocols.frames import Cut, Reject
from motorcade.protocols.jt808.heads import (
    DELIMITER,
    ESCAPES,
    NO_HEADER,
    frames_of,
    heads_at,
    layouts,
)
from motorcade.protocols.jt808.packets import MARK, Split, split
from motorcade.wire.checksum import xor8
from motorcade.wire.escape import unescape

__all__ = ["cut"]

_REJECT_BYTES_MAX: Final = 4096
"""Bytes of a rejected stretch that its ``Reject`` keeps."""

_REASONS: Final = {
    "escape": "A 7D is followed by neither 01 nor 02.",
    "checksum": "The XOR does not match the bytes before it.",
    "length": "The length in the header is not that of the body, in none of the editions.",
    "garbage": "Bytes between frames; too few for a message.",
    "delimiter": "Delimiters without a frame between them.",
    "oversize": f"More than {JT808_FRAME_BYTES_MAX} bytes without a delimiter.",
}

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def cut(chunks: Sequence[bytes]) -> Cut:
    """Complete frames with a right XOR and length from one chunk of bytes per peer; never raises.

    Frames keep their delimiters and escapes. Reject codes: those of ``_REASONS``.
    """
    joined = b"".join(chunks)
    buffer = np.frombuffer(joined, np.uint8)
    ends = np.cumsum(np.fromiter(map(len, chunks), np.int64, len(chunks)))
    if not joined:
        return Cut(frames_of(buffer, *(np.zeros(0, np.int64),) * 3), {}, ())
    close = np.flatnonzero(buffer == DELIMITER)
    found = _whole(buffer, ends, close)
    if found is None and MARK in joined:
        found = _mixed(chunks, joined)
    return found or _Scan(buffer, ends, close).result()


def _whole(buffer: NDArray[np.uint8], ends: Ints, close: Ints) -> Cut | None:
    """What nearly all chunks are: frames between two delimiters each, and nothing else. None
    where one is not, or is wrong."""
    begin, end = close[::2], close[1::2]
    if not len(end) or len(begin) != len(end) or begin[0] or end[-1] != len(buffer) - 1:
        return None
    peer = np.searchsorted(ends, begin, side="right")
    if (begin[1:] != end[:-1] + 1).any() or (ends[peer] <= end).any():
        return None
    plain, start, stop, broken = unescape(buffer, begin + 1, end, ESCAPES)
    layout = layouts(plain, start, stop)
    if broken.any() or (layout == NO_HEADER).any() or xor8(plain, start, stop).any():
        return None
    frames = frames_of(buffer, begin, end + 1 - begin, peer)
    return Cut(heads_at(plain, start, stop, layout).noted(frames), {}, ())


def _mixed(chunks: Sequence[bytes], joined: bytes) -> Cut | None:
    """Frames and data packets; None where there is no packet after all."""
    parts = split(chunks)
    if not parts.packets and not parts.unfinished:
        return None
    buffer = np.frombuffer(joined, np.uint8)
    runs = [joined[begin:end] for begin, end in zip(parts.begin, parts.end, strict=True)]
    between = _scanned(runs)
    peer = np.array(parts.peer, np.int64)
    begin = np.array(parts.begin, np.int64)
    sizes = np.array(parts.end, np.int64) - begin
    shift = begin - (np.cumsum(sizes) - sizes)
    of = between.frames.peer
    packed = np.array(parts.packets, np.int64).reshape(-1, 3)
    offset = np.concatenate([between.frames.offset + shift[of], packed[:, 0]])
    length = np.concatenate([between.frames.length, packed[:, 1] - packed[:, 0]])
    owner = np.concatenate([peer[of], packed[:, 2]])
    order = np.argsort(offset, kind="stable")
    remainder, rejects = _behind(parts, chunks, between)
    return Cut(frames_of(buffer, offset[order], length[order], owner[order]), remainder, rejects)


def _behind(
    parts: Split, chunks: Sequence[bytes], between: Cut
) -> tuple[dict[int, bytes], list[Reject]]:
    """Unfinished bytes and rejects of chunks with packets. What stands before a packet without
    being a frame will not become one."""
    last = {peer: run for run, peer in enumerate(parts.peer)}
    closed = {peer: end for _, end, peer in parts.packets} | parts.unfinished
    rejects = [replace(one, peer=parts.peer[one.peer]) for one in between.rejects]
    remainder: dict[int, bytes] = {}
    for run, data in between.remainder.items():
        peer = parts.peer[run]
        if last[peer] == run and parts.end[run] > closed.get(peer, -1):
            remainder[peer] = data
        else:
            rejects.append(_reject("delimiter" if data == b"\x7e" else "garbage", data, peer))
    at = 0
    for peer, chunk in enumerate(chunks):
        if peer in parts.unfinished:
            remainder[peer] = chunk[parts.unfinished[peer] - at :]
        at += len(chunk)
    rejects.sort(key=lambda one: one.peer)
    return remainder, rejects


def _scanned(runs: Sequence[bytes]) -> Cut:
    """Frames of chunks whose packets are taken out."""
    buffer = np.frombuffer(b"".join(runs), np.uint8)
    ends = np.cumsum(np.fromiter(map(len, runs), np.int64, len(runs)))
    return _Scan(buffer, ends, np.flatnonzero(buffer == DELIMITER)).result()


class _Scan:
    """One cut. A stretch is what stands before a delimiter, from the one before it or from the
    chunk's beginning; ``n`` stretches, columns by stretch."""

    def __init__(self, buffer: NDArray[np.uint8], ends: Ints, close: Ints) -> None:
        self.buffer = buffer
        self.ends = ends
        self.begins = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        self.close = close
        self.peer = np.searchsorted(ends, self.close, side="right")
        self.opened = np.zeros(len(self.close), bool)
        self.opened[1:] = self.peer[1:] == self.peer[:-1]
        self.start = self.begins[self.peer]
        self.start[self.opened] = self.close[np.flatnonzero(self.opened) - 1] + 1
        self._judge()
        # A frame owns the delimiter behind it; the one before it where no frame owns that.
        self.owns = self.opened.copy()
        self.owns[1:] &= ~self.good[:-1]

    def _judge(self) -> None:
        """``good``: which stretches are frames; what is wrong with the others."""
        found = unescape(self.buffer, self.start, self.close, ESCAPES)
        self.plain, self.begin, self.stop, self.broken = found
        self.summed = xor8(self.plain, self.begin, self.stop) == 0
        self.layout = layouts(self.plain, self.begin, self.stop)
        self.good = self.summed & (self.layout != NO_HEADER) & ~self.broken

    def result(self) -> Cut:
        rows = np.flatnonzero(self.good)
        offset = self.start[rows] - self.owns[rows]
        length = self.close[rows] + 1 - offset
        frames = frames_of(self.buffer, offset, length, self.peer[rows])
        heads_at(self.plain, self.begin[rows], self.stop[rows], self.layout[rows]).noted(frames)
        remainder, rejects = self._tails()
        if len(rows) < len(self.good):
            rejects = [*self._rejects(), *rejects]
            rejects.sort(key=lambda one: one.peer)
        return Cut(frames, remainder, rejects)

    def _tails(self) -> tuple[dict[int, bytes], list[Reject]]:
        """What stands behind the last delimiter of every chunk, with it where no frame owns it."""
        after = np.searchsorted(self.close, self.ends) - 1
        inside = (after >= 0) & (np.append(self.peer, -1)[after] == np.arange(len(self.ends)))
        begin = self.begins.copy()
        last = after[inside]
        begin[inside] = self.close[last] + self.good[last]
        remainder: dict[int, bytes] = {}
        rejects = []
        for peer in np.flatnonzero(begin < self.ends).tolist():
            data = self.buffer[begin[peer] : self.ends[peer]].tobytes()
            if len(data) <= JT808_FRAME_BYTES_MAX:
                remainder[peer] = data
            else:
                rejects.append(_reject("oversize", data, peer))
        return remainder, rejects

    def _rejects(self) -> list[Reject]:
        """One for every stretch that is no frame. Built one by one: they are the exception."""
        found = []
        for row in np.flatnonzero(~self.good).tolist():
            begin = int(self.start[row]) - int(self.owns[row])
            data = self.buffer[begin : self.close[row]].tobytes()
            if data:
                found.append(_reject(self._fault(row), data, int(self.peer[row])))
        return found

    def _fault(self, row: int) -> str:
        size = int(self.close[row] - self.start[row])
        if size == 0:
            return "delimiter"
        if self.broken[row]:
            return "escape"
        if size < 13:
            return "garbage"
        return "length" if self.summed[row] else "checksum"


def _reject(code: str, data: bytes, peer: int) -> Reject:
    return Reject(code, _REASONS[code], data[:_REJECT_BYTES_MAX], -1, peer)
