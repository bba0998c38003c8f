"""Location bodies inside messages: one in 0x0200, 0x0201 and 0x0500, many in 0x0704.

In: headers. Out: where each body stands, whose it is, and whether it was sent from the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.jt808.heads import Heads
from motorcade.protocols.jt808.words import BATCHES, POSITIONS

__all__ = ["BASIC_BYTES", "Bodies", "find_bodies"]

BASIC_BYTES: Final = 28
"""Bytes every location body begins with (table 23)."""

Ints = NDArray[np.int64]


@dataclass(slots=True)
class Bodies:
    """``n`` location bodies from ``start`` to ``end``; ``frame`` the row of their message,
    ``reissued`` sent from the store. ``odd`` are pieces of batches that are none: frame, start,
    end. ``broken`` messages without any body."""

    frame: Ints
    start: Ints
    end: Ints
    reissued: NDArray[np.bool_]
    odd: list[tuple[int, int, int]] = field(default_factory=list)
    broken: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


def find_bodies(heads: Heads, usable: NDArray[np.bool_]) -> Bodies:
    """The location bodies of the ``usable`` messages, in the order of their frames."""
    parts: list[tuple[Ints, Ints, Ints, NDArray[np.bool_]]] = []
    broken: list[Ints] = []
    for message, shift in POSITIONS.items():
        rows = np.flatnonzero(usable & (heads.message == message))
        if not len(rows):
            continue
        start, end = heads.body[rows] + shift, heads.end[rows]
        whole = end - start >= BASIC_BYTES
        if not whole.all():
            broken.append(rows[~whole])
            rows, start, end = rows[whole], start[whole], end[whole]
        parts.append((rows, start, end, np.zeros(len(rows), bool)))
    odd: list[tuple[int, int, int]] = []
    for message, form in BATCHES.items():
        rows = np.flatnonzero(usable & (heads.message == message))
        if len(rows):
            taken, short = _batches(heads, rows, form, odd)
            parts += taken
            broken.append(short)
    alone = [part for part in parts if len(part[0])]
    if len(alone) == 1:
        frame, start, end, reissued = alone[0]
    elif not parts:
        none = np.zeros(0, np.int64)
        frame, start, end, reissued = none, none, none, np.zeros(0, bool)
    else:
        frame, start, end, reissued = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )
    if (frame[1:] < frame[:-1]).any():
        order = np.argsort(frame, kind="stable")
        frame, start, end, reissued = frame[order], start[order], end[order], reissued[order]
    if not broken:
        return Bodies(frame, start, end, reissued)
    lost = np.setdiff1d(np.concatenate(broken), frame)
    odd = [piece for piece in odd if piece[0] not in set(lost.tolist())]
    return Bodies(frame, start, end, reissued, odd, lost)


def _batches(
    heads: Heads, rows: Ints, form: tuple[int, int], odd: list[tuple[int, int, int]]
) -> tuple[list[tuple[Ints, Ints, Ints, NDArray[np.bool_]]], Ints]:
    """0x0704: count WORD, type BYTE (1: from the store), then length WORD and body each; 0x0210 has
    no head and lengths of a byte. One round an item; what a batch holds behind its last whole item
    is odd, its count is not believed."""
    buffer = heads.buffer
    skip, width = form
    at, end = heads.body[rows] + skip, heads.end[rows]
    long = end - at >= 0
    broken = rows[~long]
    rows, at, end = rows[long], at[long], end[long]
    stored = buffer[at - 1] == 1 if skip else np.zeros(len(rows), bool)
    parts: list[tuple[Ints, Ints, Ints, NDArray[np.bool_]]] = []
    while len(rows):
        head = at + width <= end
        place = np.where(head, at, 0)
        size = buffer[place].astype(np.int64)
        if width == 2:
            size = size << 8 | buffer[place + 1]
        stop = np.where(head, at + width + size, end)
        inside = head & (stop <= end)
        good = inside & (size >= BASIC_BYTES)
        parts.append((rows[good], at[good] + width, stop[good], stored[good]))
        for row in np.flatnonzero(~good).tolist():
            odd.append((int(rows[row]), int(at[row]), int(stop[row] if inside[row] else end[row])))
        on = inside & (stop < end)
        rows, at, end, stored = rows[on], stop[on], end[on], stored[on]
    return parts, np.concatenate([broken, np.array(sorted({one[0] for one in odd}), np.int64)])
