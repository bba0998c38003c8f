"""The catalogue: the packaged data holds together, and lookups say what is wrong."""

from __future__ import annotations

import pyarrow as pa
import pytest

from motorcade.errors import NotFound
from motorcade.signals.catalogue import Catalogue, Signal, load_catalogue
from motorcade.signals.units import UNITS

CATALOGUE = load_catalogue()


def test_holds_vss_and_the_overlay() -> None:
    assert len(CATALOGUE) > 1400
    speed = CATALOGUE["Vehicle.Speed"]
    assert (speed.unit, speed.datatype, speed.kind, speed.origin) == (
        "km/h",
        "float",
        "sensor",
        "vss",
    )
    state = CATALOGUE["Vehicle.Powertrain.DriveMotor.Motor4.State"]
    assert state.origin == "overlay"
    assert state.words == ("CONSUMING", "GENERATING", "OFF", "READY")


def test_overlay_completes_a_vss_signal_and_keeps_the_rest() -> None:
    cells = CATALOGUE["Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"]
    assert (cells.unit, cells.origin, cells.kind) == ("V", "vss", "sensor")
    current = CATALOGUE["Vehicle.Powertrain.TractionBattery.CurrentCurrent"]
    assert current.description.startswith("Current current flowing")
    assert "sign" in current.comment


def test_numbers_are_unique_small_and_lead_back() -> None:
    numbers = [signal.number for signal in CATALOGUE.values()]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) >= 1
    assert max(numbers) < 2**29
    assert all(CATALOGUE.by_number[s.number] is s for s in CATALOGUE.values())


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("Vehicle.Speed", 1449),
        ("Vehicle.Alarm.Flags", 78),
        ("Vehicle.Powertrain.TractionBattery.CurrentCurrent", 1380),
        ("Vehicle.Powertrain.DriveMotor.Motor4.State", 1146),
    ],
)
def test_published_numbers_stay(path: str, number: int) -> None:
    assert CATALOGUE[path].number == number


def test_every_signal_has_types_and_a_known_unit() -> None:
    for signal in CATALOGUE.values():
        assert signal.kind in {"sensor", "actuator", "attribute"}, signal.path
        assert signal.is_list == pa.types.is_list(signal.arrow_type), signal.path
        assert signal.unit in UNITS, signal.path
        assert signal.description, signal.path
        assert signal.is_enum == pa.types.is_dictionary(signal.stored_type), signal.path
        assert len(set(signal.allowed)) == len(signal.allowed)


@pytest.mark.parametrize(
    ("path", "carried", "stored"),
    [
        ("Vehicle.Speed", pa.float32(), pa.float32()),
        ("Vehicle.CurrentLocation.Latitude", pa.float64(), pa.float64()),
        ("Vehicle.CurrentLocation.IsValid", pa.bool_(), pa.bool_()),
        ("Vehicle.Alarm.Flags", pa.uint32(), pa.uint32()),
        ("Vehicle.Alarm.OtherFaults", pa.list_(pa.uint32()), pa.list_(pa.uint32())),
        ("Vehicle.OperatingState", pa.uint8(), pa.dictionary(pa.int8(), pa.string())),
        (
            "Vehicle.Powertrain.TractionBattery.PackCodes",
            pa.list_(pa.string()),
            pa.list_(pa.string()),
        ),
    ],
)
def test_types(path: str, carried: pa.DataType, stored: pa.DataType) -> None:
    assert CATALOGUE[path].arrow_type == carried
    assert CATALOGUE[path].stored_type == stored


def test_find_names_the_nearest() -> None:
    assert CATALOGUE.find("Vehicle.Speed") is CATALOGUE["Vehicle.Speed"]
    with pytest.raises(NotFound, match=r"did you mean Vehicle\.Speed"):
        CATALOGUE.find("Vehicle.Sped")
    with pytest.raises(NotFound):
        CATALOGUE.find("")


def test_select_takes_paths_and_branches_once() -> None:
    motor = "Vehicle.Powertrain.DriveMotor.Motor1"
    chosen = CATALOGUE.select([f"{motor}.Speed", f"{motor}.*", motor, "Vehicle.Speed"])
    paths = [signal.path for signal in chosen]
    assert paths[0] == f"{motor}.Speed"
    assert paths[-1] == "Vehicle.Speed"
    assert len(paths) == len(set(paths)) == 9
    with pytest.raises(NotFound):
        CATALOGUE.select(["Vehicle.Powertrain.DriveMotor.Motor5"])
    assert len(CATALOGUE.select(["Vehicle.*"])) == len(CATALOGUE)


def test_a_retired_number_keeps_its_path() -> None:
    signal = Signal(number=1, path="A", datatype="float", kind="sensor")
    catalogue = Catalogue([signal], {7: "B.Gone"})
    assert catalogue.path_of(1) == "A"
    assert catalogue.path_of(7) == "B.Gone"
    assert 7 not in catalogue.by_number
    with pytest.raises(NotFound):
        catalogue.path_of(8)


def test_alarm_bits_are_those_of_the_standard() -> None:
    bits = CATALOGUE["Vehicle.Alarm.Flags"].bits
    assert len(bits) == 28
    assert bits[0] == "TEMPERATURE_DIFFERENCE"
    assert bits[18] == "BATTERY_OVERCHARGE"
    assert bits[27] == "FUEL_CELL_STACK_TEMPERATURE"
