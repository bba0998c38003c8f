"""GB/T 32960.3 against frames and values made by others, which may not stand in this repository.

Set ``MOTORCADE_EXTRA_VECTORS`` to a directory with ``gb32960.jsonl``: one object a line with
``id``, ``hex``, ``bcc_ok``, and ``expect`` as one of two other decoders prints it (scaled, or raw
integers).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from motorcade.protocols import gbt32960
from motorcade.protocols.gbt32960.leftovers import read_raw
from motorcade.protocols.inspect import describe_stream

DIRECTORY = os.environ.get("MOTORCADE_EXTRA_VECTORS", "")
FILE = Path(DIRECTORY) / "gb32960.jsonl"
B = "Vehicle.Powertrain.TractionBattery"
M = "Vehicle.Powertrain.DriveMotor.Motor"
F = "Vehicle.Powertrain.FuelCell"
E = "Vehicle.Powertrain.CombustionEngine"
L = "Vehicle.CurrentLocation"
A = "Vehicle.Alarm"
S = "Vehicle.Powertrain.Supercapacitor"

pytestmark = pytest.mark.skipif(
    not DIRECTORY or not FILE.exists(),
    reason="set MOTORCADE_EXTRA_VECTORS to a directory with gb32960.jsonl to compare with others",
)


def rows() -> list[Any]:
    if not DIRECTORY or not FILE.exists():
        return []
    return [
        pytest.param(one, id=one["id"]) for one in map(json.loads, FILE.read_text().splitlines())
    ]


def described(row: dict[str, Any]) -> dict[str, Any]:
    data = bytes.fromhex(row.get("hex_bcc_fixed", row["hex"]))
    (said,) = describe_stream(gbt32960, data)
    return said


@pytest.mark.parametrize("row", rows())
def test_others_frames_are_read(row: dict[str, Any]) -> None:
    data = bytes.fromhex(row["hex"])
    if not row["bcc_ok"]:
        (said,) = describe_stream(gbt32960, data)
        assert said["reject"]["code"] == "checksum"
    said = described(row)
    assert said["reject"] is None
    assert said["raw"]["edition"] == int(row["version"])
    if "frames" not in (row.get("expect") or {}):
        assert said["vin"] == row["vin"].strip("\0 ")


# What one decoder prints: scaled numbers as text with a unit, "invalid" or "abnormal".

CODES = {
    "on": "ON",
    "off": "OFF",
    "other": "OTHER",
    "parked_charging": "PARKED",
    "driving_charging": "DRIVING",
    "uncharged": "NOT_CHARGING",
    "charged": "COMPLETED",
    "pure_electric": "ELECTRIC",
    "consuming_power": "CONSUMING",
    "generating_power": "GENERATING",
    "idle": "READY",
    "P": 126,
    "D": 127,
    "R": -1,
    "N": 0,
    "gcj02": "GCJ02",
    "wgs84": "WGS84",
}
SCALED: dict[str, dict[str, tuple[str, float]]] = {
    "whole_vehicle": {
        "vehicle_state": ("Vehicle.OperatingState", 1),
        "charge_state": (f"{B}.Charging.State", 1),
        "operate_state": ("Vehicle.Powertrain.RunningMode", 1),
        "vehicle_speed": ("Vehicle.Speed", 1),
        "mileage_total": ("Vehicle.TraveledDistance", 1000),
        "voltage_total": (f"{B}.CurrentVoltage", 1),
        "current_total": (f"{B}.CurrentCurrent", 1),
        "soc": (f"{B}.StateOfCharge.Current", 1),
        "insulation_resistance": (f"{B}.InsulationResistance", 1),
        "accelerator_padel": ("Vehicle.Chassis.Accelerator.PedalPosition", 1),
        "brake_padel": ("Vehicle.Chassis.Brake.PedalPosition", 1),
    },
    "emotor": {
        "index": ("Index", 1),
        "state": ("State", 1),
        "ctrl_temp": ("ControllerTemperature", 1),
        "speed": ("Speed", 1),
        "torque": ("Torque", 1),
        "temp": ("Temperature", 1),
        "ctrl_volt": ("ControllerVoltage", 1),
        "ctrl_curr": ("ControllerCurrent", 1),
    },
    "engine": {
        "engine_torque": (f"{E}.Speed", 1),
        "fuel_consumption": (f"{E}.FuelConsumption", 1),
    },
    "gnss": {"gnss_lng": (f"{L}.Longitude", 1e4), "gnss_lat": (f"{L}.Latitude", 1e4)},
    "pack_extrema": {
        f"{side}_{what}": (f"{B}.{path}", 1)
        for side, big in (("max", "Max"), ("min", "Min"))
        for what, path in (
            ("volt_pack_index", f"CellVoltage.{big}Pack"),
            ("volt_cell_index", f"CellVoltage.{big}Cell"),
            ("cell_volt", f"CellVoltage.{big}"),
            ("temp_pack_index", f"Temperature.{big}Pack"),
            ("temp_cell_index", f"Temperature.{big}Probe"),
            ("cell_temp", f"Temperature.{big}"),
        )
    }
    | {
        "max_cell_volt": (f"{B}.CellVoltage.Max", 1),
        "min_cell_volt": (f"{B}.CellVoltage.Min", 1),
        "max_cell_temp": (f"{B}.Temperature.Max", 1),
        "min_cell_temp": (f"{B}.Temperature.Min", 1),
    },
}


def same(said: dict[str, Any], path: str, value: Any, scale: float = 1) -> None:
    """One of our signals against the other's text; its invalid values are our quality."""
    text = str(value)
    if text.endswith(("invalid", "abnormal")):
        assert path not in said["signals"], path
        assert said["quality"][path] in ("invalid", "abnormal")
        return
    if text.split(" ", maxsplit=1)[0] in ("254", "255", "65535") and path in said["quality"]:
        # It does not know every field's markers (2016 insulation, motor numbers).
        return
    told = said["signals"].get(path)
    if isinstance(told, str) or text in CODES:
        assert told == CODES.get(text, text), path
        return
    number = float(re.split(r" ", text)[0])
    assert told is not None, path
    assert told == pytest.approx(number * scale, abs=1e-4, rel=1e-6), path


def scaled_items(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for item in row["expect"]["payload"].get("data_list", ()):
        yield item["data_type"], item["data_content"]


def is_scaled(row: dict[str, Any]) -> bool:
    return isinstance((row.get("expect") or {}).get("payload"), dict)


@pytest.mark.parametrize("row", rows())
def test_scaled_values(row: dict[str, Any]) -> None:
    if not is_scaled(row):
        pytest.skip("this row brings no scaled values")
    said = described(row)
    for kind, content in scaled_items(row):
        if kind == "emotor":
            for number, motor in enumerate(content, 1):
                for name, value in motor.items():
                    path, scale = SCALED["emotor"][name]
                    same(said, f"{M}{number}.{path}", value, scale)
        elif kind == "cell_volts":
            _cells(said, content, row["version"])
        elif kind == "probe_temps":
            _probes(said, content)
        elif kind == "warnings":
            _warnings(said, content)
        elif kind in SCALED:
            for name, (path, scale) in SCALED[kind].items():
                if name in content and not (kind == "gnss" and path not in said["signals"]):
                    same(said, path, content[name], scale)
    _facts(said, row)


def _facts(said: dict[str, Any], row: dict[str, Any]) -> None:
    payload = row["expect"]["payload"]
    if "iccid" in payload:
        assert said["signals"]["Vehicle.Connectivity.ICCID"] == payload["iccid"]
        codes = payload.get("pack_sn") or [one for some in payload["pack_sn_list"] for one in some]
        assert said["signals"][f"{B}.PackCodes"] == codes
    # Behind an unknown type nothing can be read, so a signature there stays raw with the rest.
    lost = "notes" in said["raw"]
    if "sig" in payload and isinstance(payload["sig"], dict) and row["cmd"] == 2 and not lost:
        assert said["signals"]["Vehicle.Connectivity.Signature.R"] == payload["sig"]["r_value"]
    if "session_id" in payload:
        assert payload["session_id"] in (
            said["raw"].get("sequence"),
            said["signals"].get("Vehicle.Connectivity.LoginSequence"),
        )


def _cells(said: dict[str, Any], content: list[Any], version: str) -> None:
    cells = [cell for pack in content for cell in pack["cell_volts"]]
    told = said["signals"].get(f"{B}.CellVoltage.CellVoltages", [None] * len(cells))
    assert len(told) == len(cells)
    for ours, theirs in zip(told, cells, strict=True):
        if ours is not None:
            assert ours == pytest.approx(float(theirs.split(" ")[0]), abs=1e-6)
    # That decoder takes -3000 A as the 2016 offset too; the standard's table B.6 says -1000 A.
    shift = 2000 if version == "2016" else 0
    for place, pack in enumerate(content):
        current = float(pack["curr"].split(" ")[0]) + shift
        assert said["signals"][f"{B}.Pack.Current"][place] == pytest.approx(current, abs=1e-3)


def _probes(said: dict[str, Any], content: list[Any]) -> None:
    temps = [temp for pack in content for temp in pack["probe_temps"]]
    told = said["signals"].get(f"{B}.Temperature.CellTemperature", [None] * len(temps))
    assert [None if "invalid" in temp else float(temp.split(" ")[0]) for temp in temps] == told


def _warnings(said: dict[str, Any], content: dict[str, Any]) -> None:
    assert said["signals"][f"{A}.Level"] == content["max_warning_level"]
    bits = sum(bit << place for place, bit in enumerate(content["general_warnings"].values()))
    assert said["signals"][f"{A}.Flags"] == bits
    for name, path in (
        ("pack_failures", "BatteryFaults"),
        ("emotor_failures", "MotorFaults"),
        ("engine_failures", "EngineFaults"),
        ("other_failures", "OtherFaults"),
    ):
        assert [f"{code:08x}" for code in said["signals"][f"{A}.{path}"]] == content[name]
    graded = [one["level"] for one in content.get("general_warning_list", [])]
    assert said["signals"].get(f"{A}.GradedLevels", []) == graded


# What the other decoder prints: raw integers by name. Name: path, scale, offset.

RAW: dict[str, dict[str, tuple[str, float, float]]] = {
    "Vehicle": {
        "Speed": ("Vehicle.Speed", 0.1, 0),
        "Mileage": ("Vehicle.TraveledDistance", 100, 0),
        "Voltage": (f"{B}.CurrentVoltage", 0.1, 0),
        "SOC": (f"{B}.StateOfCharge.Current", 1, 0),
        "Resistance": (f"{B}.InsulationResistance", 1, 0),
        "AcceleratorPedal": ("Vehicle.Chassis.Accelerator.PedalPosition", 1, 0),
        "BrakePedal": ("Vehicle.Chassis.Brake.PedalPosition", 1, 0),
    },
    "FuelCell": {
        "CellVoltage": (f"{F}.Voltage", 0.1, 0),
        "CellCurrent": (f"{F}.Current", 0.1, 0),
        "FuelConsumption": (f"{F}.FuelConsumption", 0.01, 0),
        "H_MaxTemp": (f"{F}.Hydrogen.TemperatureMax", 0.1, -40),
        "H_TempProbeCode": (f"{F}.Hydrogen.TemperatureMaxProbe", 1, 0),
        "H_MaxConc": (f"{F}.Hydrogen.ConcentrationMax", 1, 0),
        "H_ConcSensorCode": (f"{F}.Hydrogen.ConcentrationMaxSensor", 1, 0),
        "H_MaxPress": (f"{F}.Hydrogen.PressureMax", 0.1, 0),
        "H_PressSensorCode": (f"{F}.Hydrogen.PressureMaxSensor", 1, 0),
    },
    "Engine": {
        "CrankshaftSpeed": (f"{E}.Speed", 1, 0),
        "FuelConsumption": (f"{E}.FuelConsumption", 0.01, 0),
    },
    "Extreme": {
        "MaxVoltageBatterySubsysNo": (f"{B}.CellVoltage.MaxPack", 1, 0),
        "MaxVoltageBatteryCode": (f"{B}.CellVoltage.MaxCell", 1, 0),
        "MaxBatteryVoltage": (f"{B}.CellVoltage.Max", 0.001, 0),
        "MinVoltageBatterySubsysNo": (f"{B}.CellVoltage.MinPack", 1, 0),
        "MinVoltageBatteryCode": (f"{B}.CellVoltage.MinCell", 1, 0),
        "MinBatteryVoltage": (f"{B}.CellVoltage.Min", 0.001, 0),
        "MaxTempSubsysNo": (f"{B}.Temperature.MaxPack", 1, 0),
        "MaxTempProbeNo": (f"{B}.Temperature.MaxProbe", 1, 0),
        "MaxTemp": (f"{B}.Temperature.Max", 1, -40),
        "MinTemp": (f"{B}.Temperature.Min", 1, -40),
    },
    "Alarm": {
        "MaxAlarmLevel": (f"{A}.Level", 1, 0),
        "GeneralAlarmFlag": (f"{A}.Flags", 1, 0),
    },
    "SuperCapacitor": {
        "ManagerSysNo": (f"{S}.Number", 1, 0),
        "TotalVoltage": (f"{S}.Voltage", 0.1, 0),
        "TotalCurrent": (f"{S}.Current", 0.1, -3000),
    },
}
MOTOR_2016 = {"Rotating": (1, -20000), "Torque": (0.1, -2000)}
MOTOR_2025 = {"Rotating": (1, -32000), "Torque": (0.1, -20000)}


def raw_decode(row: dict[str, Any]) -> list[dict[str, Any]]:
    for source in (row.get("expect"), row.get("emqx_raw_decode")):
        if isinstance(source, dict) and isinstance(source.get("data"), dict):
            return list(source["data"].get("Infos", []))
    return []


@pytest.mark.parametrize("row", rows())
def test_raw_integers(row: dict[str, Any]) -> None:
    infos = raw_decode(row)
    if not infos:
        pytest.skip("this row brings no raw integers")
    said = described(row)
    signals = said["signals"]
    edition = int(row["version"])
    last = {info["Type"]: info for info in infos}
    for kind, info in last.items():
        for name, (path, scale, add) in RAW.get(kind, {}).items():
            if name in info and path in signals:
                assert signals[path] == pytest.approx(info[name] * scale + add, abs=1e-3), path
        if kind == "Vehicle":
            add = -1000 if edition == 2016 else -3000
            told = signals.get(f"{B}.CurrentCurrent")
            assert told is None or told == pytest.approx(info["Current"] * 0.1 + add, abs=1e-3)
        elif kind == "DriveMotor":
            _raw_motors(signals, info, MOTOR_2016 if edition == 2016 else MOTOR_2025)
        elif kind == "Location" and f"{L}.Longitude" in signals:
            assert abs(signals[f"{L}.Longitude"]) == pytest.approx(info["Longitude"] / 1e6)
            assert abs(signals[f"{L}.Latitude"]) == pytest.approx(info["Latitude"] / 1e6)
            assert signals[f"{L}.IsValid"] == (not info["Status"] & 1)
        else:
            _raw_lists(signals, kind, info)


def _raw_lists(signals: dict[str, Any], kind: str, info: dict[str, Any]) -> None:
    if kind in ("ChargeableVoltage", "PowerBatteryVoltage") and "SubSystems" in info:
        cells = [cell for one in info["SubSystems"] for cell in one.get("CellsVoltage", [])]
        told = signals[f"{B}.CellVoltage.CellVoltages"]
        assert told == pytest.approx([cell / 1000 for cell in cells], abs=1e-6)
    elif kind in ("ChargeableTemp", "TempOfPowerBattery"):
        temps = [temp - 40 for one in info["SubSystems"] for temp in one["ProbesTemp"]]
        told = signals.get(f"{B}.Temperature.CellTemperature", [])
        assert [temp for temp in told if temp is not None] == [t for t in temps if t < 214]
    elif kind == "SuperCapacitor":
        told = [round(volt * 1000) for volt in signals[f"{S}.CellVoltages"]]
        assert told == info["CellsVoltage"]
    elif kind == "Signature":
        assert signals["Vehicle.Connectivity.Signature.R"].upper() == info["RValue"]


def _raw_motors(
    signals: dict[str, Any], info: dict[str, Any], scales: dict[str, tuple[float, float]]
) -> None:
    for number, motor in enumerate(info["Motors"][:4], 1):
        for name, path in (("Rotating", "Speed"), ("Torque", "Torque")):
            told = signals.get(f"{M}{number}.{path}")
            scale, add = scales[name]
            assert told is None or told == pytest.approx(motor[name] * scale + add, abs=1e-3)
        told = signals.get(f"{M}{number}.ControllerTemperature")
        assert told is None or told == motor["CtrlTemp"] - 40


def test_raw_items_can_be_read_back() -> None:
    assert read_raw(None) == []
