"""The quality column packs and unpacks, and reads as words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import NotFound
from motorcade.signals.batch import META, Quality, SignalBatch
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import qualities, quality_codes, quality_entries

CATALOGUE = load_catalogue()
ROWS = 5
TRIPLES = st.lists(
    st.tuples(st.integers(0, ROWS - 1), st.integers(1, 2**29 - 1), st.sampled_from([2, 3])),
    max_size=20,
)


@given(TRIPLES)
def test_round_trip_in_row_order(triples: list[tuple[int, int, int]]) -> None:
    rows, numbers, kinds = (
        (np.array(c) for c in zip(*triples, strict=True)) if triples else [[]] * 3
    )
    column = quality_codes(rows, numbers, kinds, ROWS)
    column.validate(full=True)
    assert column.type == META.field("quality").type
    assert len(column) == ROWS
    assert column.null_count == ROWS - len({row for row, _, _ in triples})
    back = [entry.tolist() for entry in quality_entries(column)]
    expected = sorted(triples, key=lambda triple: triple[0])
    assert list(zip(*back, strict=True)) == expected


def test_one_number_and_one_kind_for_all_rows() -> None:
    column = quality_codes([3, 0], 7, Quality.INVALID, 4)
    assert column.to_pylist() == [[30], None, None, [30]]


def test_entries_of_a_slice_count_from_its_start() -> None:
    column = quality_codes([0, 2, 2], [1, 2, 3], [2, 2, 3], 4).slice(1, 2)
    rows, numbers, kinds = quality_entries(column)
    assert (rows.tolist(), numbers.tolist(), kinds.tolist()) == ([1, 1], [2, 3], [2, 3])


def _batch(quality: pa.ListArray) -> SignalBatch:
    n = len(quality)
    meta = {name: np.arange(1, n + 1) for name in ("tenant", "vehicle", "record")}
    times = {name: np.zeros(n, np.int64) for name in ("event_time", "ingest_time")}
    reissued = np.zeros(n, bool)
    return SignalBatch.build(
        "report", {**meta, **times, "reissued": reissued, "quality": quality}, {}
    )


def test_reads_as_words() -> None:
    speed = CATALOGUE["Vehicle.Speed"].number
    level = CATALOGUE["Vehicle.Alarm.Level"].number
    quality = quality_codes([2, 0, 2], [speed, speed, level], [2, 3, 3], 3)
    assert qualities(_batch(quality), CATALOGUE) == [
        {"Vehicle.Speed": "abnormal"},
        {},
        {"Vehicle.Speed": "invalid", "Vehicle.Alarm.Level": "abnormal"},
    ]
    with pytest.raises(NotFound):
        qualities(_batch(quality_codes([0], [2**28], [2], 1)), CATALOGUE)
