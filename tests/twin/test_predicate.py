"""The predicate language: what it selects, and what it says about mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import Invalid
from motorcade.limits import PREDICATE_CHARS_MAX, PREDICATE_DEPTH_MAX, PREDICATE_TERMS_MAX
from motorcade.signals.catalogue import Catalogue, load_catalogue
from motorcade.twin.predicate import parse

CATALOGUE = load_catalogue()
SPEED = "Vehicle.Speed"
SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
MOVING = "Vehicle.IsMoving"
MODE = "Vehicle.Powertrain.DriveMotor.Motor1.State"
PLATE = "Vehicle.VehicleIdentification.LicensePlate"
YEAR = "Vehicle.VehicleIdentification.Year"

COLUMNS: dict[str, pa.Array] = {
    SPEED: pa.array([0.0, 54.3, 80.0, None], pa.float32()),
    SOC: pa.array([10.0, 20.0, 30.0, 40.0], CATALOGUE[SOC].arrow_type),
    MOVING: pa.array([False, True, True, None]),
    MODE: pa.array([CATALOGUE[MODE].words.index(w) for w in ("OFF", "READY", "OFF", "READY")]),
    PLATE: pa.array(["沪A'1", "b", None, "d"]),
    YEAR: pa.array([2020, 2021, None, 2026], pa.uint16()),
}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        (f"{SPEED} > 54", [1, 2]),
        (f"{SPEED} = 54.3", [1]),
        (f"54.3 <= {SPEED}", [1, 2]),
        (f"60 > {SPEED}", [0, 1]),
        (f"{SPEED} != 0", [1, 2]),
        (f"{SPEED} <> 0 and {SOC} < 25", [1]),
        (f"{SPEED} < -1 or {SOC} >= 4e1", [3]),
        (f"not {SPEED} > 54", [0]),
        (f"NOT ({SPEED} > 54 AND {MOVING})", [0]),
        (f"{SPEED} IS NULL", [3]),
        (f"{SPEED} IS NOT NULL", [0, 1, 2]),
        (MOVING, [1, 2]),
        (f"not {MOVING}", [0]),
        (f"{MOVING} = false", [0]),
        (f"{MODE} = 'OFF'", [0, 2]),
        (f"{MODE} in ('OFF', 'READY')", [0, 1, 2, 3]),
        (f"{MODE} not in ('OFF')", [1, 3]),
        (f"{PLATE} = '沪A''1'", [0]),
        (f'{PLATE} >= "b"', [0, 1, 3]),
        (f"{YEAR} between 2021 and 2030", [1, 3]),
        (f"{YEAR} not between 2021 and 2030", [0]),
        (f"{YEAR} > 2020.5", [1, 3]),
        (f"{YEAR} > -5", [0, 1, 3]),
        (f"{SPEED} > {SOC}", [1, 2]),
        (f"{SPEED} > 1 or {SPEED} is null", [1, 2, 3]),
    ],
)
def test_selects(text: str, selected: list[int]) -> None:
    predicate = parse(text, CATALOGUE)
    assert np.flatnonzero(predicate.mask(COLUMNS, 4)).tolist() == selected
    stored = {p: a.cast(CATALOGUE[p].stored_type) for p, a in COLUMNS.items() if p != MODE}
    words = CATALOGUE[MODE].words
    stored[MODE] = pa.DictionaryArray.from_arrays(COLUMNS[MODE].cast(pa.int8()), list(words))
    assert np.flatnonzero(predicate.mask(stored, 4)).tolist() == selected


def test_a_column_that_is_not_there_was_not_reported() -> None:
    assert parse(f"{SPEED} > 1", CATALOGUE).mask({}, 3).tolist() == [False] * 3
    assert parse(f"{MODE} = 'OFF' or {SPEED} is null", CATALOGUE).mask({}, 2).tolist() == [True] * 2


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("", 1, "expected a signal or a value, not the end"),
        ("Vehicle.Sped > 1", 1, "did you mean Vehicle.Speed?"),
        ("Nothing = 1", 1, "`motorcade signals` lists them"),
        (f"{SPEED} >", 16, "not the end"),
        (f"{SPEED} > 'fast'", 17, "compared with a number"),
        (f"{SPEED} > TRUE", 17, "compared with a number"),
        (f"{MOVING} = 1", 20, "TRUE or FALSE"),
        (f"{MODE} > 'OFF'", len(MODE) + 2, "use = or !="),
        (f"{MODE} = 'DRIVING'", len(MODE) + 4, "is one of CONSUMING, GENERATING, OFF, READY"),
        (f"{SPEED} = {PLATE}", 17, "cannot be compared with"),
        (f"{SPEED} > 1 AND", 22, "not the end"),
        (f"{SPEED} > 1 {SOC} > 2", 19, "expected AND, OR or the end"),
        (f"({SPEED} > 1", 19, "expected )"),
        (f"{SPEED}", 14, "expected a comparison"),
        ("1 = 1", 1, "needs a signal"),
        ("1", 2, "expected a comparison"),
        (f"{SPEED} NOT 5", 19, "IN or BETWEEN after NOT"),
        (f"{SPEED} IN ({SOC})", 19, "expected a number"),
        (f"{SPEED} > 1; DROP TABLE x", 18, "cannot read '; DROP TAB'"),
        (f"sleep({SPEED})", 1, "there is no signal sleep"),
        ("Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages = 1", 1, "is a list"),
    ],
)
def test_says_what_is_wrong_and_where(text: str, place: int, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(text, CATALOGUE)
    assert says in caught.value.detail
    assert caught.value.facts["position"] == place


@pytest.mark.parametrize(
    "text",
    [
        " " * (PREDICATE_CHARS_MAX + 1),
        "(" * (PREDICATE_DEPTH_MAX + 1) + MOVING + ")" * (PREDICATE_DEPTH_MAX + 1),
        "NOT " * (PREDICATE_DEPTH_MAX + 1) + MOVING,
        " OR ".join([MOVING] * (PREDICATE_TERMS_MAX + 1)),
        f"{YEAR} IN (" + ",".join("1" * (PREDICATE_TERMS_MAX + 1)) + ")",
    ],
)
def test_is_bounded(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text, CATALOGUE)


@given(st.lists(st.sampled_from([*"()<>=!,'\"1.e-", SPEED, MODE, "AND", "NOT", "IN", "x"])))
def test_only_ever_refuses(parts: list[str]) -> None:
    try:
        predicate = parse(" ".join(parts), CATALOGUE)
    except Invalid:
        return
    predicate.mask(COLUMNS, 4)


def test_names_what_it_reads(catalogue: Catalogue) -> None:
    assert parse(f"{SPEED} > 1 OR {MOVING}", catalogue).paths == {SPEED, MOVING}
    columns: dict[str, Any] = {SPEED: pa.array([2.0], pa.float32()), MOVING: pa.array([False])}
    assert parse(f"{SPEED} > 1 OR {MOVING}", catalogue).mask(columns, 1).tolist() == [True]
