"""Values as arrays at once: the same as value by value, or left to that."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.signals.alike import arrays_of
from motorcade.signals.catalogue import Signal, load_catalogue
from motorcade.signals.objects import columns_of

CATALOGUE = load_catalogue()
SPEED = "Vehicle.Speed"
MOVING = "Vehicle.IsMoving"
SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
GEAR = "Vehicle.Powertrain.Transmission.CurrentGear"
LATITUDE = "Vehicle.CurrentLocation.Latitude"
BRAND = "Vehicle.VehicleIdentification.Brand"
CHARGING = "Vehicle.Powertrain.TractionBattery.Charging.State"
PATHS = (SPEED, MOVING, SOC, GEAR, LATITUDE, BRAND, CHARGING)


def _made(path: str, *values: Any) -> Any:
    return arrays_of([CATALOGUE[path]], [values]).get(0)


def _signal(datatype: str, low: float | None = None, high: float | None = None) -> Signal:
    return Signal(number=1, path="Vehicle.A", datatype=datatype, kind="sensor", min=low, max=high)


def test_numbers_become_their_signals_types() -> None:
    found = arrays_of(
        [CATALOGUE[SPEED], None, CATALOGUE[GEAR], CATALOGUE[LATITUDE]],
        [(54.3, 10), (1, 2), (3.0, -1), (40.000539, -90)],
    )
    assert set(found) == {0, 2, 3}
    assert found[0].dtype == np.float32
    assert found[0].tolist() == [pytest.approx(54.3), 10.0]
    assert (found[2].dtype, found[2].tolist()) == (np.int8, [3, -1])
    assert (found[3].dtype, found[3].tolist()) == (np.float64, [40.000539, -90.0])


def test_words_their_codes_and_truth_values() -> None:
    words = CATALOGUE[CHARGING].words
    assert _made(CHARGING, words[2], words[0]).tolist() == [2, 0]
    assert _made(CHARGING, 1, 0).tolist() == [1, 0]
    assert _made(MOVING, True, False).tolist() == [True, False]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (SPEED, None),
        (SPEED, True),
        (SPEED, "fast"),
        (SPEED, math.nan),
        (SPEED, math.inf),
        (SPEED, 1e300),
        (SPEED, 10**400),
        (SOC, 101),
        (SOC, -1),
        (GEAR, 1.5),
        (GEAR, 200),
        (MOVING, 1),
        (MOVING, None),
        (CHARGING, "NO_SUCH"),
        (CHARGING, 200),
        (CHARGING, -1),
        (CHARGING, None),
        (CHARGING, []),
        (BRAND, "text"),
    ],
)
def test_what_is_not_as_it_should_be_is_left_to_the_slow_way(path: str, value: Any) -> None:
    good: dict[str, Any] = {SPEED: 1, SOC: 2, GEAR: 3, MOVING: True, CHARGING: 0, BRAND: ""}
    assert _made(path, good[path], value) is None


def test_a_wrong_column_leaves_the_others() -> None:
    found = arrays_of([CATALOGUE[SPEED], CATALOGUE[SOC]], [(1, 2), (50, 400)])
    assert set(found) == {0}


@pytest.mark.parametrize("datatype", ["int64", "uint64", "double"])
def test_numbers_that_a_float_does_not_tell_apart_are_read_one_by_one(datatype: str) -> None:
    assert arrays_of([_signal(datatype)], [(1, (1 << 53) + 1)]) == {}
    assert arrays_of([_signal(datatype)], [(1, (1 << 53) - 1)])[0].tolist() == [1, (1 << 53) - 1]


def test_bounds_are_those_of_what_is_stored() -> None:
    assert arrays_of([_signal("float", 0, 100)], [(100.0000001,)])[0].tolist() == [100.0]
    assert arrays_of([_signal("double", 0, 100)], [(100.0000001,)]) == {}


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-300, 300),
    st.floats(width=32),
    st.sampled_from(["", "CHARGING", *CATALOGUE[CHARGING].words]),
)


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(PATHS, VALUES)), max_size=6))
def test_rows_together_are_what_they_are_alone(rows: list[dict[str, Any]]) -> None:
    together = columns_of(CATALOGUE, rows)
    for place, row in enumerate(rows):
        alone = columns_of(CATALOGUE, [row])
        told = {p: a[place].as_py() for p, a in together.signals.items() if a[place].is_valid}
        assert told == {path: array[0].as_py() for path, array in alone.signals.items()}
        assert sorted(together.faults.get(place, [])) == sorted(alone.faults.get(0, []))


def test_a_signal_of_the_catalogue_is_read_by_either_way() -> None:
    for signal in CATALOGUE.values():
        value: Any = True if signal.datatype == "boolean" else signal.min or 0
        if signal.datatype == "string" or signal.is_list:
            continue
        ready = arrays_of([signal], [(value,)])[0]
        assert columns_of(CATALOGUE, [{signal.path: value}]).signals[signal.path].type == (
            signal.arrow_type
        )
        assert ready.dtype == signal.arrow_type.to_pandas_dtype()
