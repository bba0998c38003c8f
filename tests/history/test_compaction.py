"""Merging: which files, what becomes of them, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from motorcade.history.compaction import merge, plan
from motorcade.history.config import Config
from motorcade.history.files import DataFile, Span
from motorcade.history.table import Snapshot, TelemetryTable

START_US = 1_750_032_000_000_000
DAY_US = 86_400_000_000


def snapshot(*files: tuple[int, int, int, int, int]) -> Snapshot:
    """(rows, first, last vehicle, from, to in days after the start)."""
    made = [
        DataFile(str(n), 1, rows, Span(first, last, START_US + a * DAY_US, START_US + b * DAY_US))
        for n, (rows, first, last, a, b) in enumerate(files)
    ]
    bounds = np.array([[f.span.first, f.span.last, f.span.from_us, f.span.to_us] for f in made])
    return Snapshot(None, 1, made, bounds.reshape(-1, 4), pa.schema([]), {})  # type: ignore[arg-type]


def planned(now_days: float, *files: tuple[int, int, int, int, int]) -> list[list[str]]:
    now_us = START_US + round(now_days * DAY_US)
    groups = plan(snapshot(*files), now_us, Config(compact_fan_in=4))
    return [sorted(file.name for file in group) for group in groups]


@pytest.mark.parametrize(
    ("now_days", "files", "expected"),
    [
        (0.5, [(100, 1, 9, 0, 0)] * 3, []),
        (0.5, [(100, 1, 9, 0, 0)] * 4, [["0", "1", "2", "3"]]),
        (0.5, [(100, n, n, 0, 0) for n in range(9)], []),
        (0.5, [(100, 1, 9, 0, 0)] * 3 + [(9999, 1, 9, 0, 0)], []),
        (0.5, [(100, 1, 9, 0, 3)] * 4 + [(100, 1, 9, 0, 0)], [["0", "1", "2", "3"]]),
        (2.0, [(100, 1, 9, 0, 0)] * 2, [["0", "1"]]),
        (2.0, [(100, 1, 9, 0, 0)], []),
        (2.0, [(9999, 1, 4, 0, 0), (9999, 5, 9, 0, 0)], []),
        (2.0, [(9999, 1, 9, 0, 0), (10, 1, 9, 0, 0)], []),
        (2.0, [(9999, 1, 9, 0, 0), (2000, 1, 9, 0, 0)], [["0", "1"]]),
    ],
)
def test_the_plan(now_days: float, files: Any, expected: list[list[str]]) -> None:
    assert planned(now_days, *files) == expected


async def test_a_merge_sorts_splits_by_day_and_drops_doubles(
    make_world: Callable[..., Any], make_batch: Any
) -> None:
    world = make_world(compact_rows_max=300, row_group_rows=50, file_rows_max=400)
    rng = np.random.default_rng(2)
    wanted = set()
    for sequence in range(1, 9):
        vehicle = rng.integers(1, 60, 200)
        at = START_US + rng.integers(0, 2 * DAY_US, 200)
        wanted |= set(zip(vehicle.tolist(), at.tolist(), strict=True))
        batch = make_batch(vehicle, at)
        world.writer.add(2 * sequence, [batch, batch.slice(0, 20)])
        await world.writer.commit()
        if sequence == 4:  # the same records again, in another commit
            world.restart(position=8).add(9, [batch])
    table = TelemetryTable(world.directory, 1)
    before = table.snapshot(1)
    assert before is not None
    merged = merge(table, before, before.files, world.config)
    assert merged.rows_written == len(wanted)
    after = table.snapshot(1)
    assert after is not None
    assert after.positions == before.positions
    assert len(after.files) == merged.files_written
    assert all(file.span.from_us // DAY_US == file.span.to_us // DAY_US for file in after.files)
    days = [file for file in after.files if file.span.from_us < START_US + DAY_US]
    order = sorted(days, key=lambda file: file.span.first)
    assert all(a.span.last < b.span.first for a, b in pairwise(order))
    rows = pa.concat_tables([part.table async for part in world.reader.export(1)])
    at = rows.column("event_time").cast(pa.int64()).to_pylist()
    assert set(zip(rows.column("vehicle").to_pylist(), at, strict=True)) == wanted


async def test_odd_times_do_not_make_a_file_each(world: Any, make_batch: Any) -> None:
    at = [START_US + (n % 400) * DAY_US for n in range(800)]
    for sequence in range(1, 3):
        world.writer.add(sequence, [make_batch(range(1, 801), at)])
        await world.writer.commit()
    table = TelemetryTable(world.directory, 1)
    before = table.snapshot(1)
    assert before is not None
    merged = merge(table, before, before.files, world.config)
    assert merged.rows_written == 800
    assert merged.files_written <= 17
