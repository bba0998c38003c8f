"""Tables of readings: typed columns and text, by the rules of objects."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from motorcade.errors import Invalid
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.objects import Columns, columns_of
from motorcade.signals.tables import (
    columns_of_table,
    columns_of_text,
    plain,
    times_of,
    times_of_text,
)

CATALOGUE = load_catalogue()
SPEED = "Vehicle.Speed"
DISTANCE = "Vehicle.TraveledDistance"
MOVING = "Vehicle.IsMoving"
STATE = "Vehicle.OperatingState"
LATITUDE = "Vehicle.CurrentLocation.Latitude"
ICCID = "Vehicle.Connectivity.ICCID"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
FLAGS = "Vehicle.Alarm.Flags"

CASES: list[tuple[str, list[Any]]] = [
    (SPEED, [54.5, None, -3.25]),
    (SPEED, [54, 1, None]),
    (SPEED, [float("nan"), 1.0, None]),
    (SPEED, [1e300, 1.0, None]),
    (SPEED, [True, None, False]),
    (SPEED, ["54.5", None, "fast"]),
    (LATITUDE, [90.0, 90.5, None]),
    (DISTANCE, [0, 4_294_967_295, None]),
    (DISTANCE, [-1, 4_294_967_296, 7]),
    (DISTANCE, [5.0, 5.5, None]),
    (MOVING, [True, False, None]),
    (MOVING, [1, 0, None]),
    (STATE, ["ON", "OTHER", None]),
    (STATE, ["ON", "FLYING", None]),
    (STATE, [0, 2, 3]),
    (ICCID, ["8986", "", None]),
    (ICCID, [5, None, 6]),
    (CELLS, [[3.5, None], [], None]),
    (CELLS, [[3], None, None]),
    ("Vehicle.Speeed", [1.0, None, 2.0]),
]


def said(found: Columns) -> tuple[dict[str, list[Any]], dict[int, list[Any]]]:
    columns = {path: array.to_pylist() for path, array in found.signals.items()}
    return columns, {row: [(f.path, f.code) for f in some] for row, some in found.faults.items()}


@pytest.mark.parametrize(("path", "values"), CASES)
def test_a_column_is_read_as_its_values_would_be_one_by_one(path: str, values: list[Any]) -> None:
    table = said(columns_of_table(CATALOGUE, {path: pa.array(values)}))
    assert table == said(columns_of(CATALOGUE, [{path: value} for value in values]))


@pytest.mark.parametrize(
    ("path", "cells", "values"),
    [
        (SPEED, ["54.5", None, "1e2"], [54.5, None, 100.0]),
        (SPEED, ["54.5", "", "fast"], [54.5, "", "fast"]),
        (SPEED, ["nan", "inf", "1"], [float("nan"), float("inf"), 1]),
        (SPEED, ["1_0", "1", None], ["1_0", 1, None]),
        (DISTANCE, ["7", "5.0", "5.5"], [7, 5.0, 5.5]),
        (DISTANCE, ["7", "-1", None], [7, -1, None]),
        (MOVING, ["true", "FALSE", None], [True, False, None]),
        (MOVING, ["true", "1", None], [True, "1", None]),
        (STATE, ["ON", None, "OFF"], ["ON", None, "OFF"]),
        (STATE, ["ON", "on", None], ["ON", "on", None]),
        (ICCID, ["8986", "true", None], ["8986", "true", None]),
        (CELLS, ["[3.5,null]", "[]", None], [[3.5, None], [], None]),
        (CELLS, ["3.5", "[1", None], [3.5, "[1", None]),
        (FLAGS, [None, None, None], [None, None, None]),
    ],
)
def test_a_column_of_text_is_read_as_the_values_it_writes(
    path: str, cells: list[Any], values: list[Any]
) -> None:
    text = said(columns_of_text(CATALOGUE, {path: pa.array(cells, pa.string())}))
    assert text == said(columns_of(CATALOGUE, [{path: value} for value in values]))


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["ON", "OFF", "ON"]).dictionary_encode(),
        pa.array(["ON", "OFF", "ON"], pa.large_string()),
        pa.array([0, 1, 0], pa.int8()),
    ],
)
def test_words_come_in_many_dresses(column: pa.Array) -> None:
    found = columns_of_table(CATALOGUE, {STATE: column})
    assert found.signals[STATE].to_pylist() == [0, 1, 0]
    assert not found.faults


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"x"]),
        pa.array([{"a": 1}]),
        pa.array([dt.date(2026, 1, 1)]),
        pa.array([["a"]]).cast(pa.list_(pa.string_view())),
        pa.array(["x"], pa.string_view()),
        pa.array([[[1]]]),
    ],
)
def test_other_types_are_refused_by_name(column: pa.Array) -> None:
    with pytest.raises(Invalid, match=SPEED):
        plain(SPEED, column)


def test_a_dictionary_that_would_burst_is_refused() -> None:
    words = pa.array(["x" * 1_000_000])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int8()), words)
    with pytest.raises(Invalid, match="1000000 bytes"):
        columns_of_table(CATALOGUE, {ICCID: column})


NOON_US = 1_767_268_800_000_000


@pytest.mark.parametrize(
    "column",
    [
        pa.array([NOON_US], pa.timestamp("us", "UTC")),
        pa.array([NOON_US // 1_000_000], pa.timestamp("s", "Asia/Shanghai")),
        pa.array([NOON_US * 1000], pa.timestamp("ns")),
        pa.array([NOON_US // 1000]),
        pa.array([NOON_US / 1e6]),
        pa.array(["2026-01-01T20:00:00+08:00"]),
    ],
)
def test_times_of_every_type(column: pa.Array) -> None:
    times, faults = times_of(column)
    assert times.tolist() == [NOON_US]
    assert not faults


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, None], pa.timestamp("us", "UTC")),
        pa.array([900_000_000_000, None], pa.timestamp("us", "UTC")),
        pa.array(["2026-01-01T12:00:00", None]),
        pa.array([True, None]),
    ],
)
def test_what_is_no_time_is_told_by_row(column: pa.Array) -> None:
    times, faults = times_of(column)
    assert times.tolist() == [0, 0]
    assert sorted(faults) == [0, 1]


def test_times_as_text() -> None:
    times, faults = times_of_text(pa.array(["2026-01-01T12:00:00Z", str(NOON_US // 1000), "noon"]))
    assert times.tolist() == [NOON_US, NOON_US, 0]
    assert sorted(faults) == [2]
    times, faults = times_of_text(pa.array(["2026-01-01T12:00:00Z"] * 2))
    assert times.tolist() == [NOON_US] * 2
