"""Down-sampling: one row per window of time, each signal by mean, min, max or last value.

A window begins at a multiple of its length since 1970 (UTC). Words, text, truth values and lists
have no mean: they give their last value whatever was asked. Nulls do not count; a window in which a
signal has no value is null. Rows must be in order of time: the result depends on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["AGGREGATES", "downsample"]

_Reducer = Callable[[NDArray[Any], NDArray[np.int64]], NDArray[Any]]


def _mean(values: NDArray[Any], starts: NDArray[np.int64]) -> NDArray[Any]:
    lengths = np.diff(np.append(starts, len(values)))
    result: NDArray[Any] = np.add.reduceat(values.astype(np.float64), starts) / lengths
    return result


def _min(values: NDArray[Any], starts: NDArray[np.int64]) -> NDArray[Any]:
    result: NDArray[Any] = np.minimum.reduceat(values, starts)
    return result


def _max(values: NDArray[Any], starts: NDArray[np.int64]) -> NDArray[Any]:
    result: NDArray[Any] = np.maximum.reduceat(values, starts)
    return result


_REDUCERS: Final[dict[str, _Reducer]] = {"mean": _mean, "min": _min, "max": _max}

AGGREGATES: Final = (*_REDUCERS, "last")
"""Names a caller may ask for."""


def downsample(
    table: pa.Table,
    times_us: NDArray[np.int64],
    every_us: int,
    aggregate: str,
    paths: Sequence[str],
) -> pa.Table:
    """A row per window that has a row: ``event_time`` (the window's start) and ``paths``.

    A mean is float64, of a float32 signal float32; min, max and last keep the signal's type.
    """
    window = times_us // every_us
    starts = np.flatnonzero(np.concatenate(([True], window[1:] != window[:-1])))
    if not len(times_us):
        starts = np.zeros(0, np.int64)
    time = pa.array(window[starts] * every_us).cast(pa.timestamp("us", "UTC"))
    columns: list[Any] = [time]
    for path in paths:
        column = table.column(path)
        columns.append(_reduced(column, starts, aggregate))
    return pa.table(columns, names=["event_time", *paths])


def _reduced(column: Any, starts: NDArray[np.int64], aggregate: str) -> Any:
    kind = column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if aggregate == "last" or not numeric:
        return column.take(_last_rows(column, starts))
    valid = np.flatnonzero(column.is_valid().to_numpy())
    keep_type = aggregate != "mean" or kind == pa.float32()
    answer = kind if keep_type else pa.float64()
    if not len(valid):
        return pa.nulls(len(starts), answer)
    values = column.drop_null().to_numpy()
    group = np.searchsorted(starts, valid, "right") - 1
    first = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    result = np.zeros(len(starts), np.float64 if aggregate == "mean" else values.dtype)
    result[group[first]] = _REDUCERS[aggregate](values, first)
    missing = np.ones(len(starts), bool)
    missing[group[first]] = False
    return pa.array(result, mask=missing).cast(answer)


def _last_rows(column: Any, starts: NDArray[np.int64]) -> pa.Array:
    """Row of the last value of each window; null where the window has none."""
    if not len(starts):
        return pa.array([], pa.int64())
    rows = np.where(column.is_valid().to_numpy(), np.arange(len(column)), -1)
    last = np.maximum.reduceat(rows, starts)
    return pa.array(last, mask=last < 0)
