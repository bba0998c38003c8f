"""Ranges cover every vehicle once and are about as large as asked."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from motorcade.history.files import FileCache, Span, write_file
from motorcade.history.ranges import vehicle_ranges
from motorcade.history.table import Snapshot


@pytest.mark.parametrize("rows_max", [100, 999, 10**6])
def test_ranges_cover_all_vehicles_once(tmp_path: Path, rows_max: int) -> None:
    files = []
    for step in (1, 7):
        vehicle = np.repeat(np.arange(1, 700, step), 5)
        time = pa.array(np.zeros(len(vehicle), np.int64)).cast(pa.timestamp("us", "UTC"))
        files.append(write_file(tmp_path, pa.table({"vehicle": vehicle, "event_time": time}), 64))
    snapshot = Snapshot(tmp_path, 0, files, np.zeros((2, 4), np.int64), pa.schema([]), {})
    span = Span(5, 600, 0, 1)
    ranges = vehicle_ranges(snapshot, files, FileCache(2), span, rows_max)
    assert ranges[0][0] == 5
    assert ranges[-1][1] == 600
    assert all(a[1] + 1 == b[0] for a, b in pairwise(ranges))
    sizes = [5 * (last - first + 1) * 8 / 7 for first, last in ranges]
    assert max(sizes) < 2 * max(rows_max, 64)


def test_nothing_is_one_range(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path, 0, [], np.zeros((0, 4), np.int64), pa.schema([]), {})
    assert vehicle_ranges(snapshot, [], FileCache(1), Span(1, 9, 0, 1), 10) == [(1, 9)]
