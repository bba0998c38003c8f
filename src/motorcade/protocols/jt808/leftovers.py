"""What has no signal, or lost its place to another item: kept as bytes in the ``raw`` column.

One entry is ``id u8, length u16, bytes``. Kept are: items no table holds for, an item that comes
twice (the last one counts, the others are kept), items with a code nobody knows, and what stands
behind the last whole item, under the id it begins with.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.jt808.sink import binary_column
from motorcade.protocols.jt808.walk import Found
from motorcade.wire.ragged import ranges, starts_of

__all__ = ["Leftovers", "read_raw"]

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


class Leftovers:
    """Pieces of ``n`` bodies."""

    def __init__(self, rows: int) -> None:
        self.n = rows
        self._pieces: list[tuple[Ints, Ints, Ints, Ints]] = []

    def keep(self, number: int, found: Found, size: int) -> None:
        """Items of one id and length."""
        many = len(found.rows)
        self._pieces.append((found.rows, found.at, np.full(many, size), np.full(many, number)))

    def keep_rest(self, buffer: Bytes, rows: Ints, at: Ints, end: Ints) -> None:
        """What stands from ``at`` to ``end``, its first byte taken for an id."""
        if len(rows):
            self._pieces.append((rows, at + 1, end - at - 1, buffer[at].astype(np.int64)))

    def column(self, buffer: Bytes) -> pa.Array | None:
        """The ``raw`` column; None where no row keeps anything."""
        if not self._pieces:
            return None
        rows, at, size, number = (
            np.concatenate(column) for column in zip(*self._pieces, strict=True)
        )
        order = np.lexsort((at, rows))
        rows, at, size, number = rows[order], at[order], size[order], number[order]
        starts = starts_of(size + 3)
        out = np.empty(int(starts[-1]), np.uint8)
        out[starts[:-1]] = number
        out[starts[:-1] + 1] = size >> 8
        out[starts[:-1] + 2] = size & 0xFF
        out[ranges(starts[:-1] + 3, size)] = buffer[ranges(at, size)]
        lengths = np.bincount(rows, weights=size + 3, minlength=self.n).astype(np.int64)
        there = np.zeros(self.n, bool)
        there[rows] = True
        return binary_column(out, lengths, there)


def read_raw(data: bytes | None) -> list[tuple[int, bytes]]:
    """The entries of one row's ``raw``: id and bytes."""
    entries = []
    at = 0
    while data is not None and at + 3 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        entries.append((data[at], data[at + 3 : at + 3 + size]))
        at += 3 + size
    return entries
