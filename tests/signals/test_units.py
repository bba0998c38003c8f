"""Conversions give golden values, undo each other and refuse nonsense."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import Invalid
from motorcade.signals.units import UNITS, convert, linear


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (15591.0, "km", "m", 15_591_000.0),
        (0.1, "km", "m", 100.0),
        (100.0, "km/h", "m/s", 27.7777777777778),
        (36.0, "m/s", "km/h", 129.6),
        (0.0, "Celsius", "K", 273.15),
        (-40.0, "Celsius", "Fahrenheit", -40.0),
        (212.0, "Fahrenheit", "Celsius", 100.0),
        (3957.0, "mV", "V", 3.957),
        (0.5, "MPa", "kPa", 500.0),
        (1.0, "bar", "kPa", 100.0),
        (90.0, "min", "h", 1.5),
        (180.0, "degrees", "rad", np.pi),
        (0.45, "ratio", "percent", 45.0),
        (120.0, "g/km", "kg/100km", 12.0),
        (200.0, "Wh/km", "kWh/100km", 20.0),
    ],
)
def test_golden(value: float, source: str, target: str, expected: float) -> None:
    assert convert(value, source, target) == pytest.approx(expected, rel=1e-13, abs=1e-10)


@given(
    source=st.sampled_from(sorted(UNITS)),
    target=st.sampled_from(sorted(UNITS)),
    values=st.lists(st.floats(-1e6, 1e6), max_size=5),
)
def test_there_and_back_or_refused(source: str, target: str, values: list[float]) -> None:
    if UNITS[source].dimension != UNITS[target].dimension:
        with pytest.raises(Invalid):
            linear(source, target)
        return
    back = convert(convert(values, source, target), target, source)
    np.testing.assert_allclose(back, values, rtol=1e-9, atol=1e-6)


def test_the_same_unit_changes_nothing_not_even_the_type() -> None:
    values = np.array([1, 2], dtype=np.uint16)
    assert convert(values, "V", "V") is values


def test_an_unknown_unit_is_named() -> None:
    with pytest.raises(Invalid, match="furlong"):
        linear("furlong", "m")
