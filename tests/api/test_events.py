"""Events of few rows say what events of many do, to the byte."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from motorcade.api.events import FEW, events, rendered
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.text import plain_column, shown_column

CATALOGUE = load_catalogue()
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
STATE = "Vehicle.Powertrain.DriveMotor.Motor1.State"
LATITUDE = "Vehicle.CurrentLocation.Latitude"


@pytest.mark.parametrize("few", [0, 1, 5, FEW])
@pytest.mark.parametrize(
    ("path", "values", "kind"),
    [
        ("Vehicle.Speed", [54.3, None, 0.1, float("nan"), float("inf")], pa.float32()),
        (LATITUDE, [31.2304, None, -0.0, float("nan"), 1e300], pa.float64()),
        (STATE, [0, None, 1, 2, 200], pa.uint8()),
        ("Vehicle.CurrentLocation.IsValid", [True, None, False, True, False], pa.bool_()),
        (CELLS, [[3.71, None, 4.1], None, [], [float("nan")], [0.1]], pa.list_(pa.float32())),
        ("Vehicle.Connectivity.ICCID", ["8986", None, "", "é", "x"], pa.string()),
        ("Vehicle.Alarm.Flags", [0, None, 1, 2**31, 7], pa.uint32()),
        ("Vehicle.Alarm.MotorFaults", [[1], None, [], [2, 3], [4]], pa.list_(pa.uint32())),
        ("Nobody.Knows.It", [b"\x80", None, b"", b"\xff", b"1"], pa.binary()),
    ],
)
def test_few_and_many_values_look_the_same(
    path: str, values: list[Any], kind: pa.DataType, few: int
) -> None:
    column = pa.array(values, kind)
    signal = CATALOGUE.get(path)
    wanted = plain_column(column) if signal is None else shown_column(signal, column)
    assert rendered(signal, column, few=few) == wanted


def test_an_event_says_what_is_not_null() -> None:
    batch = SignalBatch.build(
        "report",
        {
            "tenant": np.array([1, 1, 1], np.uint32),
            "vehicle": np.array([7, 8, 9], np.uint64),
            "event_time": np.full(3, 1_764_000_000_000_000),
            "ingest_time": np.full(3, 1_764_000_000_500_000),
            "record": np.arange(3, dtype=np.uint64),
            "reissued": np.zeros(3, bool),
        },
        {
            "Vehicle.Speed": pa.array([54.3, None, 1], pa.float32()),
            STATE: pa.array([None, 0, 1], pa.uint8()),
        },
    )
    made = events(batch, batch.paths, {7: "SEVEN", 8: "EIGHT"}, CATALOGUE)
    time = "2025-11-24T16:00:00Z"
    speed, state = {"Vehicle.Speed": 54.3}, {STATE: "CONSUMING"}
    assert [msgspec.json.decode(event) for event in made] == [
        {"vin": "SEVEN", "event_time": time, "kind": "report", "signals": speed},
        {"vin": "EIGHT", "event_time": time, "kind": "report", "signals": state},
    ], "a vehicle without a VIN of the tenant's is left out"
    none = events(batch, [], {7: "SEVEN"}, CATALOGUE)
    assert msgspec.json.decode(none[0])["signals"] == {}
