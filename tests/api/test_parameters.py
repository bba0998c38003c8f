"""Query parameters: what is read, and what is refused by name."""

from __future__ import annotations

import pytest

from motorcade.api.parameters import box, cursor, duration, instant, read_cursor, signals
from motorcade.errors import Invalid
from motorcade.signals.catalogue import load_catalogue

NOW = 1_764_000_000_000_000


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("now", NOW),
        ("-1h", NOW - 3_600_000_000),
        ("-250ms", NOW - 250_000),
        ("1764000000", NOW),
        ("1764000000.5", NOW + 500_000),
        ("1764000000000", NOW),
        ("1764000000000000", NOW),
        ("2025-11-24T16:00:00Z", NOW),
        ("2025-11-24T16:00:00", NOW),
        ("2025-11-25T00:00:00 08:00", NOW),
        ("2025-11-25T00:00:00+08:00", NOW),
    ],
)
def test_instants(text: str, us: int) -> None:
    assert instant("from", text, NOW) == us


@pytest.mark.parametrize("text", ["", "yesterday", "-1y", "1e300", "9" * 5000, "2025-13-01", "-5"])
def test_no_instants(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        instant("from", text, NOW)
    assert caught.value.facts["errors"][0]["field"] == "from"


def test_durations() -> None:
    assert duration("every", "10s") == 10_000_000
    assert duration("every", "1.5h") == 5_400_000_000
    for text in ("0s", "10", "s", "-5s", "0.0001ms"):
        with pytest.raises(Invalid):
            duration("every", text)


def test_boxes() -> None:
    assert box("bbox", "120,30,121.5,31") == (120, 30, 121.5, 31)
    assert box("bbox", "170,-10,-170,10") == (170, -10, -170, 10)
    for text in ("", "1,2,3", "a,b,c,d", "0,10,1,5", "-181,0,0,1", "nan,0,1,1", "0,0,inf,1"):
        with pytest.raises(Invalid):
            box("bbox", text)


def test_cursors_come_back_and_others_are_refused() -> None:
    assert read_cursor(cursor(12_345), int) == 12_345
    for text in ("", "!!", "AAAA" * 2000, cursor("text")):
        with pytest.raises(Invalid):
            read_cursor(text, int)


def test_signals_and_branches() -> None:
    catalogue = load_catalogue()
    assert signals("signals", "Vehicle.Speed", catalogue) == ["Vehicle.Speed"]
    below = signals("signals", "Vehicle.CurrentLocation.*", catalogue)
    assert below is not None
    assert "Vehicle.CurrentLocation.Latitude" in below
    assert signals("signals", None, catalogue) is None
    with pytest.raises(Invalid):
        signals("signals", ",".join(["Vehicle.Speed"] * 201), catalogue)
