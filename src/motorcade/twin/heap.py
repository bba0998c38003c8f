"""The heap of a twin partition: blocks that hold a row's lists and strings.

A block begins at ``handle * 16`` with four uint32 — payload capacity in bytes, payload length in
bytes, the row and the signal number it belongs to — and holds items of the column's type. A value
that fits overwrites its block; one that does not gets a new block of at least twice the capacity,
so what is abandoned is never more than what is in use, and nothing needs compacting. The owner in
each block is checked before reading or reusing it: after a power cut a handle may be older than
its block.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.limits import TWIN_HEAP_UNITS_MAX
from motorcade.twin.layout import Head, map_array
from motorcade.wire.ragged import ranges, starts_of

__all__ = ["UNIT_BYTES", "Heap", "block", "blocks"]

UNIT_BYTES: Final = 16
_HEADER_WORDS: Final = 4
_UNITS_FIRST: Final = 1 << 12
_BLOCK_UNITS_MAX: Final = (128 << 10) // UNIT_BYTES
"""Room of the largest block: twice the largest frame."""


class Heap:
    """The writer's view: allocates, and scatters payloads of many rows at once."""

    def __init__(self, path: Path, head: NDArray[np.uint64]) -> None:
        self._path = path
        self._head = head
        self._words: NDArray[np.uint32] = np.zeros(0, np.uint32)
        if int(head[Head.HEAP_UNITS]):
            self._map(int(head[Head.HEAP_UNITS]))

    def recover(self) -> None:
        """After a crash: find the end again, past every block any header claims room for."""
        units = len(self._words) // _HEADER_WORDS
        if not units:
            return
        used = np.flatnonzero(self._words.reshape(-1, _HEADER_WORDS).any(axis=1))
        end = int(used[-1]) + 1 + _BLOCK_UNITS_MAX if len(used) else 1
        self._head[Head.HEAP_END] = max(end, int(self._head[Head.HEAP_END]))

    def write(
        self,
        number: int,
        *,
        rows: NDArray[np.int64],
        handles: NDArray[np.uint32],
        items: NDArray[Any],
        first: NDArray[np.int64],
        count: NDArray[np.int64],
    ) -> NDArray[np.uint32]:
        """Store each row's items (``items[first:first + count]``); the handles to put in its cells.

        ``handles`` are the cells' present ones (0: none). Rows are distinct. Where the heap is full
        the handle is 0 and nothing is stored.
        """
        item = items.dtype.itemsize
        size = count * item
        capacity = self._capacity(number, rows, handles)
        grow = size > capacity
        grow |= (handles == 0) | (capacity < 0)
        if grow.any():
            handles = handles.copy()
            wanted = np.maximum(size[grow], 2 * capacity[grow])
            handles[grow] = self._allocate(number, rows[grow], wanted)
        kept = handles != 0
        start = handles.astype(np.int64)
        self._words[start[kept] * _HEADER_WORDS + 1] = size[kept].astype(np.uint32)
        places = (start + 1) * (UNIT_BYTES // item)
        if not kept.all():
            places, first, count = places[kept], first[kept], count[kept]
        target = self._words.view(f"u{item}")
        source = items.view(f"u{item}")
        target[ranges(places, count)] = source[ranges(first, count)]
        return handles

    def _capacity(
        self, number: int, rows: NDArray[np.int64], handles: NDArray[np.uint32]
    ) -> NDArray[np.int64]:
        """Payload bytes each handle's block has for its owner; -1 where it is another's."""
        if not len(self._words):
            return np.full(len(rows), -1, np.int64)
        known = handles < len(self._words) // _HEADER_WORDS
        at = np.where(known, handles, 0).astype(np.int64) * _HEADER_WORDS
        mine = known & (self._words[at + 2] == rows) & (self._words[at + 3] == number)
        return np.where(mine, self._words[at].astype(np.int64), -1)

    def _allocate(
        self, number: int, rows: NDArray[np.int64], wanted: NDArray[np.int64]
    ) -> NDArray[np.uint32]:
        units = 1 + np.maximum((wanted + UNIT_BYTES - 1) // UNIT_BYTES, 1)
        first = int(self._head[Head.HEAP_END]) + np.cumsum(units) - units
        fits = first + units <= TWIN_HEAP_UNITS_MAX
        end = int((first + units)[fits].max(initial=int(self._head[Head.HEAP_END])))
        if end * _HEADER_WORDS > len(self._words):
            self._grow(end)
        at = first[fits] * _HEADER_WORDS
        self._words[at] = ((units[fits] - 1) * UNIT_BYTES).astype(np.uint32)
        self._words[at + 2] = rows[fits].astype(np.uint32)
        self._words[at + 3] = number
        self._head[Head.HEAP_END] = end
        return np.where(fits, first, 0).astype(np.uint32)

    def _grow(self, units: int) -> None:
        room = max(_UNITS_FIRST, int(self._head[Head.HEAP_UNITS]))
        while room < units:
            room *= 2
        self._map(min(room, TWIN_HEAP_UNITS_MAX))
        self._head[Head.GENERATION] += 1

    def _map(self, units: int) -> None:
        words = map_array(self._path, np.uint32, units * _HEADER_WORDS, write=True)
        self._words = words
        self._head[Head.HEAP_UNITS] = units


def block(words: NDArray[np.uint32], number: int, row: int, handle: int) -> bytes | None:
    """A copy of one block's payload; None where the block is not the row's, or beyond the map."""
    at = handle * _HEADER_WORDS
    if at + _HEADER_WORDS > len(words):
        return None
    capacity, length, owner, signal = words[at : at + _HEADER_WORDS].tolist()
    if owner != row or signal != number or length > capacity:
        return None
    begin = at + _HEADER_WORDS
    return words[begin : begin + (length + 3) // 4].tobytes()[:length]


def blocks(
    words: NDArray[np.uint32], number: int, rows: NDArray[np.int64], handles: NDArray[np.uint32]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
    """Copies of many blocks' payloads end to end: bytes, n + 1 starts, and which are not there."""
    if not len(words):
        return (
            np.zeros(0, np.uint8),
            np.zeros(len(rows) + 1, np.int64),
            np.ones(len(rows), np.bool_),
        )
    at = handles.astype(np.int64) * _HEADER_WORDS
    at[at + _HEADER_WORDS > len(words)] = 0
    length = words[at + 1].astype(np.int64)
    there = (at > 0) & (words[at + 2] == rows) & (words[at + 3] == number)
    there &= (length <= words[at]) & ((at + _HEADER_WORDS) * 4 + length <= len(words) * 4)
    length[~there] = 0
    payload = words.view(np.uint8)[ranges((at + _HEADER_WORDS) * 4, length)]
    return payload, starts_of(length), ~there
