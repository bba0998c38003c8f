"""Order and doubles: which stored rows are the same record, and in which order rows are kept.

Rows are put in the order (vehicle, event time, kind, record, ingest time). Of rows of one identity
the one ingested first stays, wherever its copies lie: tail, new files or merged ones give one
answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.history.schema import STORED_META

__all__ = ["join", "ordered", "times", "unique_order", "vehicles"]


def unique_order(
    vehicle: NDArray[Any],
    time: NDArray[Any],
    kind: NDArray[Any],
    record: NDArray[Any],
    ingest: NDArray[Any],
) -> NDArray[np.int64]:
    """Indices of the rows that stay, in order. Columns (n), fixed width, ``kind`` any sortable."""
    order = np.lexsort((ingest, record, kind, time, vehicle))
    if len(order) < 2:
        return order
    same = np.ones(len(order) - 1, bool)
    for column in (time, record, vehicle, kind):
        sorted_column = column[order]
        same &= sorted_column[1:] == sorted_column[:-1]
    return order[np.concatenate(([True], ~same))]


def ordered(table: pa.Table) -> pa.Table:
    """Stored rows in order, doubles dropped."""
    kinds = table.column("kind")
    if not pa.types.is_dictionary(kinds.type):
        kinds = kinds.dictionary_encode()
    kinds = kinds.unify_dictionaries().combine_chunks()
    kind = _kind_ranks(kinds)
    order = unique_order(
        vehicles(table),
        times(table),
        kind,
        table.column("record").to_numpy(),
        table.column("ingest_time").cast(pa.int64()).to_numpy(),
    )
    if len(order) == table.num_rows and (order[1:] > order[:-1]).all():
        return table
    return table.take(pa.array(order))


def join(tables: list[pa.Table]) -> pa.Table:
    """Stored rows of several places as one table; a column some lack is null there."""
    if not tables:
        return STORED_META.empty_table()
    if len(tables) == 1:
        return tables[0].combine_chunks()
    plain = [_plain(table) for table in tables]
    return pa.concat_tables(plain, promote_options="permissive").combine_chunks()


def times(table: pa.Table) -> NDArray[np.int64]:
    """``event_time`` as int64 microseconds (n)."""
    values: NDArray[np.int64] = table.column("event_time").cast(pa.int64()).to_numpy()
    return values


def vehicles(table: pa.Table) -> NDArray[np.int64]:
    """``vehicle`` as int64 (n)."""
    values: NDArray[np.int64] = table.column("vehicle").to_numpy()
    return values


def _plain(table: pa.Table) -> pa.Table:
    """Dictionary columns as plain text: dictionaries differ from part to part."""
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            column = table.column(index).cast(field.type.value_type)
            table = table.set_column(index, pa.field(field.name, column.type), column)
    return table


def _kind_ranks(kinds: Any) -> NDArray[np.int64]:
    """A number per row that orders kinds by name, whatever the dictionary's order."""
    if isinstance(kinds, pa.ChunkedArray):
        kinds = pa.concat_arrays(kinds.chunks) if kinds.num_chunks else kinds
    names = np.array(kinds.dictionary.to_pylist(), dtype=object)
    ranks = np.empty(len(names), np.int64)
    ranks[np.argsort(names)] = np.arange(len(names))
    result: NDArray[np.int64] = ranks[kinds.indices.to_numpy(zero_copy_only=False)]
    return result
