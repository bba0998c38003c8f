"""The information types of GB/T 32960.3-2016, section 7.2 and annex B.3.5 (cells and probes)."""

from __future__ import annotations

from typing import Final

from motorcade.protocols.gbt32960.layout import Field as F  # noqa: N817
from motorcade.protocols.gbt32960.layout import Item, Segment
from motorcade.protocols.gbt32960.paths import (
    ALARM,
    BATTERY,
    CELL,
    CHARGING_CODES,
    DCDC_CODES,
    DRIVE_CODES,
    ENGINE,
    FUEL_CELL,
    GEAR_CODES,
    HYDROGEN,
    LOCATION,
    MODE_CODES,
    MOTOR,
    PACK,
    POWER_CODES,
    PROBE,
    STARTED_CODES,
)

__all__ = ["ITEMS"]

_VEHICLE = Segment(
    20,
    (
        F("Vehicle.OperatingState", 0, codes=POWER_CODES),
        F(f"{BATTERY}.Charging.State", 1, codes=CHARGING_CODES),
        F("Vehicle.Powertrain.RunningMode", 2, codes=MODE_CODES),
        F("Vehicle.Speed", 3, 2, 0.1, unit="km/h"),
        F("Vehicle.TraveledDistance", 5, 4, 0.1, unit="km"),
        F(f"{BATTERY}.CurrentVoltage", 9, 2, 0.1, unit="V"),
        F(f"{BATTERY}.CurrentCurrent", 11, 2, 0.1, -1000, "A"),
        F(f"{BATTERY}.StateOfCharge.Current", 13, unit="percent"),
        F(f"{BATTERY}.DCDC.State", 14, codes=DCDC_CODES),
        F("Vehicle.Powertrain.IsDriveForceApplied", 15, shift=5, mask=1),
        F("Vehicle.Chassis.Brake.IsBrakeForceApplied", 15, shift=4, mask=1),
        F("Vehicle.Powertrain.Transmission.SelectedGear", 15, mask=0x0F, codes=GEAR_CODES),
        F(f"{BATTERY}.InsulationResistance", 16, 2, unit="kOhm"),
        F("Vehicle.Chassis.Accelerator.PedalPosition", 18, unit="percent"),
        F("Vehicle.Chassis.Brake.PedalPosition", 19, unit="percent"),
    ),
)
"""Table 9, and the two pedals annex B puts into the platform table's reserved word."""

_MOTORS = Segment(
    1,
    count=(0, 1),
    each=12,
    elements=(
        F("Index", 0),
        F("State", 1, codes=DRIVE_CODES),
        F("ControllerTemperature", 2, add=-40, unit="Celsius"),
        F("Speed", 3, 2, 1, -20000, "rpm"),
        F("Torque", 5, 2, 0.1, -2000, "Nm"),
        F("Temperature", 7, add=-40, unit="Celsius"),
        F("ControllerVoltage", 8, 2, 0.1, unit="V"),
        F("ControllerCurrent", 10, 2, 0.1, -1000, "A"),
    ),
    instances=MOTOR,
)
"""Tables 10 and 11. The offsets of speed and torque count raw steps: 20000 × 0.1 Nm."""

_FUEL_CELL = (
    Segment(
        8,
        (
            F(f"{FUEL_CELL}.Voltage", 0, 2, 0.1, unit="V"),
            F(f"{FUEL_CELL}.Current", 2, 2, 0.1, unit="A"),
            F(f"{FUEL_CELL}.FuelConsumption", 4, 2, 0.01, unit="kg/100km"),
        ),
        count=(6, 2),
        each=1,
        elements=(F(f"{FUEL_CELL}.ProbeTemperatures", 0, add=-40, unit="Celsius"),),
    ),
    Segment(
        10,
        (
            F(f"{HYDROGEN}.TemperatureMax", 0, 2, 0.1, -40, "Celsius"),
            F(f"{HYDROGEN}.TemperatureMaxProbe", 2),
            F(f"{HYDROGEN}.ConcentrationMax", 3, 2, unit="mg/kg"),
            F(f"{HYDROGEN}.ConcentrationMaxSensor", 5),
            F(f"{HYDROGEN}.PressureMax", 6, 2, 0.1, unit="MPa"),
            F(f"{HYDROGEN}.PressureMaxSensor", 8),
            F(f"{FUEL_CELL}.DCDC.State", 9, codes=DCDC_CODES),
        ),
    ),
)
"""Table 12."""

_ENGINE = Segment(
    5,
    (
        F(f"{ENGINE}.State", 0, codes=STARTED_CODES),
        F(f"{ENGINE}.Speed", 1, 2, unit="rpm"),
        F(f"{ENGINE}.FuelConsumption", 3, 2, 0.01, unit="l/100km"),
    ),
)
"""Table 13."""

_POSITION = Segment(
    9,
    (
        F(f"{LOCATION}.IsValid", 0, mask=1, codes={0: True, 1: False}, marked=False),
        F(f"{LOCATION}.Longitude", 1, 4, 1e-6, unit="degrees", sign=(0, 2)),
        F(f"{LOCATION}.Latitude", 5, 4, 1e-6, unit="degrees", sign=(0, 1)),
    ),
)
"""Tables 14 and 15."""

_EXTREMES = Segment(
    14,
    (
        F(f"{CELL}.MaxPack", 0),
        F(f"{CELL}.MaxCell", 1),
        F(f"{CELL}.Max", 2, 2, 0.001, unit="V"),
        F(f"{CELL}.MinPack", 4),
        F(f"{CELL}.MinCell", 5),
        F(f"{CELL}.Min", 6, 2, 0.001, unit="V"),
        F(f"{PROBE}.MaxPack", 8),
        F(f"{PROBE}.MaxProbe", 9),
        F(f"{PROBE}.Max", 10, add=-40, unit="Celsius"),
        F(f"{PROBE}.MinPack", 11),
        F(f"{PROBE}.MinProbe", 12),
        F(f"{PROBE}.Min", 13, add=-40, unit="Celsius"),
    ),
)
"""Table 16."""

_ALARMS = (
    Segment(
        6,
        (F(f"{ALARM}.Level", 0), F(f"{ALARM}.Flags", 1, 4)),
        count=(5, 1),
        each=4,
        elements=(F(f"{ALARM}.BatteryFaults", 0, 4, marked=False),),
    ),
    Segment(1, count=(0, 1), each=4, elements=(F(f"{ALARM}.MotorFaults", 0, 4, marked=False),)),
    Segment(1, count=(0, 1), each=4, elements=(F(f"{ALARM}.EngineFaults", 0, 4, marked=False),)),
    Segment(1, count=(0, 1), each=4, elements=(F(f"{ALARM}.OtherFaults", 0, 4, marked=False),)),
)
"""Tables 17 and 18."""

_CELLS = Segment(
    1,
    count=(0, 1),
    repeats=Segment(
        10,
        (
            F(f"{PACK}.Number", 0),
            F(f"{PACK}.Voltage", 1, 2, 0.1, unit="V"),
            F(f"{PACK}.Current", 3, 2, 0.1, -1000, "A"),
            F(f"{PACK}.TotalCells", 5, 2),
            F(f"{PACK}.FirstCell", 7, 2),
        ),
        count=(9, 1),
        each=2,
        elements=(F(f"{CELL}.CellVoltages", 0, 2, 0.001, unit="V"),),
        counts=f"{PACK}.CellCount",
    ),
)
"""Tables B.5 and B.6."""

_PROBES = Segment(
    1,
    count=(0, 1),
    repeats=Segment(
        3,
        (F(f"{PACK}.ProbePack", 0),),
        count=(1, 2),
        each=1,
        elements=(F(f"{PROBE}.CellTemperature", 0, add=-40, unit="Celsius"),),
        counts=f"{PACK}.ProbeCount",
    ),
)
"""Tables B.7 and B.8."""

ITEMS: Final = (
    Item(0x01, "vehicle", (_VEHICLE,)),
    Item(0x02, "drive motors", (_MOTORS,)),
    Item(0x03, "fuel cell", _FUEL_CELL),
    Item(0x04, "engine", (_ENGINE,)),
    Item(0x05, "position", (_POSITION,)),
    Item(0x06, "extremes", (_EXTREMES,)),
    Item(0x07, "alarms", _ALARMS),
    Item(0x08, "cell voltages", (_CELLS,)),
    Item(0x09, "probe temperatures", (_PROBES,)),
)
