"""From the places of items to values: every field for all bodies that have it, at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.jt808.layout import Series, Text
from motorcade.protocols.jt808.plan import Column, Entry, Plan
from motorcade.protocols.jt808.sink import Sink
from motorcade.protocols.jt808.texts import read_text
from motorcade.protocols.jt808.walk import Found
from motorcade.signals.batch import Quality
from motorcade.wire.ragged import gather

__all__ = ["collect", "numbers", "put_fields"]

_VALID: Final = np.uint8(Quality.VALID)
_INVALID: Final = np.uint8(Quality.INVALID)
_UNREPORTED: Final = np.uint8(Quality.UNREPORTED)

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def collect(
    plan: Plan, buffer: Bytes, entry: Entry, found: Found, size: int, *, sink: Sink
) -> Flags | None:
    """Put the values of an item of ``size`` bytes into the sink. Gives which of its rows have a
    code nobody knows; None: none."""
    rows = None if len(found.rows) == sink.n else found.rows
    odd = put_fields(buffer, entry.columns, found.at, size, rows=rows, sink=sink)
    for column, series in zip(entry.series, entry.item.series, strict=True):
        _series(plan, buffer, column, series, found, size=size, sink=sink)
    for text in entry.item.texts:
        length = min(text.size or size, size - text.at)
        values: NDArray[Any] = np.full(sink.n, None, object)
        for row, at in zip(found.rows.tolist(), found.at.tolist(), strict=True):
            begin = at + text.at
            values[row] = read_text(buffer[begin : begin + max(length, 0)].tobytes(), text.form)
        signal = plan.catalogue[text.path]
        if text.form.startswith("obd"):
            _put_spoken(signal, values, sink)
        else:
            sink.put_column(signal, pa.array(values.tolist(), signal.arrow_type))
    return odd


def put_fields(
    buffer: Bytes,
    columns: tuple[Column, ...],
    at: Ints,
    size: int,
    *,
    rows: Ints | None,
    sink: Sink,
) -> Flags | None:
    """Numbers of the ``size`` bytes at ``at`` (k), for ``rows`` (k; None: all)."""
    odd: Flags | None = None
    for column in columns:
        if column.field.at + column.field.width > size:
            continue
        values, quality = numbers(buffer, column, at + column.field.at)
        sink.put(column.signal, rows, values, quality)
        if quality is not None and column.values is not None:
            strange = quality == _INVALID
            odd = strange if odd is None else odd | strange
    return odd


def numbers(buffer: Bytes, column: Column, at: Ints) -> tuple[NDArray[Any], Bytes | None]:
    """One field at many places: values and qualities (k; None: all are valid)."""
    field = column.field
    raw = _raw(buffer, at, field.width)
    if field.shift:
        raw = raw >> field.shift
    if field.mask:
        raw = raw & field.mask
    if column.values is not None and column.quality is not None:
        place = raw if field.mask or field.width == 1 else np.minimum(raw, 255)
        quality = column.quality[place]
        return column.values[place], None if (quality == _VALID).all() else quality
    bad = np.isin(raw, field.invalid) if field.invalid else None
    bits = 8 * field.width
    if field.signed == "two":
        raw = raw - ((raw >> (bits - 1)) << bits)
    elif field.signed == "bit":
        top = np.int64(1) << (bits - 1)
        raw = np.where(raw >= top, top - raw, raw)
    values = raw
    if column.step is not None:
        multiply, divide, add = column.step
        values = raw * multiply if multiply != 1.0 else raw.astype(np.float64)
        if divide != 1.0:
            values = values / divide
        if add:
            values = values + add
    if column.dtype.kind in "ui":
        values, bad = _whole(values, column.dtype, bad)
    cast = values.astype(column.dtype)
    if bad is None or not bad.any():
        return cast, None
    cast[bad] = 0
    return cast, np.where(bad, _INVALID, _VALID)


def _raw(buffer: Bytes, at: Ints, width: int) -> NDArray[Any]:
    """Big-endian numbers of 1 to 4 bytes."""
    if width == 1:
        return buffer[at].astype(np.int64)
    if width == 3:
        wide = gather(buffer, at, 3).astype(np.int64)
        joined: NDArray[Any] = wide[:, 0] << 16 | wide[:, 1] << 8 | wide[:, 2]
        return joined
    windows: NDArray[Any] = np.ndarray(
        (max(len(buffer) - width + 1, 0),), dtype=f">u{width}", buffer=buffer, strides=(1,)
    )
    return windows[at].astype(np.int64)


def _whole(
    values: NDArray[Any], dtype: np.dtype[Any], bad: Flags | None
) -> tuple[NDArray[Any], Flags | None]:
    """Numbers the signal's type cannot hold are invalid."""
    bounds = np.iinfo(dtype)
    values = np.rint(values) if values.dtype.kind == "f" else values
    if len(values) and (values.max() > bounds.max or values.min() < bounds.min):
        beyond = (values > bounds.max) | (values < bounds.min)
        values = np.where(beyond, 0, values)
        bad = beyond if bad is None else bad | beyond
    return values, bad


def _series(
    plan: Plan,
    buffer: Bytes,
    column: Column | None,
    series: Series,
    found: Found,
    *,
    size: int,
    sink: Sink,
) -> None:
    """A list in every row; all of them are as long."""
    count = max(size - series.at, 0) // series.each
    span = series.each if series.span < 0 else series.span
    begin = (found.at + series.at + series.field.at)[:, None] + span * np.arange(count)
    lengths = np.zeros(sink.n, np.int64)
    lengths[found.rows] = count
    offsets = np.zeros(sink.n + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    there = np.zeros(sink.n, bool)
    there[found.rows] = True
    signal = plan.catalogue[series.field.path]
    kind = signal.arrow_type
    if column is None:
        child = pa.array(_texts(buffer, begin.ravel(), series.field), kind.value_type)
    else:
        values, quality = numbers(buffer, column, begin.ravel())
        bad = None if quality is None else quality != _VALID
        child = pa.array(values, type=kind.value_type, mask=bad)
    mask = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    buffers = [mask, pa.py_buffer(offsets)]
    sink.put_column(signal, pa.Array.from_buffers(kind, sink.n, buffers, children=[child]))


def _texts(buffer: Bytes, at: Ints, text: Any) -> list[Any]:
    form = text.form if isinstance(text, Text) else "hex"
    return [read_text(buffer[one : one + text.size].tobytes(), form) for one in at.tolist()]


def _put_spoken(signal: Any, values: NDArray[Any], sink: Sink) -> None:
    """Numbers that were written as text."""
    rows = np.array([row for row, value in enumerate(values) if value is not None], np.int64)
    if len(rows):
        sink.put(signal, rows, values[rows].astype(np.float32))
