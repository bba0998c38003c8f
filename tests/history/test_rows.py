"""Doubles and order, against the plain definition."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from motorcade.history.rows import join, unique_order

SMALL = st.integers(0, 2)
ROWS = st.lists(st.tuples(SMALL, SMALL, SMALL, SMALL, st.integers(0, 9)), max_size=30)


@given(ROWS)
def test_one_row_of_each_identity_stays_the_first_ingested(
    rows: list[tuple[int, int, int, int, int]],
) -> None:
    columns = np.array(rows, np.int64).reshape(-1, 5).T
    kept = [rows[index] for index in unique_order(*columns)]
    best: dict[tuple[int, ...], int] = {}
    for *identity, ingest in rows:
        key = tuple(identity)
        best[key] = min(best.get(key, 99), ingest)
    assert kept == [(*key, best[key]) for key in sorted(best)]


def test_columns_some_lack_are_null_there() -> None:
    words = pa.array(["a", "b"]).dictionary_encode()
    table = join([pa.table({"x": [1, 2], "w": words}), pa.table({"x": [3], "y": [1.0]})])
    assert table.to_pydict() == {"x": [1, 2, 3], "w": ["a", "b", None], "y": [None, None, 1.0]}
