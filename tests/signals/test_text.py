"""Values look the same wherever they are shown."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import Invalid
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.text import (
    bits_set,
    iso_time,
    iso_times,
    parse_time,
    plain,
    plain_column,
    plain_float,
    shown,
    shown_column,
)

CATALOGUE = load_catalogue()
STATE = CATALOGUE["Vehicle.OperatingState"]
SPEED = CATALOGUE["Vehicle.Speed"]
CELLS = CATALOGUE["Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"]
# Below the normal range a float32 has fewer digits than two roundings agree on.
FLOAT32 = st.floats(width=32, allow_subnormal=False)
MOMENTS = st.integers(-(10**15), 4 * 10**15)


@pytest.mark.parametrize("text", ["0.1", "3.957", "120.5", "-40.0", "16777216.0", "1e-07"])
def test_short_decimals_survive_a_float32(text: str) -> None:
    assert plain_float(float(np.float32(text))) == float(text)


@given(FLOAT32)
def test_a_short_float_reads_back_as_the_same_float32(value: float) -> None:
    short = plain_float(value)
    if math.isfinite(value):
        assert np.float32(short) == np.float32(value)
    else:
        assert short is None


@given(st.lists(st.one_of(st.none(), FLOAT32), max_size=10))
def test_a_column_looks_as_its_values_do(values: list[float | None]) -> None:
    column = pa.array(values, pa.float32())
    expected = [None if v is None else plain_float(v) for v in values]
    assert plain_column(column) == expected
    assert [shown(SPEED, v) for v in values] == expected
    assert shown_column(SPEED, pa.chunked_array([column, column])) == expected * 2


@given(st.lists(st.one_of(st.none(), st.lists(st.one_of(st.none(), FLOAT32), max_size=3))))
def test_lists_look_as_their_elements_do(values: list[list[float | None] | None]) -> None:
    column = pa.array(values, pa.list_(pa.float32()))
    shape = [shown(CELLS, v) for v in values]
    assert plain_column(column) == shape
    assert plain_column(column.slice(1)) == shape[1:]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.1), 0.1),
        (0.1234567890123, 0.1234567890123),
        (np.float64("nan"), None),
        (np.uint8(3), 3),
        (np.bool_(True), True),
        ([np.float32(3.957), None], [3.957, None]),
        (np.array([1, 2], np.uint16), [1, 2]),
        (b"\x01\xff", "01ff"),
        (datetime(2025, 10, 27, 12, 2, 2, tzinfo=UTC), "2025-10-27T12:02:02Z"),
        (pa.scalar(0.1, pa.float32()), 0.1),
        (pa.scalar(None, pa.float32()), None),
        ("ON", "ON"),
        (None, None),
    ],
)
def test_plain(value: object, expected: object) -> None:
    result = plain(value)
    assert result == expected
    json.dumps(result)


def test_columns_of_every_other_kind() -> None:
    moments = pa.array([0, None], pa.int64()).view(pa.timestamp("us", "UTC"))
    assert plain_column(moments) == ["1970-01-01T00:00:00Z", None]
    assert plain_column(pa.array([b"\x01", None])) == ["01", None]
    assert plain_column(pa.array([1, None], pa.uint32())) == [1, None]
    assert plain_column(pa.array(["a"]).dictionary_encode()) == ["a"]
    assert plain_column(pa.array([0.1, float("inf")])) == [0.1, None]
    assert plain_column(pa.array([], pa.list_(pa.float32()))) == []


def test_codes_are_shown_as_words() -> None:
    assert shown(STATE, 1) == "OFF"
    assert shown(STATE, np.uint8(0)) == "ON"
    assert shown(STATE, "ON") == "ON"
    assert shown(STATE, 200) is None
    assert shown(STATE, None) is None
    assert shown_column(STATE, pa.array([2, None, 9], pa.uint8())) == ["OTHER", None, None]


def test_bits_have_names() -> None:
    flags = CATALOGUE["Vehicle.Alarm.Flags"]
    assert bits_set(flags, 0) == []
    assert bits_set(flags, 1 | 1 << 24 | 1 << 31) == [
        "TEMPERATURE_DIFFERENCE",
        "HYDROGEN_LEAK",
        "BIT_31",
    ]


@given(st.lists(MOMENTS, max_size=5))
def test_times_go_there_and_back(moments: list[int]) -> None:
    texts = iso_times(moments)
    assert texts == [iso_time(us) for us in moments]
    assert [parse_time(text) for text in texts] == moments


def test_times_without_sense_are_refused() -> None:
    assert parse_time("2025-10-27T20:02:02+08:00") == parse_time("2025-10-27T12:02:02Z")
    with pytest.raises(Invalid, match="no ISO 8601 time"):
        parse_time("yesterday")
    with pytest.raises(Invalid, match="names no time zone"):
        parse_time("2025-10-27T12:02:02")
