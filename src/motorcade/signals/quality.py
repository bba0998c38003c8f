"""Packs and unpacks the ``quality`` column: which signals of a row are invalid or abnormal.

In: (row, signal number, quality) triples as arrays. Out: the ``list<uint32>`` column, and back; the
code of an entry is ``number * 4 + Quality``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from motorcade.signals.batch import META, Quality, SignalBatch
from motorcade.signals.catalogue import Catalogue

__all__ = ["quality_codes", "quality_entries", "qualities"]

_TYPE: Final[pa.DataType] = META.field("quality").type


def quality_codes(rows: ArrayLike, numbers: ArrayLike, kinds: ArrayLike, n: int) -> pa.ListArray:
    """The ``quality`` column of ``n`` rows from triples in any order.

    ``rows`` int64 (k; 0 to n - 1), ``numbers`` uint32 (k or one for all; catalogue numbers),
    ``kinds`` uint8 (k or one for all; ``Quality``). Rows that no triple names are null; the triples
    of a row keep their order.
    """
    row = np.asarray(rows, dtype=np.int64)
    if len(row) == 0:
        return pa.nulls(n, _TYPE)
    number = np.asarray(numbers, dtype=np.uint32)
    code = np.broadcast_to(number * np.uint32(4) + np.asarray(kinds, dtype=np.uint32), row.shape)
    if (row[1:] < row[:-1]).any():
        order = np.argsort(row, kind="stable")
        row, code = row[order], code[order]
    count = np.bincount(row, minlength=n)
    offset = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(count, out=offset[1:])
    return pa.ListArray.from_arrays(
        pa.array(offset), pa.array(code), type=_TYPE, mask=pa.array(count == 0)
    )


def quality_entries(
    quality: pa.ListArray,
) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint8]]:
    """What ``quality_codes`` packed, rows ascending: rows int64, numbers uint32, kinds uint8."""
    code = quality.flatten().to_numpy(zero_copy_only=False)
    count = quality.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    row = np.repeat(np.arange(len(quality), dtype=np.int64), count)
    return row, code >> np.uint32(2), (code & np.uint32(3)).astype(np.uint8)


def qualities(batch: SignalBatch, catalogue: Catalogue) -> list[dict[str, str]]:
    """Per row what people see: path to ``invalid`` or ``abnormal``; empty where all is well.

    ``NotFound`` where a number was never given.
    """
    result: list[dict[str, str]] = [{} for _ in range(len(batch))]
    row, number, kind = quality_entries(batch.column("quality"))
    paths = {int(n): catalogue.path_of(int(n)) for n in np.unique(number)}
    words = {int(q): q.name.lower() for q in Quality}
    # One step per fault, not per row: faults are rare and this renders for people.
    for r, n, k in zip(*_listed(row, number, kind), strict=True):
        result[r][paths[n]] = words[k]
    return result


def _listed(*arrays: NDArray[Any]) -> list[list[int]]:
    return [array.tolist() for array in arrays]
