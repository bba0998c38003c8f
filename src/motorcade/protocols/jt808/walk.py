"""Finding the additional items of many location bodies at once.

An item is an id, a length and a value. ``_alike`` reads one body's chain in plain Python and takes
it over for every body of the same size whose ids and lengths stand at the same places; what is left
goes through ``_rounds``, which moves a cursor in all bodies at once, an item a round. Both give the
same columns, so their cost is per layout or per round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.wire.ragged import gather

__all__ = ["Found", "Walk", "walk", "walk_words"]

_ALIKE_MIN: Final = 48
"""Bodies from which on looking for a common layout pays."""

_LAYOUTS_MAX: Final = 12
"""Layouts tried before the rest is walked in rounds."""

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@dataclass(slots=True)
class Found:
    """Items of one id and length: the bodies' rows (ascending), where their values begin, and what
    number of its body's items each is."""

    rows: Ints
    at: Ints
    turn: Ints

    def take(self, chosen: NDArray[Any]) -> Found:
        """Some of them (indices or a mask)."""
        return Found(self.rows[chosen], self.at[chosen], self.turn[chosen])

    def once(self) -> tuple[Found, Found | None]:
        """The last one of every row, and those before it."""
        again = self.rows[1:] == self.rows[:-1]
        if not again.any():
            return self, None
        before = np.append(again, False)
        return self.take(~before), self.take(before)


@dataclass(slots=True)
class Walk:
    """``found`` by (id, length). ``rest``: rows whose body goes on behind the last whole item, and
    where."""

    found: dict[tuple[int, int], Found]
    rest: tuple[Ints, Ints]


@dataclass(slots=True)
class _Parts:
    found: dict[tuple[int, int], list[tuple[Ints, Ints, Ints]]] = field(default_factory=dict)
    rest: list[tuple[Ints, Ints]] = field(default_factory=list)


def walk(buffer: Bytes, start: Ints, end: Ints) -> Walk:
    """Find the items between ``start`` and ``end`` of every body (int64, n)."""
    parts = _Parts()
    left = np.flatnonzero(end > start)
    for _ in range(_LAYOUTS_MAX):
        if len(left) < _ALIKE_MIN:
            break
        before = len(left)
        left = _alike(buffer, start, end, left, parts)
        if before - len(left) < _ALIKE_MIN // 2:
            break
    if len(left):
        _rounds(buffer, start, end, left, parts)
    return _joined(parts)


def walk_words(buffer: Bytes, start: Ints, end: Ints) -> Walk:
    """Find items whose head is a length of two bytes (what follows it) and an id of two."""
    parts = _Parts()
    _rounds(buffer, start, end, np.flatnonzero(end > start), parts, wide=True)
    return _joined(parts)


def _alike(buffer: Bytes, start: Ints, end: Ints, left: Ints, parts: _Parts) -> Ints:
    """Take the bodies laid out as the first one out of ``left``; gives what is left."""
    first = int(left[0])
    size = int(end[first] - start[first])
    body = buffer[start[first] : end[first]].tobytes()
    chain = []
    at = 0
    while at + 2 <= size and at + 2 + body[at + 1] <= size:
        chain.append(at)
        at += 2 + body[at + 1]
    if at < size:
        return left
    heads = np.array(chain, np.int64)
    places = np.concatenate([heads, heads + 1])
    same = left[end[left] - start[left] == size]
    wanted = np.frombuffer(body, np.uint8)[places]
    begin = start[same]
    match = np.ones(len(same), bool)
    if len(places) * 4 < size:
        for place, byte in zip(places.tolist(), wanted.tolist(), strict=True):
            match &= buffer[begin + place] == byte
    else:
        match = (gather(buffer, begin, size)[:, places] == wanted).all(axis=1)
    rows = same if match.all() else same[match]
    begin = start[rows]
    for turn, place in enumerate(chain):
        key = (body[place], body[place + 1])
        entry = (rows, begin + (place + 2), np.full(len(rows), turn))
        parts.found.setdefault(key, []).append(entry)
    if len(rows) == len(left):
        return left[:0]
    others = np.ones(len(start), bool)
    others[rows] = False
    return left[others[left]]


def _rounds(
    buffer: Bytes, start: Ints, end: Ints, rows: Ints, parts: _Parts, *, wide: bool = False
) -> None:
    """One item of every body a round, until all are at their end."""
    at, stop = start[rows], end[rows]
    width = 4 if wide else 2
    told: list[tuple[Ints, ...]] = []
    turn = 0
    while len(rows):
        head = at + width <= stop
        place = np.where(head, at, 0)
        number, size = _head(buffer, place, wide)
        whole = head & (size >= 0) & (at + width + size <= stop)
        if not whole.all():
            broken = ~whole
            parts.rest.append((rows[broken], at[broken]))
            rows, at, stop = rows[whole], at[whole], stop[whole]
            number, size = number[whole], size[whole]
        told.append((rows, at + width, np.full(len(rows), turn), number << 16 | size))
        at = at + width + size
        turn += 1
        on = at < stop
        if not on.all():
            rows, at, stop = rows[on], at[on], stop[on]
    if told:
        _by_key(told, parts)


def _head(buffer: Bytes, at: Ints, wide: bool) -> tuple[Ints, Ints]:
    """Id and length of what follows the head."""
    if not wide:
        return buffer[at].astype(np.int64), buffer[at + 1].astype(np.int64)
    length, low, high, last = (buffer[at + step].astype(np.int64) for step in range(4))
    return high << 8 | last, (length << 8 | low) - 2


def _by_key(told: list[tuple[Ints, ...]], parts: _Parts) -> None:
    columns = [np.concatenate(column) for column in zip(*told, strict=True)]
    order = np.lexsort((columns[2], columns[0], columns[3]))
    row, place, turn, key = (column[order] for column in columns)
    if len(key) == 0:
        return
    edges = np.flatnonzero(np.append(True, key[1:] != key[:-1])).tolist()
    for begin, stop in zip(edges, [*edges[1:], len(key)], strict=True):
        one = divmod(int(key[begin]), 1 << 16)
        piece = slice(begin, stop)
        parts.found.setdefault(one, []).append((row[piece], place[piece], turn[piece]))


def _joined(parts: _Parts) -> Walk:
    found = {}
    for key, pieces in parts.found.items():
        if len(pieces) == 1:
            found[key] = Found(*pieces[0])
            continue
        rows, at, turn = (np.concatenate(column) for column in zip(*pieces, strict=True))
        if (rows[1:] < rows[:-1]).any():
            order = np.argsort(rows, kind="stable")
            rows, at, turn = rows[order], at[order], turn[order]
        found[key] = Found(rows, at, turn)
    none = np.zeros(0, np.int64)
    halts = parts.rest or [(none, none)]
    rest, places = (np.concatenate(column) for column in zip(*halts, strict=True))
    order = np.argsort(rest, kind="stable")
    return Walk(found, (rest[order], places[order]))
