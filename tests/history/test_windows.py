"""Down-sampling against the plain definition, value by value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.history.windows import AGGREGATES, downsample

VALUES = st.lists(
    st.tuples(st.integers(-50, 50), st.none() | st.integers(-1000, 1000)), max_size=40
)


def naive(rows: list[tuple[int, Any]], every: int, aggregate: str) -> list[tuple[int, Any]]:
    windows: dict[int, list[Any]] = {}
    for time, value in sorted(rows, key=lambda row: row[0]):
        windows.setdefault(time // every * every, []).append(value)
    reduce = {"mean": lambda v: sum(v) / len(v), "min": min, "max": max, "last": lambda v: v[-1]}
    return [
        (start, reduce[aggregate](found) if found else None)
        for start, values in windows.items()
        for found in [[v for v in values if v is not None]]
    ]


@given(VALUES, st.integers(1, 30), st.sampled_from(AGGREGATES))
def test_windows_follow_their_definition(
    rows: list[tuple[int, int | None]], every: int, aggregate: str
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    times = np.array([time for time, _ in rows], np.int64)
    table = pa.table({"x": pa.array([value for _, value in rows], pa.int32())})
    got = downsample(table, times, every, aggregate, ["x"])
    starts = got.column("event_time").cast(pa.int64()).to_pylist()
    values = got.column("x").to_pylist()
    assert list(zip(starts, values, strict=True)) == naive(rows, every, aggregate)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_what_has_no_mean_gives_its_last_value(aggregate: str) -> None:
    words = pa.array(["OFF", "ON", None, "ON"]).dictionary_encode()
    table = pa.table({"w": words, "l": [[1.0], None, [2.0], [3.0]], "b": [True, False, True, None]})
    got = downsample(table, np.array([0, 1, 10, 11]), 10, aggregate, ["w", "l", "b"])
    assert got.column("w").to_pylist() == ["ON", "ON"]
    assert got.column("l").to_pylist() == [[1.0], [3.0]]
    assert got.column("b").to_pylist() == [False, True]


def test_types_are_kept_where_they_can_be() -> None:
    table = pa.table({"f": pa.array([1.5], pa.float32()), "u": pa.array([4], pa.uint32())})
    for aggregate, kinds in {
        "mean": (pa.float32(), pa.float64()),
        "max": (pa.float32(), pa.uint32()),
    }.items():
        got = downsample(table, np.array([0]), 10, aggregate, ["f", "u"])
        assert (got.schema.field("f").type, got.schema.field("u").type) == kinds
