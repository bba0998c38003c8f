"""What ``motorcade signals`` prints."""

from __future__ import annotations

from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.listing import listed

CATALOGUE = load_catalogue()
PROTOCOLS = {
    "jt808": {"Vehicle.Speed"},
    "gbt32960": {"Vehicle.Speed", "Vehicle.Alarm.Level"},
}


def test_lists_everything_without_a_search() -> None:
    assert len(listed(CATALOGUE, {})) == len(CATALOGUE)


def test_a_row_says_what_it_is() -> None:
    row = next(r for r in listed(CATALOGUE, PROTOCOLS) if r.path == "Vehicle.Speed")
    assert (row.type, row.unit, row.protocols) == ("float", "km/h", ("gbt32960", "jt808"))


def test_search_wants_every_word_anywhere_and_puts_paths_first() -> None:
    rows = listed(CATALOGUE, PROTOCOLS, "SPEED vehicle")
    assert "speed" in rows[0].path.lower()
    assert any("speed" not in row.path.lower() for row in rows)
    assert [row.path for row in listed(CATALOGUE, PROTOCOLS, "gbt32960 alarm")] == [
        "Vehicle.Alarm.Level"
    ]
    assert [row.path for row in listed(CATALOGUE, {}, "HYDROGEN_LEAK")] == ["Vehicle.Alarm.Flags"]
    assert listed(CATALOGUE, {}, "no such thing") == []
