"""Objects become columns: every datatype, every fault, many shapes of rows."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import Invalid
from motorcade.signals.catalogue import Catalogue, load_catalogue
from motorcade.signals.objects import Reading, columns_of, readings, timestamps

SPEED = "Vehicle.Speed"
MOVING = "Vehicle.IsMoving"
SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
GEAR = "Vehicle.Powertrain.Transmission.CurrentGear"
LATITUDE = "Vehicle.CurrentLocation.Latitude"
NAME = "Vehicle.VehicleIdentification.Brand"
NOON_US = 1_772_366_400_000_000


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def _enumeration(catalogue: Catalogue) -> Any:
    return next(signal for signal in catalogue.values() if signal.is_enum)


def test_rows_become_columns_of_the_catalogues_types(catalogue: Catalogue) -> None:
    rows = [
        {SPEED: 54.3, MOVING: True, GEAR: 3, NAME: "Longma"},
        {SPEED: 0, MOVING: False, GEAR: -1, NAME: ""},
    ]
    made = columns_of(catalogue, rows)
    assert made.faults == {}
    assert made.signals[SPEED].type == pa.float32()
    assert made.signals[SPEED].to_pylist() == [pytest.approx(54.3), 0.0]
    assert made.signals[MOVING].to_pylist() == [True, False]
    assert made.signals[GEAR].to_pylist() == [3, -1]
    assert made.signals[NAME].to_pylist() == ["Longma", ""]
    assert list(made.signals) == [SPEED, MOVING, GEAR, NAME]


def test_rows_of_different_keys_stand_side_by_side(catalogue: Catalogue) -> None:
    rows: list[dict[str, Any]] = [
        {SPEED: 1},
        {},
        {MOVING: True, SPEED: 2},
        {MOVING: None},
        {SPEED: 3},
    ]
    made = columns_of(catalogue, rows)
    assert made.signals[SPEED].to_pylist() == [1, None, 2, None, 3]
    assert made.signals[MOVING].to_pylist() == [None, None, True, None, None]
    assert made.faults == {}


def test_a_signal_without_any_value_is_no_column(catalogue: Catalogue) -> None:
    assert columns_of(catalogue, [{SPEED: None}]).signals == {}
    assert columns_of(catalogue, []) == ({}, {})


def test_enumerations_are_given_as_words_or_codes(catalogue: Catalogue) -> None:
    signal = _enumeration(catalogue)
    rows = [{signal.path: signal.words[1]}, {signal.path: 0}, {signal.path: None}]
    made = columns_of(catalogue, rows)
    assert made.signals[signal.path].to_pylist() == [1, 0, None]
    assert made.signals[signal.path].type == pa.uint8()
    bad = columns_of(
        catalogue, [{signal.path: "NO_SUCH"}, {signal.path: signal.words[0]}, {signal.path: 200}]
    )
    assert bad.signals[signal.path].to_pylist() == [None, 0, None]
    assert [bad.faults[row][0].code for row in (0, 2)] == ["word", "word"]
    assert signal.words[0] in bad.faults[0][0].reason


def test_a_faulty_value_is_named_and_the_rest_of_the_row_stands(catalogue: Catalogue) -> None:
    rows: list[dict[str, Any]] = [
        {SPEED: 10, SOC: 50, GEAR: 1},
        {SPEED: "fast", SOC: 50.5, GEAR: 2},
        {SPEED: 11, SOC: 400, GEAR: 3},
        {SPEED: True, SOC: 51, GEAR: 4.0},
        {SPEED: 12, SOC: 52, GEAR: 4.5},
        {SPEED: math.nan, SOC: 53, GEAR: 1000},
        {SPEED: 1e300, SOC: 10**400, GEAR: [1]},
    ]
    made = columns_of(catalogue, rows)
    assert made.signals[SPEED].to_pylist() == [10, None, 11, None, 12, None, None]
    assert made.signals[SOC].to_pylist() == [50, 50.5, None, 51, 52, 53, None]
    assert made.signals[GEAR].to_pylist() == [1, 2, 3, 4, None, None, None]
    told = {row: [(fault.path, fault.code) for fault in some] for row, some in made.faults.items()}
    assert told == {
        1: [(SPEED, "type")],
        2: [(SOC, "range")],
        3: [(SPEED, "type")],
        4: [(GEAR, "type")],
        5: [(SPEED, "range"), (GEAR, "range")],
        6: [(SPEED, "range"), (SOC, "range"), (GEAR, "type")],
    }
    assert (
        made.faults[2][0].reason == "400 is outside 0.0 to 100.0"
        or "400" in made.faults[2][0].reason
    )


def test_an_unknown_path_is_named_with_what_may_be_meant(catalogue: Catalogue) -> None:
    rows: list[dict[Any, Any]] = [{SPEED: 1, "Vehicle.Sped": 2}, {"vehicle.speed": 3}, {7: 1}]
    made = columns_of(catalogue, rows)
    assert made.signals[SPEED].to_pylist() == [1, None, None]
    assert [made.faults[row][0].code for row in range(3)] == ["unknown_signal"] * 3
    assert "Did you mean Vehicle.Speed?" in made.faults[1][0].reason


def test_lists_hold_nulls_and_are_read_element_by_element(catalogue: Catalogue) -> None:
    path = next(s.path for s in catalogue.values() if s.datatype == "uint16[]")
    floats = next(s.path for s in catalogue.values() if s.datatype == "float[]")
    rows: list[dict[str, Any]] = [
        {path: [1, None, 3], floats: [1, 2.5]},
        {path: [70_000], floats: [True]},
        {path: 5, floats: []},
        {path: (4,), floats: [None]},
    ]
    made = columns_of(catalogue, rows)
    assert made.signals[path].to_pylist() == [[1, None, 3], None, None, [4]]
    assert made.signals[floats].to_pylist() == [[1, 2.5], None, [], [None]]
    assert {row: [f.code for f in some] for row, some in made.faults.items()} == {
        1: ["range", "type"],
        2: ["type"],
    }


def test_numbers_of_any_size_are_only_wrong(catalogue: Catalogue) -> None:
    huge = 10**5_000
    for value in (huge, -huge, [huge], {"a": huge}):
        for path in (SPEED, GEAR, NAME, MOVING):
            assert columns_of(catalogue, [{path: value}]).faults[0]
        assert timestamps([value])[1]


def test_numbers_in_lists_that_are_none_are_null(catalogue: Catalogue) -> None:
    floats = next(s.path for s in catalogue.values() if s.datatype == "float[]")
    made = columns_of(catalogue, [{floats: [1, math.nan]}, {floats: None}, {floats: [math.inf]}])
    assert made.signals[floats].to_pylist() == [[1, None], None, [None]]


def test_text_that_cannot_be_written_is_refused(catalogue: Catalogue) -> None:
    made = columns_of(catalogue, [{NAME: "\ud800"}, {NAME: "x"}, {NAME: b"y"}])
    assert made.signals[NAME].to_pylist() == [None, "x", None]
    assert sorted(made.faults) == [0, 2]


@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from([SPEED, MOVING, GEAR, LATITUDE, NAME, "Vehicle.Nothing"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=5)
            | st.binary(max_size=3)
            | st.lists(st.integers() | st.none(), max_size=3),
            max_size=4,
        ),
        max_size=12,
    )
)
def test_together_is_the_same_as_each_alone(rows: list[dict[str, Any]]) -> None:
    catalogue = _CATALOGUE
    together = columns_of(catalogue, rows)
    for place, row in enumerate(rows):
        alone = columns_of(catalogue, [row])
        for path, column in together.signals.items():
            mine = alone.signals[path].to_pylist()[0] if path in alone.signals else None
            assert column[place].as_py() == mine
        faults = {(fault.path, fault.code) for fault in together.faults.get(place, [])}
        assert faults == {(fault.path, fault.code) for fault in alone.faults.get(0, [])}


_CATALOGUE = load_catalogue()


def test_a_message_is_flat_or_nested_or_a_list() -> None:
    assert readings({"ts": 5, SPEED: 1}) == [Reading(5, {SPEED: 1}, False)]
    assert readings({"ts": 5, "signals": {SPEED: 1}, "seq": 9}) == [Reading(5, {SPEED: 1}, False)]
    both = readings([{SPEED: 1, "reissued": True}, {"signals": {}, "reissued": True}])
    assert both == [Reading(None, {SPEED: 1}, True), Reading(None, {}, True)]


@pytest.mark.parametrize("message", [5, "text", None, [1], [[]], {"signals": [1]}])
def test_other_shapes_are_refused(message: Any) -> None:
    with pytest.raises(Invalid):
        readings(message)


@pytest.mark.parametrize(
    "value",
    [
        1_772_366_400,
        1_772_366_400_000,
        1_772_366_400_000_000,
        1_772_366_400.0,
        1_772_366_400_000.0,
        "2026-03-01T12:00:00Z",
        "2026-03-01T20:00:00.000+08:00",
        "2026-03-01 12:00:00Z",
        "20260301T120000Z",
        datetime(2026, 3, 1, 12, tzinfo=UTC),
    ],
)
def test_a_time_may_be_written_in_many_ways(value: Any) -> None:
    for values in ([value], [value, 1_772_366_400.5], [value] * 3):
        us, faults = timestamps(values)
        assert not faults
        assert us[0] == NOON_US


def test_fractions_of_seconds_and_milliseconds_are_kept() -> None:
    us, faults = timestamps([1_772_366_400.25, 1_772_366_400_000.5, "2026-03-01T12:00:00.000001Z"])
    assert (us - NOON_US).tolist() == [250_000, 500, 1]
    assert not faults


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "yesterday",
        "2026-03-01T12:00:00",
        "1999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        0,
        -1,
        -(10**30),
        10**30,
        10**17,
        math.nan,
        math.inf,
        1e300,
        [1],
        datetime(2026, 3, 1, 12),
        "\ud800",
    ],
)
def test_what_is_no_time_is_named(value: Any) -> None:
    for values, row in (([value], 0), ([NOON_US, value], 1), (["2026-03-01T12:00:00Z", value], 1)):
        us, faults = timestamps(values)
        assert list(faults) == [row]
        assert us[row] == 0
        assert faults[row]


@given(st.lists(st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=30), max_size=6))
def test_times_never_raise(values: list[Any]) -> None:
    us, faults = timestamps(values)
    assert us.dtype == np.int64
    assert all(us[row] == 0 for row in faults)


def test_numbers_of_any_length_are_told_as_no_time() -> None:
    _, faults = timestamps([10**400, -(10**400), None])
    assert all("is no time between 2000 and 2099" in faults[row] for row in (0, 1))
    assert all(len(reason) < 200 for reason in faults.values())
