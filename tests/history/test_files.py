"""Data files: what is read, what is pruned, what damage does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from motorcade.errors import CorruptionError, DependencyError
from motorcade.history.files import FileCache, FileWriter, Span, write_file

TIME = pa.timestamp("us", "UTC")


def rows(vehicles: int = 100, each: int = 10) -> pa.Table:
    vehicle = np.repeat(np.arange(1, vehicles + 1), each)
    time = np.tile(np.arange(each) * 1000, vehicles)
    return pa.table(
        {"vehicle": vehicle, "event_time": pa.array(time).cast(TIME), "Vehicle.Speed": vehicle / 2}
    )


def test_a_file_knows_what_it_covers(tmp_path: Path) -> None:
    file = write_file(tmp_path, rows(), 64)
    assert (file.rows, file.span) == (1000, Span(1, 100, 0, 9000))
    facts = json.loads(file.statistics())
    assert facts["maxValues"] == {"vehicle": 100, "event_time": "1970-01-01T00:00:00.009000Z"}


@pytest.mark.parametrize(
    "span", [Span(7, 7, 0, 10**9), Span(7, 9, 2000, 4000), Span(100, 200, 0, 1), Span(0, 0, 0, 9)]
)
def test_rows_within_a_span(tmp_path: Path, span: Span) -> None:
    file = write_file(tmp_path, rows(), 64)
    got = FileCache(4).read(tmp_path / file.name, ["vehicle", "event_time", "Vehicle.X"], span)
    expected = [
        (v, t * 1000)
        for v in range(1, 101)
        for t in range(10)
        if span.first <= v <= span.last and span.from_us <= t * 1000 < span.to_us
    ]
    if not expected:
        assert got is None
        return
    assert got is not None
    time = got.column("event_time").cast(pa.int64()).to_pylist()
    assert list(zip(got.column("vehicle").to_pylist(), time, strict=True)) == expected
    assert got.schema.names == ["vehicle", "event_time"]


def test_the_least_used_file_is_closed(tmp_path: Path) -> None:
    cache = FileCache(2)
    files = [tmp_path / write_file(tmp_path, rows(3), 64).name for _ in range(4)]
    for _ in range(2):
        for path in files:
            assert cache.read(path, ["vehicle", "event_time"], Span(1, 9, 0, 99)) is not None
    cache.close()


def test_damage_is_told_from_absence(tmp_path: Path) -> None:
    cache = FileCache(2)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(CorruptionError):
        cache.columns(tmp_path / "bad.parquet")
    with pytest.raises(DependencyError):
        cache.columns(tmp_path / "none.parquet")


def test_what_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    writer = FileWriter(tmp_path, rows().schema, 64)
    writer.write(rows())
    writer.discard()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DependencyError):
        FileWriter(tmp_path / "none", rows().schema, 64)


def test_years_no_calendar_has_are_bounded(tmp_path: Path) -> None:
    table = rows(1, 1).set_column(1, "event_time", pa.array([1 << 61]).cast(TIME))
    facts = json.loads(write_file(tmp_path, table, 64).statistics())
    assert facts["maxValues"]["event_time"].startswith("9999-12-31")
