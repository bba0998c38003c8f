"""Branches of the catalogue and codes that the tables of both editions share."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ALARM",
    "BATTERY",
    "CELL",
    "CHARGING_CODES",
    "DCDC_CODES",
    "DRIVE_CODES",
    "ENGINE",
    "FUEL_CELL",
    "GEAR_CODES",
    "HYDROGEN",
    "LINK",
    "LOCATION",
    "MODE_CODES",
    "MOTOR",
    "PACK",
    "POWER_CODES",
    "PROBE",
    "STARTED_CODES",
    "SUPERCAPACITOR",
    "STACK",
]

BATTERY: Final = "Vehicle.Powertrain.TractionBattery"
CELL: Final = f"{BATTERY}.CellVoltage"
PROBE: Final = f"{BATTERY}.Temperature"
PACK: Final = f"{BATTERY}.Pack"
MOTOR: Final = "Vehicle.Powertrain.DriveMotor.Motor"
ENGINE: Final = "Vehicle.Powertrain.CombustionEngine"
FUEL_CELL: Final = "Vehicle.Powertrain.FuelCell"
HYDROGEN: Final = f"{FUEL_CELL}.Hydrogen"
STACK: Final = f"{FUEL_CELL}.Stack"
SUPERCAPACITOR: Final = "Vehicle.Powertrain.Supercapacitor"
LOCATION: Final = "Vehicle.CurrentLocation"
ALARM: Final = "Vehicle.Alarm"
LINK: Final = "Vehicle.Connectivity"

POWER_CODES: Final = {1: "ON", 2: "OFF", 3: "OTHER"}
CHARGING_CODES: Final = {1: "PARKED", 2: "DRIVING", 3: "NOT_CHARGING", 4: "COMPLETED"}
MODE_CODES: Final = {1: "ELECTRIC", 2: "HYBRID", 3: "COMBUSTION"}
DCDC_CODES: Final = {1: "WORKING", 2: "DISCONNECTED"}
DRIVE_CODES: Final = {1: "CONSUMING", 2: "GENERATING", 3: "OFF", 4: "READY"}
STARTED_CODES: Final = {1: "STARTED", 2: "STOPPED"}

GEAR_CODES: Final = {**{gear: gear for gear in range(13)}, 13: -1, 14: 127, 15: 126}
"""Low nibble to VSS SelectedGear: 13 reverse, 14 drive, 15 park (VSS: -1, 127, 126)."""
