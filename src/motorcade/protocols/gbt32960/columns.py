"""From the places of segments to values: every field of a state for all frames that have it, at
once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.gbt32960.plan import Column, Group, Kept, Plan
from motorcade.protocols.gbt32960.sink import Sink, arrow_strings
from motorcade.protocols.gbt32960.walk import Found
from motorcade.signals.batch import Quality
from motorcade.wire.ragged import gather, ranges, starts_of

__all__ = ["collect", "scalars"]

_VALID: Final = np.uint8(Quality.VALID)
_INVALID: Final = np.uint8(Quality.INVALID)
_ABNORMAL: Final = np.uint8(Quality.ABNORMAL)
_HEX: Final = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint8)

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


def collect(plan: Plan, buffer: Bytes, found: dict[int, Found], sink: Sink) -> None:
    """Put every known segment's values into the sink."""
    for state, segments in found.items():
        kept = plan.kept.get(state)
        if kept is None:
            continue
        shift = plan.table["shift"][state]
        begin = segments.at + shift
        after = segments.at + plan.table["size"][state]
        if kept.groups:
            scalars(buffer, kept.groups, segments.rows, begin, size=kept.segment.size, sink=sink)
        if kept.instances:
            _instances(buffer, kept, segments, after, sink)
        if kept.segment.repeats is not None or kept.elements:
            _absent(plan, state, segments, kept, sink)
        if kept.counts is not None:
            _entries(buffer, kept, segments, begin, sink)
        if kept.elements:
            _elements(buffer, kept, segments, after, sink)
        if kept.hexes is not None:
            _hexes(buffer, kept, segments, after, sink)


def scalars(
    buffer: Bytes, groups: tuple[Group, ...], rows: Ints, begin: Ints, *, size: int, sink: Sink
) -> None:
    """Scalar fields of the ``size`` bytes at ``begin``, for ``rows``."""
    if len(rows) == 0:
        return
    data = np.ascontiguousarray(gather(buffer, begin, size).T)
    for group in groups:
        if group.width == 1:
            values, quality = _looked_up(group, data)
        else:
            values, quality = _scaled(group, data)
        sink.put(group, rows, values, quality)


def _looked_up(group: Group, data: Bytes) -> tuple[NDArray[Any], Bytes]:
    raw = data[group.at]
    if group.values is None or group.quality is None:
        return raw, raw
    place = raw + np.arange(0, 256 * len(raw), 256, dtype=np.int32)[:, None]
    return group.values.ravel()[place], group.quality.ravel()[place]


def _scaled(group: Group, data: Bytes) -> tuple[NDArray[Any], Bytes]:
    raw = data[group.at].astype(np.uint32)
    for step in range(1, group.width):
        raw <<= np.uint32(8)
        raw |= data[group.at + step]
    quality = _marks(raw, group.width, group.marked)
    if group.exact and group.key[0] == "u":
        values = raw.astype(group.key)
        values[quality != _VALID] = 0
        return values, quality
    scaled = raw * group.multiply
    scaled /= group.divide
    scaled += group.add
    for row, at, bit in group.signs:
        scaled[row] *= 1.0 - 2.0 * ((data[at] >> np.uint8(bit)) & 1)
    if group.key[0] == "u":
        quality[(scaled > np.iinfo(group.key).max) & (quality == _VALID)] = _INVALID
        scaled[quality != _VALID] = 0
    if group.signs:
        _never_fixed(data, group, quality)
    return scaled.astype(group.key), quality


def _never_fixed(data: Bytes, group: Group, quality: Bytes) -> None:
    """A position that is flagged invalid and zero is no last fix but none at all."""
    lost = (data[0] & 1).astype(bool)
    if np.count_nonzero(lost):
        zero = np.ones(len(lost), bool)
        for at in group.at.tolist():
            zero &= (data[at : at + 4] == 0).all(axis=0)
        quality[:, lost & zero] = _INVALID


def _marks(raw: NDArray[np.uint32], width: int, marked: Any) -> Bytes:
    top = np.uint32((1 << 8 * width) - 1)
    quality = np.full(raw.shape, _VALID, np.uint8)
    high = (raw >= top - np.uint32(1)) & marked
    if np.count_nonzero(high):
        quality[high] = np.where(raw[high] == top, _INVALID, _ABNORMAL)
    return quality


def _instances(buffer: Bytes, kept: Kept, segments: Found, after: Ints, sink: Sink) -> None:
    """The first elements of each list, as signals of their own."""
    each = kept.segment.each
    for number, groups in enumerate(kept.instances):
        has = segments.count > number
        many = np.count_nonzero(has)
        if not many:
            return
        rows, begin = segments.rows, after + number * each
        if many < len(rows):
            rows, begin = rows[has], begin[has]
        scalars(buffer, groups, rows, begin, size=each, sink=sink)


def _absent(plan: Plan, state: int, segments: Found, kept: Kept, sink: Sink) -> None:
    """A count of all-ones says that the list is invalid, one less that it is abnormal."""
    limit = plan.table["limit"][state]
    said = segments.sent >= limit
    if not np.count_nonzero(said):
        return
    for signal in kept.below:
        sink.mark(segments.rows[segments.sent == limit + 1], signal, int(_INVALID))
        sink.mark(segments.rows[segments.sent == limit], signal, int(_ABNORMAL))


def _entries(buffer: Bytes, kept: Kept, segments: Found, begin: Ints, sink: Sink) -> None:
    """Fields of a repeated segment: lists with an element a repetition."""
    rows = segments.rows
    present = _distinct(rows)
    for column in kept.entries:
        values, quality = _numbers(buffer, column, begin)
        sink.put_list(column.signal, present, rows, values, quality)
    if kept.counts is not None:
        counts = segments.count.astype(kept.counts.arrow_type.value_type.to_pandas_dtype())
        sink.put_list(kept.counts, present, rows, counts, _VALID)


def _elements(buffer: Bytes, kept: Kept, segments: Found, after: Ints, sink: Sink) -> None:
    """List elements, of all repetitions end to end."""
    each = kept.segment.each
    starts = starts_of(segments.count)
    if starts[-1] == 0 and not kept.counts:
        told = segments.rows[segments.sent == 0]
        for column in kept.elements:
            sink.put_empty(column.signal, told)
        return
    begin = np.repeat(after - each * starts[:-1], segments.count) + each * np.arange(starts[-1])
    rows = np.repeat(segments.rows, segments.count)
    told = segments.rows[segments.sent == segments.count]
    present = _distinct(told)
    for column in kept.elements:
        values, quality = _numbers(buffer, column, begin)
        sink.put_list(column.signal, present, rows, values, quality)


def _numbers(buffer: Bytes, column: Column, begin: Ints) -> tuple[NDArray[Any], Bytes]:
    """One field at many places: values and qualities (k)."""
    at = begin + column.field.at
    if column.values is not None and column.quality is not None:
        raw = buffer[at]
        return column.values[raw], column.quality[raw]
    wide: NDArray[Any] = np.ndarray(
        (max(len(buffer) - column.field.width + 1, 0),),
        dtype=f">u{column.field.width}",
        buffer=buffer,
        strides=(1,),
    )
    raw32 = wide[at].astype(np.uint32)
    quality = _marks(raw32, column.field.width, column.field.marked)
    if column.multiply == column.divide == 1 and column.add == 0:
        return raw32.astype(column.key), quality
    scaled = raw32 * column.multiply
    scaled /= column.divide
    if column.add:
        scaled += column.add
    return scaled.astype(column.key), quality


def _hexes(buffer: Bytes, kept: Kept, segments: Found, after: Ints, sink: Sink) -> None:
    """A list's bytes as hex text, one string a row."""
    if kept.hexes is None:
        return
    data = buffer[ranges(after, segments.count)].astype(np.int64)
    text = _HEX.reshape(256, 2)[data].ravel()
    lengths = np.zeros(sink.n, np.int64)
    lengths[segments.rows] = 2 * segments.count
    there = np.zeros(sink.n, bool)
    there[segments.rows] = True
    sink.put_strings(kept.hexes, arrow_strings(text, lengths, there, pa.string()))


def _distinct(rows: Ints) -> Ints:
    """The different rows of an ascending column."""
    if len(rows) < 2:
        return rows
    first = np.append(True, rows[1:] != rows[:-1])
    distinct: Ints = rows[first]
    return distinct
