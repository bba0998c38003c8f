"""One vehicle's state as JSON bytes."""

from __future__ import annotations

import msgspec

from motorcade.api.states import encoded
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import load_catalogue
from motorcade.twin.reader import Reading, State

CATALOGUE = load_catalogue()
NOON_US = 1_764_000_000_000_000
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"


def test_values_are_short_times_are_words_and_paths_are_in_order() -> None:
    signals = {
        "Vehicle.Speed": Reading(0.10000000149011612, NOON_US, Quality.VALID),
        "Vehicle.OperatingState": Reading("ON", NOON_US, Quality.VALID),
        CELLS: Reading([3.7100000381469727, 4.0], NOON_US, Quality.VALID),
        "Vehicle.CurrentLocation.IsValid": Reading(True, NOON_US - 1, Quality.VALID),
        "Vehicle.Alarm.Level": Reading(None, NOON_US, Quality.ABNORMAL),
    }
    state = State(7, 1, NOON_US, NOON_US // 1_000_000, signals)
    body = msgspec.json.decode(encoded("VIN", state, CATALOGUE))
    time = "2025-11-24T16:00:00Z"
    assert body == {
        "vin": "VIN",
        "event_time": time,
        "signals": {
            "Vehicle.Alarm.Level": {"value": None, "time": time, "quality": "abnormal"},
            "Vehicle.CurrentLocation.IsValid": {
                "value": True,
                "time": "2025-11-24T15:59:59.999999Z",
            },
            "Vehicle.OperatingState": {"value": "ON", "time": time},
            CELLS: {"value": [3.71, 4.0], "time": time},
            "Vehicle.Speed": {"value": 0.1, "time": time},
        },
    }
    assert list(body["signals"]) == sorted(signals)


def test_a_vehicle_that_never_reported() -> None:
    assert encoded("VIN", None, CATALOGUE) == b'{"vin":"VIN","event_time":null,"signals":{}}'
