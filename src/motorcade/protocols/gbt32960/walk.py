"""Finding the items of many reports at once.

A body is a chain of items without lengths, so where an item stands depends on all before it. Two
ways: ``_alike`` walks one frame in plain Python and takes over its layout for every frame of the
same length whose structural bytes (types and counts) are the same; what is left goes through
``_rounds``, which moves a cursor in all frames at once, one segment a round. Both give the same
columns, so their cost is per layout or per round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.gbt32960.plan import Plan
from motorcade.wire.ragged import gather

__all__ = ["Bodies", "Found", "Walk", "walk"]

_ALIKE_MIN: Final = 64
"""Frames from which on looking for a common layout pays."""

_LAYOUTS_MAX: Final = 12
"""Layouts tried before the rest is walked in rounds."""

_NAMES: Final = (
    "size",
    "high_at",
    "high",
    "low_at",
    "low",
    "limit",
    "each",
    "more",
    "done",
    "head",
)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bodies:
    """The chains of items to walk: from ``start`` to ``end`` of ``buffer`` (int64, n), ``edition``
    0 for 2016 and 1 for 2025."""

    buffer: NDArray[np.uint8]
    edition: Ints
    start: Ints
    end: Ints


@dataclass(slots=True)
class Found:
    """Segments of one state: the frame's row, where it begins, its list's length, its item's type
    byte, and the count as it was sent (all-ones and one less mean no list)."""

    rows: Ints
    at: Ints
    count: Ints
    item: Ints
    sent: Ints


@dataclass(slots=True)
class Walk:
    """``found`` by state; ``broken`` rows whose body ends inside an item; where an unknown type
    stopped a walk: ``stopped`` rows and the place ``stopped_at`` of its type byte."""

    found: dict[int, Found]
    broken: Ints
    stopped: Ints
    stopped_at: Ints


@dataclass(slots=True)
class _Parts:
    """Columns collected piece by piece."""

    found: dict[int, list[tuple[Ints, ...]]] = field(default_factory=dict)
    broken: list[Ints] = field(default_factory=list)
    stopped: list[tuple[Ints, Ints]] = field(default_factory=list)


def walk(plan: Plan, bodies: Bodies) -> Walk:
    """Find the segments of every body."""
    parts = _Parts()
    rest = np.arange(len(bodies.start))
    for _ in range(_LAYOUTS_MAX):
        if len(rest) < _ALIKE_MIN:
            break
        before = len(rest)
        rest = _alike(plan, bodies, rest, parts)
        if before - len(rest) < _ALIKE_MIN // 2:
            break
    if len(rest):
        _rounds(plan, bodies, rest, parts)
    return _joined(parts)


def _alike(plan: Plan, bodies: Bodies, rest: Ints, parts: _Parts) -> Ints:
    """Take the frames that are laid out as the first one out of ``rest``; gives what is left."""
    buffer, edition, start, end = bodies.buffer, bodies.edition, bodies.start, bodies.end
    first = int(rest[0])
    length = int(end[first] - start[first])
    body = buffer[start[first] : end[first]].tobytes()
    steps = _steps(plan, body, int(edition[first]))
    if steps is None:
        return rest
    places = np.array(sorted({place for step in steps for place in step[4]}), np.int64)
    same = (edition[rest] == edition[first]) & (end[rest] - start[rest] == length)
    rows = rest if same.all() else rest[same]
    wanted = np.frombuffer(body, np.uint8)[places]
    candidates = gather(buffer, start[rows], length)
    match = (candidates[:, places] == wanted).all(axis=1)
    if not match.all():
        rows = rows[match]
    begin = start[rows]
    for state, at, count, item, _, sent in steps:
        many = np.full(len(rows), count, np.int64)
        said = many if sent == count else np.full(len(rows), sent, np.int64)
        entry = (rows, begin + at, many, begin + item, said)
        parts.found.setdefault(state, []).append(entry)
    left = np.ones(len(start), bool)
    left[rows] = False
    return rest[left[rest]]


def _steps(
    plan: Plan, body: bytes, edition: int
) -> list[tuple[int, int, int, int, tuple[int, ...], int]] | None:
    """One frame's segments: state, begin, count, item, places of its structural bytes, count as
    sent. None where the body is broken or has an unknown type."""
    table = plan.table
    at = state = left = item = 0
    steps = []
    while state or at < len(body):
        places: tuple[int, ...] = ()
        if not state:
            state, item, places = int(plan.entry[edition * 256 + body[at]]), at, (at,)
        if state == plan.stop or at + table["size"][state] > len(body):
            return None
        high, low = at + table["high_at"][state], at + table["low_at"][state]
        sent = body[high] * table["high"][state] + body[low] * table["low"][state]
        if table["low"][state]:
            places = (*places, high, low)
        count = sent if sent < table["limit"][state] else 0
        steps.append((state, at, count, item, places, sent))
        at += table["size"][state] + table["each"][state] * count
        left = count if table["head"][state] else left - 1
        state = table["more"][state] if left > 0 else table["done"][state]
    return steps if at == len(body) else None


def _rounds(plan: Plan, bodies: Bodies, rows: Ints, parts: _Parts) -> None:
    """One segment of every frame a round, until all are at their end."""
    table = np.array([plan.table[name] for name in _NAMES])
    buffer, end = bodies.buffer, bodies.end[rows]
    kind = bodies.edition[rows] * 256
    at, state = bodies.start[rows], np.zeros(len(rows), np.int64)
    left, item = state.copy(), at.copy()
    told: list[tuple[Ints, ...]] = []
    while True:
        going = (state > 0) | (at < end)
        if np.count_nonzero(going) < len(rows):
            rows, at, state, left, item, end, kind = (
                column[going] for column in (rows, at, state, left, item, end, kind)
            )
        if len(rows) == 0:
            break
        fresh = state == 0
        inside = np.minimum(at, len(buffer) - 1)
        state = np.where(fresh, plan.entry[kind + buffer[inside]], state)
        item = np.where(fresh, at, item)
        size, high_at, high, low_at, low, limit, each, more, done, head = table[:, state]
        body = at + size
        good = (body <= end) & (state != plan.stop)
        if np.count_nonzero(good) < len(rows):
            halt = state == plan.stop
            parts.stopped.append((rows[halt], at[halt]))
            parts.broken.append(rows[~good & ~halt])
            rows, at, state, left, item, end, kind = (
                column[good] for column in (rows, at, state, left, item, end, kind)
            )
            size, high_at, high, low_at, low, limit, each, more, done, head = table[:, state]
            body = at + size
        sent = buffer[at + high_at] * high
        sent += buffer[at + low_at] * low
        count = np.where(sent < limit, sent, 0)
        told.append((rows, at, count, item, sent, state))
        left = np.where(head > 0, count, left - 1)
        state = np.where(left > 0, more, done)
        at = body + each * count
        over = at > end
        if np.count_nonzero(over):
            parts.broken.append(rows[over])
            fit = ~over
            rows, at, state, left, item, end, kind = (
                column[fit] for column in (rows, at, state, left, item, end, kind)
            )
    _by_state(told, parts)


def _by_state(told: list[tuple[Ints, ...]], parts: _Parts) -> None:
    """Sort what the rounds saw by state; frames that broke are told by ``broken``."""
    if not told:
        return
    columns = np.concatenate([np.stack(column) for column in told], axis=1)
    rows, state = columns[0], columns[5]
    if len(rows) == 0:
        return
    # Stable, so segments of a frame stay in the order they were sent in.
    order = np.argsort(state * (int(rows.max()) + 1) + rows, kind="stable")
    columns = columns[:, order]
    counts = np.bincount(state)
    ends = np.cumsum(counts)
    for one in np.flatnonzero(counts).tolist():
        end = int(ends[one])
        entry = tuple(columns[:5, end - int(counts[one]) : end])
        parts.found.setdefault(one, []).append(entry)


def _joined(parts: _Parts) -> Walk:
    none = np.zeros(0, np.int64)
    broken = np.unique(np.concatenate([none, *parts.broken]))
    found = {}
    for state, pieces in parts.found.items():
        columns = pieces[0]
        if len(pieces) > 1:
            columns = tuple(np.concatenate(column) for column in zip(*pieces, strict=True))
        rows = columns[0]
        if len(pieces) > 1 and np.count_nonzero(rows[1:] < rows[:-1]):
            order = np.argsort(rows, kind="stable")
            columns = tuple(column[order] for column in columns)
        if len(broken):
            whole = ~np.isin(columns[0], broken)
            columns = tuple(column[whole] for column in columns)
        if len(columns[0]):
            found[state] = Found(*columns)
    halts = parts.stopped or [(none, none)]
    rows, places = (np.concatenate(column) for column in zip(*halts, strict=True))
    return Walk(found, broken, rows, places)
