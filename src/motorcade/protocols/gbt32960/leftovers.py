"""What has no signal, or lost its place to another item: kept as bytes in the ``raw`` column.

One entry is ``type u8, length u16, bytes``, which is how the standard writes custom items (0x80 to
0xFE) itself. Kept are: custom items; an item that comes twice (the last one counts, the others are
kept); drive motors beyond the fourth (the whole item); an item with a code the standard does not
know; and everything from an unknown type on.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.gbt32960.plan import MOTORS_MAX, Kept, Plan
from motorcade.protocols.gbt32960.sink import arrow_strings
from motorcade.protocols.gbt32960.walk import Found, Walk
from motorcade.wire.ragged import ranges, starts_of

__all__ = ["set_aside", "raw_column", "read_raw"]

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


def set_aside(plan: Plan, walked: Walk) -> list[tuple[Ints, Ints, Ints]]:
    """Take items that came twice out of ``walked.found``. Gives (rows, begin, end) of items to
    keep."""
    pieces = []
    for state, found in list(walked.found.items()):
        kept = plan.kept.get(state)
        if kept is None or not kept.first or len(found.rows) < 2:
            continue
        twice = found.rows[1:] == found.rows[:-1]
        if np.count_nonzero(twice):
            again = np.append(twice, False)
            lost = found.item[again]
            pieces.append((found.rows[again], lost, _end_of(plan, walked, lost)))
            _drop(walked, lost)
    return pieces


def raw_column(
    plan: Plan,
    buffer: Bytes,
    end: Ints,
    walked: Walk,
    *,
    pieces: list[tuple[Ints, Ints, Ints]],
    n: int,
) -> pa.Array | None:
    """The ``raw`` column of ``n`` rows; None where no row keeps anything. ``end`` of each row's
    body."""
    pieces = list(pieces)
    custom = walked.found.get(plan.custom)
    if custom is not None:
        pieces.append((custom.rows, custom.at, custom.at + 3 + custom.count))
    if len(walked.stopped):
        pieces.append((walked.stopped, walked.stopped_at, end[walked.stopped]))
    for state, found in walked.found.items():
        kept = plan.kept.get(state)
        if kept is None:
            continue
        odd = _odd(plan, buffer, state, kept, found)
        if odd is not None:
            item = found.item[odd]
            pieces.append((found.rows[odd], item, _end_of(plan, walked, item)))
    if not pieces:
        return None
    rows, begin, stop = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.lexsort((begin, rows))
    return _packed(buffer, rows[order], begin[order], stop[order], n)


def read_raw(data: bytes | None) -> list[tuple[int, bytes]]:
    """The entries of one row's ``raw``: type and bytes."""
    entries = []
    at = 0
    while data is not None and at + 3 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        entries.append((data[at], data[at + 3 : at + 3 + size]))
        at += 3 + size
    return entries


def _odd(
    plan: Plan, buffer: Bytes, state: int, kept: Kept, found: Found
) -> NDArray[np.bool_] | None:
    """Which segments say more than their signals can."""
    if kept.instances:
        many = found.count > MOTORS_MAX
        return many if np.count_nonzero(many) else None
    if not kept.odd:
        return None
    odd = np.zeros(len(found.rows), bool)
    begin = found.at + plan.table["shift"][state]
    for place, strange in kept.odd:
        odd |= strange[buffer[begin + place]]
    return odd if np.count_nonzero(odd) else None


def _end_of(plan: Plan, walked: Walk, items: Ints) -> Ints:
    """Where items end, told by their last segments."""
    order = np.argsort(items)
    ordered = items[order]
    ends = np.zeros(len(items), np.int64)
    for state, found in walked.found.items():
        place = np.searchsorted(ordered, found.item)
        here = np.append(ordered, -1)[place] == found.item
        if here.any():
            stop = found.at + plan.table["size"][state] + plan.table["each"][state] * found.count
            np.maximum.at(ends, order[place[here]], stop[here])
    return ends


def _drop(walked: Walk, items: Ints) -> None:
    for state, found in list(walked.found.items()):
        keep = ~np.isin(found.item, items)
        if keep.all():
            continue
        if not keep.any():
            del walked.found[state]
            continue
        walked.found[state] = Found(
            found.rows[keep],
            found.at[keep],
            found.count[keep],
            found.item[keep],
            found.sent[keep],
        )


def _packed(buffer: Bytes, rows: Ints, begin: Ints, stop: Ints, n: int) -> pa.Array:
    """Entries end to end. Custom items have their head on the wire; the others get one."""
    kind = buffer[begin]
    custom = (kind >= 0x80) & (kind < 0xFF)
    body = np.where(custom, begin + 3, begin + 1)
    size = stop - body
    starts = starts_of(size + 3)
    out = np.empty(int(starts[-1]), np.uint8)
    out[starts[:-1]] = kind
    out[starts[:-1] + 1] = size >> 8
    out[starts[:-1] + 2] = size & 0xFF
    out[ranges(starts[:-1] + 3, size)] = buffer[ranges(body, size)]
    lengths = np.bincount(rows, weights=size + 3, minlength=n).astype(np.int64)
    there = np.zeros(n, bool)
    there[rows] = True
    return arrow_strings(out, lengths, there, pa.binary())
