"""A reader's maps: none yet, renewed on growth and new columns, kept otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from motorcade.errors import DependencyError
from motorcade.signals.catalogue import Catalogue
from motorcade.twin import part as part_module
from motorcade.twin.part import Part
from motorcade.twin.writer import TwinWriter

SPEED = "Vehicle.Speed"


def test_nothing_yet(tmp_path: Path, catalogue: Catalogue) -> None:
    part = Part(tmp_path, 0, 1, catalogue)
    assert part.view() is None
    (tmp_path / "p0").mkdir()
    (tmp_path / "p0" / "head").write_bytes(bytes(4096))
    assert part.view() is None


def test_a_view_lasts_until_something_is_mapped_anew(
    tmp_path: Path, writer: TwinWriter, make: Any, catalogue: Catalogue
) -> None:
    part = Part(tmp_path, 0, 1, catalogue)
    writer.apply([make([(1, 0, {SPEED: 1.0})])])
    view = part.view()
    assert view is not None
    writer.apply([make([(2, 0, {SPEED: 1.0})])])
    assert part.view() is view
    assert view.rows == 3
    writer.apply([make([(2, 1, {"Vehicle.IsMoving": True})])])
    assert not part.is_current(view)
    fresh = part.view()
    assert fresh is not None
    assert set(fresh.cells) == {SPEED, "Vehicle.IsMoving"}


def test_choices_are_remembered_within_bounds(
    tmp_path: Path,
    writer: TwinWriter,
    make: Any,
    catalogue: Catalogue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(part_module, "_CHOICES_MAX", 3)
    writer.apply([make([(1, 0, {SPEED: 1.0})])])
    view = Part(tmp_path, 0, 1, catalogue).view()
    assert view is not None
    assert view.chosen([SPEED]) is view.chosen([SPEED])
    for path in list(catalogue)[:10]:
        view.chosen([path])
    assert len(view._choices) <= 3


def test_a_file_that_stays_too_short(
    tmp_path: Path, writer: TwinWriter, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_module, "_TRIES", 2)
    (tmp_path / "p0" / "row.tenant").unlink()
    with pytest.raises(DependencyError, match="changes faster"):
        Part(tmp_path, 0, 1, catalogue).view()
