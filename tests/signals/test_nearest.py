"""Suggestions for unknown paths."""

from __future__ import annotations

import pytest

from motorcade.signals.catalogue import Catalogue, load_catalogue
from motorcade.signals.nearest import Nearest


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("vehicle.speed", "Vehicle.Speed"),
        ("Vehicle.Sped", "Vehicle.Speed"),
        ("Speed", "Vehicle.Speed"),
        ("Vehicle.Latitude", "Vehicle.CurrentLocation.Latitude"),
    ],
)
def test_what_was_meant_is_suggested(catalogue: Catalogue, wrong: str, meant: str) -> None:
    assert meant in Nearest(catalogue).near(wrong)
    assert meant in Nearest(catalogue).reason(wrong)


def test_nonsense_gets_no_suggestion(catalogue: Catalogue) -> None:
    assert Nearest(catalogue).near("qqq.zzz") == []
    assert Nearest(catalogue).reason(7) == "Names of signals are text."


def test_searching_is_bounded_by_the_asker_not_the_sender(catalogue: Catalogue) -> None:
    nearest = Nearest(catalogue)
    for number in range(20):
        nearest.near(f"Vehicle.Spe{number}")
    assert nearest.near("Vehicle.Sped") == []
    assert nearest.near("vehicle.speed") == ["Vehicle.Speed"]
