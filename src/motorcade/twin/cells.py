"""Arrow columns to cells and back: which kind a signal has, and the packing of value and stamp.

A cell of 8 bytes is, little-endian, the stamp (uint32) and the value (4 bytes of its kind); one of
16 bytes the stamp, four bytes of nothing, and the value. A cell is written by one aligned store or
two, so it is never half of one report and half of another except under the row's sequence.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Signal
from motorcade.twin.layout import KINDS, Kind

__all__ = [
    "LATITUDE",
    "LONGITUDE",
    "DEGREE",
    "kind_of",
    "arrow_type_of",
    "mask_of",
    "scalars_of",
    "ragged_of",
    "absent_item",
    "lists_of",
    "pack",
    "split",
    "column_of",
]

LATITUDE: Final = "Vehicle.CurrentLocation.Latitude"
LONGITUDE: Final = "Vehicle.CurrentLocation.Longitude"
DEGREE: Final = 10_000_000
"""Position units in a degree."""

SEPARATOR: Final = "\x1f"
"""Between the items of a string list in its block (the ASCII unit separator)."""


def kind_of(signal: Signal) -> Kind | None:
    """How the twin stores a signal; None where it cannot (a struct)."""
    if signal.path in (LATITUDE, LONGITUDE):
        return KINDS["position"]
    if signal.is_enum:
        return KINDS["word"]
    return KINDS.get(signal.datatype)


def arrow_type_of(kind: Kind) -> pa.DataType:
    """The Arrow type a kind's values travel as."""
    if kind.name == "position":
        return pa.float64()
    if kind.name == "word":
        return pa.uint8()
    if kind.name == "string":
        return pa.string()
    base = kind.name.removesuffix("[]")
    named = {"float": "float32", "double": "float64", "boolean": "bool"}.get(base, base)
    item = pa.type_for_alias(named)
    return pa.list_(item) if kind.name.endswith("[]") else item


def mask_of(array: pa.Array) -> NDArray[np.bool_] | None:
    """True where the array has a value; None where it has one everywhere."""
    if array.null_count == 0:
        return None
    bitmap = array.buffers()[0]
    if bitmap is None:  # a null-typed array has no bitmap
        return np.zeros(len(array), np.bool_)
    bits = np.frombuffer(bitmap, np.uint8)
    first = array.offset >> 3
    last = (array.offset + len(array) + 7) >> 3
    unpacked = np.unpackbits(bits[first:last], bitorder="little")
    skip = array.offset & 7
    return unpacked[skip : skip + len(array)].view(np.bool_)


def scalars_of(kind: Kind, array: pa.Array) -> NDArray[Any]:
    """Values in the kind's own dtype, a row each; anything where the array is null."""
    wanted = arrow_type_of(kind)
    if array.type != wanted:
        array = array.cast(wanted, safe=False)
    if kind.name == "position":
        units = np.rint(np.nan_to_num(_plain(array)) * DEGREE)
        degrees: NDArray[Any] = units.clip(-(2**31), 2**31 - 1).astype(np.int32)
        return degrees
    values: NDArray[Any] = _plain(array).astype(kind.value, copy=False)
    return values


def ragged_of(
    kind: Kind, array: pa.Array
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """A heap kind's items end to end, and each row's first item and number of items."""
    if kind.name == "string[]":
        array = pc.binary_join(array.cast(pa.list_(pa.string())), SEPARATOR)
    items: NDArray[Any]
    if kind.name.startswith("string"):
        array = array.cast(pa.string())
        _, offsets, data = array.buffers()
        items = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    else:
        wanted = arrow_type_of(kind)
        if array.type != wanted:
            array = array.cast(wanted, safe=False)
        offsets = array.buffers()[1]
        items = _plain(array.values).astype(kind.item, copy=False)
        mask = mask_of(array.values)
        if mask is not None:
            items = np.where(mask, items, absent_item(kind))
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    starts = ends.astype(np.int64)
    return items, starts[:-1], np.diff(starts)


def absent_item(kind: Kind) -> Any:
    """What stands in a list for an item that is null: NaN, or the far end of an integer's range
    (which standards use for "invalid" themselves); 2 among booleans."""
    if kind.name == "boolean[]":
        return np.uint8(2)
    if np.issubdtype(kind.item, np.floating):
        return kind.item(np.nan)
    info = np.iinfo(kind.item)
    return np.dtype(kind.item).type(info.min if info.min else info.max)


def lists_of(
    signal: Signal,
    kind: Kind,
    items: NDArray[np.uint8],
    starts: NDArray[np.int64],
    absent: NDArray[np.bool_],
) -> pa.Array:
    """Heap payloads end to end (bytes, and n + 1 starts) as an array of the ``stored_type``."""
    if kind.item is np.uint8 and kind.name.startswith("string"):
        offsets = pa.py_buffer(starts.astype(np.int32).tobytes())
        valid = pa.py_buffer(np.packbits(~absent, bitorder="little").tobytes())
        buffers = [valid, offsets, pa.py_buffer(items.tobytes())]
        texts = pa.Array.from_buffers(pa.string(), len(absent), buffers)
        if kind.name == "string":
            return texts
        parts = pc.split_pattern(texts, SEPARATOR)
        empty = pa.scalar([], parts.type)
        return pc.if_else(pc.equal(texts, ""), empty, parts)
    values = items.view(kind.item)
    gaps = np.isnan(values) if values.dtype.kind == "f" else values == absent_item(kind)
    flat = pa.array(values.astype(np.bool_) if kind.name == "boolean[]" else values, mask=gaps)
    ends = (starts // values.dtype.itemsize).astype(np.int32)
    valid = pa.array(absent)
    return pa.ListArray.from_arrays(pa.array(ends), flat, mask=valid).cast(signal.stored_type)


def pack(kind: Kind, values: NDArray[Any], stamps: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Cells of values and their stamps: uint64 (n), or (n, 2) for kinds of 16 bytes."""
    if kind.cell_bytes == 16:
        wide = np.empty((len(values), 2), np.uint64)
        wide[:, 0] = stamps
        wide[:, 1] = values.view(np.uint64)
        return wide
    halves = np.empty((len(values), 2), np.uint32)
    halves[:, 0] = stamps
    halves[:, 1] = values.view(np.uint32)
    return halves.view(np.uint64)[:, 0]


def split(kind: Kind, cells: NDArray[np.uint64]) -> tuple[NDArray[Any], NDArray[np.uint32]]:
    """Cells as values in the kind's own dtype and stamps; the opposite of ``pack``."""
    if kind.cell_bytes == 16:
        wide: NDArray[Any] = np.ascontiguousarray(cells[:, 1]).view(kind.value)
        return wide, cells[:, 0].astype(np.uint32)
    halves = np.ascontiguousarray(cells).view(np.uint32).reshape(-1, 2)
    values: NDArray[Any] = np.ascontiguousarray(halves[:, 1]).view(kind.value)
    return values, halves[:, 0]


def column_of(signal: Signal, kind: Kind, cells: NDArray[np.uint64]) -> pa.Array:
    """Cells of a scalar kind as an array of the signal's ``stored_type``, null unless valid."""
    values, stamps = split(kind, cells)
    absent = (stamps & np.uint32(3)) != Quality.VALID
    if kind.name == "word":
        absent |= values >= len(signal.words)
        codes = pa.array(np.where(absent, 0, values).astype(np.int8), mask=absent)
        return pa.DictionaryArray.from_arrays(codes, pa.array(signal.words, pa.string()))
    if kind.name == "position":
        return pa.array(values / DEGREE, mask=absent)
    if kind.name == "boolean":
        return pa.array(values != 0, mask=absent)
    return pa.array(values.astype(signal.arrow_type.to_pandas_dtype(), copy=False), mask=absent)


def _plain(array: pa.Array) -> NDArray[Any]:
    """The values buffer of a fixed-width array, whatever stands where it is null."""
    if pa.types.is_boolean(array.type):
        bits = np.frombuffer(array.buffers()[1], np.uint8)
        return np.unpackbits(bits, bitorder="little")[array.offset : array.offset + len(array)]
    if array.buffers()[1] is None or len(array) == 0:
        return np.zeros(len(array), array.type.to_pandas_dtype())
    values = np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype())
    return values[array.offset : array.offset + len(array)]
