"""Reports of many vehicles encoded at once, for the simulator: the tables of ``decode`` read
backwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorcade.errors import Invalid
from motorcade.protocols.frames import Frames
from motorcade.protocols.gbt32960.framing import HEADER, frames_of
from motorcade.protocols.gbt32960.layout import Field, Item, Segment
from motorcade.protocols.gbt32960.plan import EDITIONS, MOTORS_MAX, column, plan
from motorcade.protocols.gbt32960.times import times6
from motorcade.protocols.gbt32960.words import COMMAND, PLAIN, REALTIME, REISSUE, STARTS
from motorcade.signals.catalogue import Catalogue

__all__ = ["encode_reports", "vin_bytes"]

Bytes = NDArray[np.uint8]
Columns = Mapping[str, NDArray[Any]]


def vin_bytes(vins: Sequence[str | bytes]) -> Bytes:
    """VINs as uint8 (n, 17), cut or filled with NULs."""
    return np.array(vins, dtype="S17").view(np.uint8).reshape(len(vins), 17)


def encode_reports(
    vins: Bytes,
    event_time: NDArray[np.int64],
    columns: Columns,
    *,
    edition: int = 2016,
    items: Iterable[int] | None = None,
    reissued: bool = False,
) -> Frames:
    """``n`` sealed frames of one layout, end to end in the buffer.

    ``vins`` uint8 (n, 17), ``event_time`` µs UTC (n), ``columns`` by VSS path in catalogue units:
    (n), or (n, m) for list signals; enumerations as codes. NaN, and a field without a column, is
    sent as invalid. Packs and stacks: one, unless the column of their counts (``…Pack.CellCount``,
    (n, m), the same in every row) says that their columns and lists hold several. ``items`` are
    the information types in the order wanted; by default those that some column belongs to,
    ascending. Paths no item has are ignored.
    """
    known = {item.type: item for item in EDITIONS[edition]}
    if items is None:
        items = [kind for kind, item in known.items() if _paths(item) & columns.keys()]
    n = len(vins)
    parts: list[Bytes] = [times6(event_time)]
    for kind in items:
        if kind not in known:
            raise Invalid(f"edition {edition} has no information type 0x{kind:02X}")
        parts.append(np.full((n, 1), kind, np.uint8))
        for segment in known[kind].segments:
            parts.extend(_segment(plan().catalogue, segment, columns, n))
    unit = np.concatenate(parts, axis=1)
    head = np.empty((n, HEADER), np.uint8)
    head[:, :2] = np.frombuffer(STARTS[edition], np.uint8)
    head[:, 2] = REISSUE if reissued else REALTIME
    head[:, 3] = COMMAND
    head[:, 4:21] = vins
    head[:, 21] = PLAIN
    head[:, 22:24] = divmod(unit.shape[1], 256)
    whole = np.concatenate([head, unit, np.zeros((n, 1), np.uint8)], axis=1)
    whole[:, -1] = np.bitwise_xor.reduce(whole[:, 2:], axis=1)
    size = whole.shape[1]
    rows = np.arange(n)
    return frames_of(whole.ravel(), rows * size, np.full(n, size), rows)


def _paths(item: Item) -> set[str]:
    found: set[str] = set()
    for segment in item.segments:
        for one in (segment, segment.repeats):
            if one is not None:
                found.update(field.path for field in one.fields)
                numbers = range(1, MOTORS_MAX + 1) if one.instances else ()
                found.update(f"{one.instances}{k}.{f.path}" for k in numbers for f in one.elements)
                found.update(f.path for f in one.elements if not one.instances)
    return found


def _segment(catalogue: Catalogue, segment: Segment, columns: Columns, n: int) -> list[Bytes]:
    """The bytes of one segment: its fixed part, then its list."""
    if segment.repeats is not None:
        return _repetitions(catalogue, segment.repeats, columns, n)
    fixed = np.zeros((n, segment.size), np.uint8)
    for one in segment.fields:
        _write(catalogue, fixed, one, columns.get(one.path), one.path)
    count, rows = _elements(catalogue, segment, columns, n)
    if segment.count is not None:
        at, width = segment.count
        fixed[:, at : at + width] = list(count.to_bytes(width, "big"))
    return [fixed, rows]


def _repetitions(catalogue: Catalogue, segment: Segment, columns: Columns, n: int) -> list[Bytes]:
    """As many as the column of ``segment.counts`` has, (n, m) and the same in every row; one where
    there is no such column."""
    counts = columns.get(segment.counts)
    if counts is None:
        return [np.ones((n, 1), np.uint8), *_segment(catalogue, segment, columns, n)]
    times = counts.shape[1]
    edges = np.zeros(times + 1, np.int64)
    np.cumsum(counts[0], out=edges[1:])
    unknown = np.full((n, int(edges[-1])), np.nan)
    parts: list[Bytes] = [np.full((n, 1), times, np.uint8)]
    for place in range(times):
        own = {
            one.path: columns[one.path][:, place] for one in segment.fields if one.path in columns
        }
        begin, end = edges[place : place + 2].tolist()
        for one in segment.elements:
            known = columns.get(one.path, unknown)
            own[one.path] = (known if known.shape == unknown.shape else unknown)[:, begin:end]
        parts.extend(_segment(catalogue, segment, own, n))
    return parts


def _elements(
    catalogue: Catalogue, segment: Segment, columns: Columns, n: int
) -> tuple[int, Bytes]:
    if segment.instances:
        numbers = range(1, MOTORS_MAX + 1)
        wanted = [
            k for k in numbers if any(p.startswith(f"{segment.instances}{k}.") for p in columns)
        ]
        count = max(wanted, default=0)
    else:
        lists = [columns[one.path] for one in segment.elements if one.path in columns]
        count = max((values.shape[1] for values in lists), default=0)
    rows = np.zeros((n, count, segment.each), np.uint8)
    for place in range(count if segment.instances else 0):
        for one in segment.elements:
            path = f"{segment.instances}{place + 1}.{one.path}"
            values = np.full(n, place + 1) if one.path == "Index" else None
            _write(catalogue, rows[:, place], one, columns.get(path, values), path)
    if not segment.instances and count:
        for one in segment.elements:
            flat = np.zeros((n * count, segment.each), np.uint8)
            values = columns.get(one.path)
            _write(catalogue, flat, one, None if values is None else values.ravel(), one.path)
            rows |= flat.reshape(n, count, segment.each)
    return count, rows.reshape(n, count * segment.each)


def _write(
    catalogue: Catalogue, rows: Bytes, one: Field, values: NDArray[Any] | None, path: str
) -> None:
    """Put a field's raw numbers into uint8 (n, size); NaN and no column are all-ones."""
    n = len(rows)
    raw = np.full(n, (1 << 8 * one.width) - 1, np.int64)
    if values is not None:
        raw = _raw(catalogue, one, path, np.asarray(values, np.float64))
    elif not one.marked or one.shift or one.mask == 0x0F:
        raw = np.zeros(n, np.int64)
    if one.shift or one.mask < 0xFF:
        raw = (raw & one.mask) << one.shift
    if one.sign is not None and values is not None:
        at, bit = one.sign
        rows[:, at] |= ((np.asarray(values) < 0).astype(np.uint8)) << np.uint8(bit)
    for byte in range(one.width):
        rows[:, one.at + byte] |= (raw >> 8 * (one.width - 1 - byte)).astype(np.uint8)


def _raw(
    catalogue: Catalogue, one: Field, path: str, values: NDArray[np.float64]
) -> NDArray[np.int64]:
    compiled = column(catalogue, one._replace(path=path))
    top = (1 << 8 * one.width) - 1
    lost = np.isnan(values)
    if one.codes is not None:
        words = compiled.signal.words
        back = {
            words.index(word) if isinstance(word, str) else int(word): code
            for code, word in one.codes.items()
        }
        raw = np.full(len(values), top, np.int64)
        for value, code in back.items():
            raw[values == value] = code
        return raw
    known = np.where(lost, 0, np.abs(values) if one.sign is not None else values)
    raw = np.rint((known - compiled.add) * compiled.divide / compiled.multiply).astype(np.int64)
    limit = top - 2 if one.marked and one.mask > 0xFF else top
    raw = np.clip(raw, 0, limit)
    raw[lost] = top
    return raw
