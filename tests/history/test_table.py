"""One table: positions, columns, locks, versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from motorcade.errors import DependencyError, Invalid
from motorcade.history.files import DataFile, Span, write_file
from motorcade.history.schema import STORED_META
from motorcade.history.table import Covers, TelemetryTable, table_folder, tenants_in

WIDER = STORED_META.append(pa.field("Vehicle.Speed", pa.float32()))


def put(table: TelemetryTable, vehicle: int) -> DataFile:
    table.prepare()
    row = {"vehicle": vehicle, "event_time": 1, "kind": "report"}
    return write_file(table.folder, pa.Table.from_pylist([row], schema=STORED_META), 64)


@pytest.fixture
def table(tmp_path: Path) -> TelemetryTable:
    return TelemetryTable(tmp_path / "history", 3)


def test_before_the_first_commit_there_is_nothing(table: TelemetryTable) -> None:
    assert table.snapshot(1) is None
    assert table.position(0) == 0
    assert table.vacuum(1) == 0


def test_files_and_position_change_in_one_step(table: TelemetryTable) -> None:
    first = put(table, 1)
    table.commit([first], covers=Covers(0, 0, 5))
    table.commit([put(table, 2)], [first], covers=Covers(1, 0, 9), columns=WIDER)
    snapshot = TelemetryTable(table.folder.parent.parent, 3).snapshot(3)
    assert snapshot is not None
    assert [file.span.first for file in snapshot.files] == [2]
    assert snapshot.positions == {0: 5, 1: 9, 2: 0}
    assert "Vehicle.Speed" in snapshot.columns.names
    assert snapshot.covering(Span(3, 9, 0, 9)) == []
    assert len(snapshot.covering(Span(0, 2, 1, 2))) == 1


def test_a_position_that_moved_refuses_the_commit(table: TelemetryTable) -> None:
    table.commit([put(table, 1)], covers=Covers(0, 0, 5))
    with pytest.raises(DependencyError, match="another worker"):
        table.commit([put(table, 1)], covers=Covers(0, 4, 6))
    assert table.position(0) == 5


def test_a_lock_held_elsewhere_is_seen(table: TelemetryTable) -> None:
    table.prepare()
    with table.locked("x") as mine, table.locked("x", wait=False) as theirs:
        assert (mine, theirs) == (True, False)
    with table.locked("x", wait=False) as again:
        assert again


def test_a_reader_whose_log_was_cleaned_opens_the_table_anew(table: TelemetryTable) -> None:
    other = TelemetryTable(table.folder.parent.parent, 3)
    table.commit([put(table, 1)], covers=Covers(0, 0, 1))
    assert other.position(0) == 1
    for sequence in range(2, 104):
        table.commit([put(table, 1)], covers=Covers(0, sequence - 1, sequence))
    for path in sorted((table.folder / "_delta_log").glob("*.json"))[:90]:
        path.unlink()
    assert other.position(0) == 103


@pytest.mark.parametrize("tenant", ["1", "../x", -1, 1 << 32, None, 1.0, True])
def test_only_numbers_lead_to_a_folder(tmp_path: Path, tenant: Any) -> None:
    with pytest.raises(Invalid):
        table_folder(tmp_path, tenant)


def test_tenants_are_the_folders_with_a_table(table: TelemetryTable) -> None:
    directory = table.folder.parent.parent
    assert tenants_in(directory) == []
    table.commit([put(table, 1)])
    (directory / "lost+found").mkdir()
    assert tenants_in(directory) == [3]
