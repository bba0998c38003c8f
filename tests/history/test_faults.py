"""Unreadable records: kept durably, within a bound, once."""

from __future__ import annotations

from pathlib import Path

from motorcade.history.faults import Faults
from motorcade.limits import HISTORY_FAULTS_BYTES_MAX


def test_each_record_is_one_file_however_often_it_comes(tmp_path: Path) -> None:
    for _ in range(2):
        faults = Faults(tmp_path, 3)
        faults.add(9, b"bytes")
        faults.add(11, b"others")
        assert faults.pending
        faults.keep()
        assert not faults.pending
    names = sorted(path.name for path in (tmp_path / "faults").iterdir())
    assert names == ["3-11.bin", "3-9.bin"]


def test_a_full_folder_takes_no_more_and_counts(tmp_path: Path) -> None:
    folder = tmp_path / "faults"
    folder.mkdir()
    with (folder / "1-1.bin").open("wb") as file:
        file.truncate(HISTORY_FAULTS_BYTES_MAX - 5)
    faults = Faults(tmp_path, 0)
    faults.add(1, b"fits!")
    faults.add(2, b"no more")
    faults.keep()
    assert faults.dropped == 1
    assert [path.name for path in folder.glob("0-*")] == ["0-1.bin"]
    faults.add(3, bytes(HISTORY_FAULTS_BYTES_MAX + 1))
    assert (faults.dropped, faults.pending) == (2, False)
