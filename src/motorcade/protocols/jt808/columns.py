"""From the places of items to values: every field for all bodies that have it, at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.jt808.layout import Text
from motorcade.protocols.jt808.plan import Column, Entry, Plan
from motorcade.protocols.jt808.sink import Sink, text_column
from motorcade.protocols.jt808.walk import Found
from motorcade.signals.batch import Quality
from motorcade.wire.ragged import gather, ranges

__all__ = ["collect", "numbers", "put_fields", "texts"]

_VALID: Final = np.uint8(Quality.VALID)
_INVALID: Final = np.uint8(Quality.INVALID)
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


def collect(plan: Plan, buffer: Bytes, entry: Entry, found: Found, size: int, sink: Sink) -> None:
    """Put the values of an item of ``size`` bytes into the sink."""
    rows = None if len(found.rows) == sink.n else found.rows
    put_fields(buffer, entry.columns, found.at, size, rows=rows, sink=sink)
    for place, column in enumerate(entry.series):
        series = entry.item.series[place]
        _series(buffer, column, found, (size - series.at) // series.each, series, sink=sink)
    for text in entry.item.texts:
        length = np.full(len(found.rows), min(text.size or size, size - text.at))
        strings = texts(buffer, text, found.at + text.at, length)
        column_of = np.full(sink.n, None, object)
        column_of[found.rows] = strings
        sink.put_column(plan.catalogue[text.path], pa.array(column_of, pa.string()))


def put_fields(
    buffer: Bytes,
    columns: tuple[Column, ...],
    at: Ints,
    size: int,
    *,
    rows: Ints | None,
    sink: Sink,
) -> None:
    """Numbers of the ``size`` bytes at ``at`` (k), for ``rows`` (k; None: all)."""
    for column in columns:
        if column.field.at + column.field.width <= size:
            values, quality = numbers(buffer, column, at + column.field.at)
            sink.put(column.signal, rows, values, quality)


def numbers(buffer: Bytes, column: Column, at: Ints) -> tuple[NDArray[Any], Bytes | None]:
    """One field at many places: values and qualities (k; None: all are valid)."""
    field = column.field
    raw = _raw(buffer, at, field.width)
    if field.shift:
        raw = raw >> field.shift
    if field.mask:
        raw = raw & field.mask
    if column.values is not None and column.quality is not None:
        quality = column.quality[np.minimum(raw, 255)]
        values = column.values[np.minimum(raw, 255)]
        return values, None if (quality == _VALID).all() else quality
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


def texts(buffer: Bytes, text: Text, at: Ints, length: Ints) -> list[str | None]:
    """Texts at many places: rare, so each is read by itself."""
    found: list[str | None] = []
    for begin, size in zip(at.tolist(), length.tolist(), strict=True):
        data = buffer[begin : begin + max(size, 0)].tobytes()
        if text.form == "text":
            found.append(data.decode("gb18030", "replace").strip("\0 ") or None)
        elif text.form == "digits":
            found.append(data.hex().rstrip("f") or None)
        else:
            found.append(data.hex())
    return found


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
    values: NDArray[Any], dtype: np.dtype[Any], bad: NDArray[np.bool_] | None
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Numbers the signal's type cannot hold are invalid."""
    bounds = np.iinfo(dtype)
    values = np.rint(values) if values.dtype.kind == "f" else values
    if len(values) and (values.max() > bounds.max or values.min() < bounds.min):
        beyond = (values > bounds.max) | (values < bounds.min)
        values = np.where(beyond, 0, values)
        bad = beyond if bad is None else bad | beyond
    return values, bad


def _series(
    buffer: Bytes, column: Column, found: Found, count: int, series: Any, *, sink: Sink
) -> None:
    """A list of ``count`` elements in every row."""
    begin = (found.at + series.at)[:, None] + series.each * np.arange(count)
    values, quality = numbers(buffer, column, begin.ravel() + column.field.at)
    lengths = np.zeros(sink.n, np.int64)
    lengths[found.rows] = count
    offsets = np.zeros(sink.n + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    there = np.zeros(sink.n, bool)
    there[found.rows] = True
    bad = None if quality is None else quality != _VALID
    kind = column.signal.arrow_type
    child = pa.array(values, type=kind.value_type, mask=bad)
    mask = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    buffers = [mask, pa.py_buffer(offsets)]
    sink.put_column(column.signal, pa.Array.from_buffers(kind, sink.n, buffers, children=[child]))
