"""Layouts are chosen by the edition's name."""

from __future__ import annotations

import pytest

from motorcade.errors import Invalid
from motorcade.simulator.layouts import MIXED, layouts_of


def test_editions() -> None:
    assert [layout.edition for layout in layouts_of("2016")] == [2016]
    assert [layout.edition for layout in layouts_of("2025")] == [2025]
    assert layouts_of("mixed") == MIXED
    assert {layout.edition for layout in MIXED} == {2016, 2025}


@pytest.mark.parametrize("edition", ["", "2019", "all"])
def test_others_are_refused(edition: str) -> None:
    with pytest.raises(Invalid):
        layouts_of(edition)
