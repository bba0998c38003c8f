"""How a ``SignalBatch`` column is stored in Delta, and how it is read back.

Delta has no unsigned integers: each type goes to the next wider signed one, ``record`` (a hash)
keeps its 64 bits. Signals with a code book are stored as its words, quality as ``<path>:<word>``,
so that any Delta reader understands a table without this package.

====================  ====================  =======================================================
column                Delta type            from
====================  ====================  =======================================================
``tenant``            long                  uint32
``vehicle``           long                  uint64
``event_time``        timestamp             microseconds UTC
``ingest_time``       timestamp             microseconds UTC
``record``            long                  uint64, the same 64 bits
``reissued``          boolean
``kind``              string                ``report``, ``login``, ``logout``, ``link``, …
``quality``           array<string>         ``Vehicle.Speed:invalid``, ``Vehicle.Speed:abnormal``
``raw``               binary
VSS path              by the catalogue      uint8→short, uint16→integer, uint32 and uint64→long
====================  ====================  =======================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Catalogue
from motorcade.signals.words import to_codes, to_words

__all__ = [
    "IDENTITY",
    "KINDS",
    "STORED_META",
    "answer_type",
    "meta_and",
    "read_back",
    "stored",
    "stored_type",
    "with_values",
]

KINDS: Final = ("report", "login", "logout")
"""Message kinds; another one is stored by its own name."""

_TIME: Final = pa.timestamp("us", "UTC")

STORED_META: Final = pa.schema(
    [
        pa.field("tenant", pa.int64()),
        pa.field("vehicle", pa.int64()),
        pa.field("event_time", _TIME),
        pa.field("ingest_time", _TIME),
        pa.field("record", pa.int64()),
        pa.field("reissued", pa.bool_()),
        pa.field("kind", pa.string()),
        pa.field("quality", pa.list_(pa.string())),
        pa.field("raw", pa.binary()),
    ]
)
"""The columns every table begins with."""

IDENTITY: Final = ("vehicle", "event_time", "kind", "record")
"""What makes two rows the same record."""

_WIDER: Final = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.int64(),
    pa.large_string(): pa.string(),
    pa.large_binary(): pa.binary(),
}


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The type Delta keeps values of ``kind`` in."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(stored_type(kind.value_type))
    if pa.types.is_dictionary(kind):
        return stored_type(kind.value_type)
    return _WIDER.get(kind, kind)


def stored(
    rows: pa.Table, kind: NDArray[np.int8], kinds: Sequence[str], catalogue: Catalogue
) -> pa.Table:
    """Rows as the table stores them.

    ``rows`` has the columns of a ``SignalBatch``; ``kind`` (int8, a row each) indexes ``kinds``.
    """
    names: list[str] = []
    columns: list[Any] = []
    for name in STORED_META.names:
        names.append(name)
        columns.append(_meta(name, rows, kind, kinds, catalogue))
    for name in rows.schema.names:
        if name not in names:
            names.append(name)
            columns.append(_signal(name, rows.column(name), catalogue))
    return pa.table(columns, names=names)


def with_values(rows: pa.Table, wanted: NDArray[np.int64] | None = None) -> pa.Table:
    """``rows`` without signal columns that are null in every row (of those ``wanted``)."""
    keep = []
    for name in rows.schema.names:
        column = rows.column(name)
        if (
            name in STORED_META.names
            or not column.null_count
            or (
                column.null_count < len(column)
                and (wanted is None or column.is_valid().to_numpy()[wanted].any())
            )
        ):
            keep.append(name)
    return rows.select(keep)


def read_back(table: pa.Table, catalogue: Catalogue) -> pa.Table:
    """Stored rows in the catalogue's types again (``record`` as uint64); quality stays words."""
    fields = []
    columns = []
    for name in table.schema.names:
        column = table.column(name)
        if name == "record":
            column = pa.chunked_array(
                [part.view(pa.uint64()) for part in column.chunks], pa.uint64()
            )
        elif name in ("vehicle", "tenant"):
            column = column.cast(pa.uint64() if name == "vehicle" else pa.uint32())
        elif name in catalogue:
            column = _answer(name, column, catalogue)
        elif pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        fields.append(pa.field(name, column.type))
        columns.append(column)
    return pa.table(columns, schema=pa.schema(fields))


def answer_type(path: str, catalogue: Catalogue) -> pa.DataType:
    """The type a query answers ``path`` in; text where the catalogue no longer has it."""
    signal = catalogue.get(path)
    return signal.stored_type if signal is not None else pa.string()


def meta_and(paths: Iterable[str]) -> list[str]:
    """The meta columns and then ``paths``, none twice."""
    return list(dict.fromkeys([*STORED_META.names, *paths]))


def _meta(
    name: str, rows: pa.Table, kind: NDArray[np.int8], kinds: Sequence[str], catalogue: Catalogue
) -> Any:
    if name == "kind":
        return pa.DictionaryArray.from_arrays(pa.array(kind), pa.array(list(kinds), pa.string()))
    column = rows.column(name)
    if name == "quality":
        return _quality(column, catalogue)
    if name == "record":
        return pa.chunked_array([part.view(pa.int64()) for part in column.chunks], pa.int64())
    return _cast(column, STORED_META.field(name).type)


def _signal(path: str, column: pa.ChunkedArray, catalogue: Catalogue) -> Any:
    signal = catalogue.get(path)
    if signal is not None and signal.is_enum and pa.types.is_integer(column.type):
        parts = [to_words(signal, part.cast(pa.uint8())) for part in column.chunks]
        return pa.chunked_array(parts, signal.stored_type)
    if pa.types.is_dictionary(column.type):
        return column
    return _cast(column, stored_type(column.type if signal is None else signal.stored_type))


def _answer(path: str, column: pa.ChunkedArray, catalogue: Catalogue) -> pa.ChunkedArray:
    signal = catalogue[path]
    if not signal.is_enum:
        return _cast(column, signal.arrow_type)
    parts = [to_words(signal, to_codes(signal, part)) for part in column.chunks]
    return pa.chunked_array(parts, signal.stored_type)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return column if column.type == kind else pc.cast(column, kind, safe=False)


def _quality(column: pa.ChunkedArray, catalogue: Catalogue) -> pa.Array:
    """``number * 4 + Quality`` codes as ``path:word``; one string is made per distinct code."""
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.list_(pa.string()))
    codes = pc.list_flatten(column)
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    distinct, index = np.unique(codes.to_numpy(zero_copy_only=False), return_inverse=True)
    words = pa.array([_quality_word(int(code), catalogue) for code in distinct], pa.string())
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    offsets = np.zeros(len(column) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    missing = pc.is_null(column).combine_chunks()
    return pa.ListArray.from_arrays(
        pa.array(offsets), words.take(pa.array(index.astype(np.int32))), mask=missing
    )


def _quality_word(code: int, catalogue: Catalogue) -> str:
    return f"{catalogue.path_of(code >> 2)}:{Quality(code & 3).name.lower()}"
