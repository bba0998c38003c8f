"""Escaped bytes, undone and done for many ranges of one buffer at once.

JT/T 808 and JT/T 809 mark frames with bytes that may not stand inside them: such a byte is sent as
two, a mark and a number. ``Escaping`` names those pairs; nothing here loops over frames.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Escaping", "Unescaped", "escape", "unescape"]

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


class Escaping(NamedTuple):
    """Pairs on the wire and the byte each stands for: ``((mark, second, byte), …)``. A second is
    never a mark."""

    pairs: tuple[tuple[int, int, int], ...]

    @property
    def marks(self) -> tuple[int, ...]:
        """The bytes that begin a pair."""
        return tuple(dict.fromkeys(mark for mark, _, _ in self.pairs))


class Unescaped(NamedTuple):
    """``buffer`` without escapes, where each range begins and ends in it, and ``broken`` (n):
    ranges with a mark that no known second follows. Their marks are kept as they came."""

    buffer: Bytes
    start: Ints
    end: Ints
    broken: NDArray[np.bool_]


def unescape(buffer: Bytes, start: Ints, end: Ints, rules: Escaping) -> Unescaped:
    """Undo the escapes in the ranges ``start`` to ``end`` (int64, n) of ``buffer``.

    Ranges do not overlap, or hold the same pairs where they do. The buffer is not copied where
    nothing is escaped.
    """
    at = _marks(buffer, rules)
    if len(at) == 0:
        return Unescaped(buffer, start, end, np.zeros(len(start), bool))
    second = np.append(buffer, np.uint8(0))[at + 1]  # a plain 0 would widen the whole buffer
    plain = np.full(len(at), -1, np.int64)
    mark = buffer[at]
    for first, following, byte in rules.pairs:
        plain[(mark == first) & (second == following)] = byte
    known = plain >= 0
    wrong = at[~known]
    broken = np.searchsorted(wrong, end) > np.searchsorted(wrong, start)
    at, plain = at[known], plain[known]
    # A pair that a range's end cuts in two is broken, too.
    cut = np.searchsorted(at, end - 1)
    broken |= (np.append(at, -1)[cut] == end - 1) & (end > start)
    kept = np.ones(len(buffer), bool)
    kept[at + 1] = False
    shorter = buffer[kept]
    shorter[at - np.arange(len(at))] = plain
    begin = start - np.searchsorted(at, start)
    stop = end - np.searchsorted(at, end)
    return Unescaped(shorter, begin, stop, broken)


def escape(buffer: Bytes, start: Ints, end: Ints, rules: Escaping) -> tuple[Bytes, Ints, Ints]:
    """Escape what has to be in the ranges (ascending, apart) of ``buffer``; bytes between them are
    copied as they are. Gives the longer buffer and where the ranges are in it."""
    table = np.zeros(256, bool)
    table[[byte for _, _, byte in rules.pairs]] = True
    at = np.flatnonzero(table[buffer])
    if len(at):
        place = np.searchsorted(start, at, side="right") - 1
        at = at[(place >= 0) & (at < end[place])]
    if len(at) == 0:
        return buffer, start, end
    mark, second = np.zeros(256, np.uint8), np.zeros(256, np.uint8)
    for first, following, byte in rules.pairs:
        mark[byte], second[byte] = first, following
    counts = np.ones(len(buffer), np.int64)
    counts[at] = 2
    longer = np.repeat(buffer, counts)
    put = at + np.arange(len(at))
    longer[put] = mark[buffer[at]]
    longer[put + 1] = second[buffer[at]]
    return longer, start + np.searchsorted(at, start), end + np.searchsorted(at, end)


def _marks(buffer: Bytes, rules: Escaping) -> NDArray[Any]:
    """Where the marks stand."""
    first, *more = rules.marks
    found = buffer == first
    for mark in more:
        found |= buffer == mark
    return np.flatnonzero(found)
