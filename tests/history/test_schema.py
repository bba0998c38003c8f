"""Stored types, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from motorcade.history.schema import (
    KINDS,
    STORED_META,
    answer_type,
    read_back,
    stored,
    stored_type,
    with_values,
)

HOOD = "Vehicle.Body.Hood.Switch"
START_US = 1_750_032_000_000_000


@pytest.mark.parametrize(
    ("carried", "kept"),
    [
        (pa.uint8(), pa.int16()),
        (pa.uint16(), pa.int32()),
        (pa.uint32(), pa.int64()),
        (pa.float32(), pa.float32()),
        (pa.list_(pa.uint16()), pa.list_(pa.int32())),
        (pa.dictionary(pa.int8(), pa.string()), pa.string()),
    ],
)
def test_delta_has_no_unsigned_integers(carried: pa.DataType, kept: pa.DataType) -> None:
    assert stored_type(carried) == kept


def test_there_and_back(catalogue: Any, make_batch: Any) -> None:
    batch = make_batch(range(1, 50), [START_US + n for n in range(49)])
    rows = pa.Table.from_batches([batch.data])
    table = stored(rows, np.zeros(49, np.int8), KINDS, catalogue)
    assert table.schema.names[: len(STORED_META)] == STORED_META.names
    assert set(table.column("kind").to_pylist()) == {"report"}
    back = read_back(table, catalogue)
    for name in ("tenant", "vehicle", "event_time", "ingest_time", "record", "reissued"):
        assert back.column(name).to_pylist() == batch.column(name).to_pylist()
    for path in batch.paths:
        assert back.schema.field(path).type == answer_type(path, catalogue)
        if path != HOOD:
            assert back.column(path).to_pylist() == batch.column(path).to_pylist()


def test_a_code_without_a_word_is_null(catalogue: Any, make_batch: Any) -> None:
    batch = make_batch([7], [START_US], signals=[])
    rows = pa.Table.from_batches([batch.data]).append_column(HOOD, pa.array([99], pa.uint8()))
    assert stored(rows, np.zeros(1, np.int8), KINDS, catalogue).column(HOOD).to_pylist() == [None]


def test_quality_of_sliced_rows_stays_with_its_row(catalogue: Any, make_batch: Any) -> None:
    batch = make_batch(range(1, 80), [START_US] * 79)
    whole = stored(pa.Table.from_batches([batch.data]), np.zeros(79, np.int8), KINDS, catalogue)
    part = pa.Table.from_batches([batch.slice(13, 40).data])
    sliced = stored(part, np.zeros(40, np.int8), KINDS, catalogue)
    expected = whole.column("quality").slice(13, 40).to_pylist()
    assert sliced.column("quality").to_pylist() == expected
    assert any(expected)


def test_columns_without_a_value_are_left_out() -> None:
    table = pa.table({"a": pa.nulls(3, pa.int32()), "b": [1, None, None], "vehicle": pa.nulls(3)})
    assert with_values(table).schema.names == ["b", "vehicle"]
    assert with_values(table, np.array([1, 2])).schema.names == ["vehicle"]
