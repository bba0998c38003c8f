"""The files: sizes, headers, the lock, atomic writes, stamps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from motorcade.errors import Conflict, CorruptionError
from motorcade.twin.layout import (
    EPOCH_S,
    KINDS,
    Column,
    Head,
    Lock,
    check_head,
    map_array,
    open_head,
    read_columns,
    stamps_of,
    write_atomically,
    write_columns,
)


def test_files_grow_and_never_shrink(tmp_path: Path) -> None:
    path = tmp_path / "file"
    small = map_array(path, np.uint32, 4, write=True)
    small[:] = 7
    large = map_array(path, np.uint32, 1000, write=True)
    assert large[:5].tolist() == [7, 7, 7, 7, 0]
    small[0] = 8  # the older map is of the same file
    assert large[0] == 8
    map_array(path, np.uint32, 10, write=True)
    assert path.stat().st_size == 4000


def test_a_reader_makes_no_file_and_changes_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        map_array(tmp_path / "file", np.uint32, 4, write=False)
    map_array(tmp_path / "file", np.uint32, 4, write=True)
    with pytest.raises(FileNotFoundError):
        map_array(tmp_path / "file", np.uint32, 5, write=False)
    with pytest.raises(ValueError, match="read-only"):
        map_array(tmp_path / "file", np.uint32, 4, write=False)[0] = 1


def test_a_head_of_something_else(tmp_path: Path) -> None:
    head = open_head(tmp_path, 1, 3)
    check_head(open_head(tmp_path, 1, 3), tmp_path, 1, 3)
    with pytest.raises(CorruptionError, match="partition 1 of 3, not 1 of 4"):
        open_head(tmp_path, 1, 4)
    head[Head.FORMAT] = 12
    with pytest.raises(CorruptionError, match="not a twin of this version"):
        open_head(tmp_path, 1, 3)


def test_columns(tmp_path: Path) -> None:
    assert read_columns(tmp_path) == []
    columns = [Column(number=4, path="Vehicle.Speed", kind="float[]")]
    write_columns(tmp_path, columns)
    assert read_columns(tmp_path) == columns
    assert columns[0].file_name == "4.float-list"
    write_atomically(tmp_path / "columns.json", b"[{}]")
    with pytest.raises(CorruptionError, match=r"columns\.json"):
        read_columns(tmp_path)


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    with pytest.raises(Conflict) as caught:
        Lock(tmp_path)
    assert caught.value.facts["holder"].isdigit()
    lock.release()
    Lock(tmp_path).release()


def test_stamps_stay_in_their_bits() -> None:
    times = np.array([0, EPOCH_S, EPOCH_S + 1.9, 2**33]) * 1_000_000
    stamps = stamps_of(times.astype(np.int64))
    assert (stamps & 3).tolist() == [1] * 4
    assert (stamps >> 2).tolist() == [0, 0, 1, 2**30 - 1]


def test_kinds_fit_their_cells() -> None:
    for kind in KINDS.values():
        assert np.dtype(kind.value).itemsize == kind.cell_bytes // 2
