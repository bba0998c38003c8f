"""The information types of GB/T 32960.3-2025, section 7.2.4.

No official text was at hand: the rows are what published decoders of the edition agree on, and
``docs/protocols/gbt32960.md`` lists where they do not.
"""

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
    LINK,
    LOCATION,
    MODE_CODES,
    MOTOR,
    PACK,
    POWER_CODES,
    PROBE,
    STACK,
    SUPERCAPACITOR,
)

__all__ = ["ITEMS"]

_VEHICLE = Segment(
    18,
    (
        F("Vehicle.OperatingState", 0, codes=POWER_CODES),
        F(f"{BATTERY}.Charging.State", 1, codes=CHARGING_CODES),
        F("Vehicle.Powertrain.RunningMode", 2, codes=MODE_CODES),
        F("Vehicle.Speed", 3, 2, 0.1, unit="km/h"),
        F("Vehicle.TraveledDistance", 5, 4, 0.1, unit="km"),
        F(f"{BATTERY}.CurrentVoltage", 9, 2, 0.1, unit="V"),
        F(f"{BATTERY}.CurrentCurrent", 11, 2, 0.1, -3000, "A"),
        F(f"{BATTERY}.StateOfCharge.Current", 13, unit="percent"),
        F(f"{BATTERY}.DCDC.State", 14, codes=DCDC_CODES),
        F("Vehicle.Powertrain.IsDriveForceApplied", 15, shift=5, mask=1, unless=0x80),
        F("Vehicle.Chassis.Brake.IsBrakeForceApplied", 15, shift=4, mask=1, unless=0x80),
        F(
            "Vehicle.Powertrain.Transmission.SelectedGear",
            15,
            mask=0x0F,
            codes=GEAR_CODES,
            unless=0x80,
        ),
        F(f"{BATTERY}.InsulationResistance", 16, 2, unit="kOhm"),
    ),
)

_MOTORS = Segment(
    1,
    count=(0, 1),
    each=10,
    elements=(
        F("Index", 0),
        F("State", 1, codes=DRIVE_CODES),
        F("ControllerTemperature", 2, add=-40, unit="Celsius"),
        F("Speed", 3, 2, 1, -32000, "rpm"),
        F("Torque", 5, 4, 0.1, -20000, "Nm"),
        F("Temperature", 9, add=-40, unit="Celsius"),
    ),
    instances=MOTOR,
)

_FUEL_CELL = Segment(
    12,
    (
        F(f"{HYDROGEN}.TemperatureMax", 0, 2, 0.1, -40, "Celsius"),
        F(f"{HYDROGEN}.TemperatureMaxProbe", 2),
        F(f"{HYDROGEN}.ConcentrationMax", 3, 2, unit="mg/kg"),
        F(f"{HYDROGEN}.ConcentrationMaxSensor", 5),
        F(f"{HYDROGEN}.PressureMax", 6, 2, 0.1, unit="MPa"),
        F(f"{HYDROGEN}.PressureMaxSensor", 8),
        F(f"{FUEL_CELL}.DCDC.State", 9, codes=DCDC_CODES),
        F(f"{HYDROGEN}.RelativeLevel", 10, unit="percent"),
        F(f"{FUEL_CELL}.DCDC.Temperature", 11, add=-40, unit="Celsius"),
    ),
)

_ENGINE = Segment(2, (F(f"{ENGINE}.Speed", 0, 2, unit="rpm"),))

_POSITION = Segment(
    10,
    (
        F(f"{LOCATION}.IsValid", 0, mask=1, codes={0: True, 1: False}, marked=False),
        F(f"{LOCATION}.CoordinateSystem", 1, codes={1: "WGS84", 2: "GCJ02", 3: "OTHER"}),
        F(f"{LOCATION}.Longitude", 2, 4, 1e-6, unit="degrees", sign=(0, 2)),
        F(f"{LOCATION}.Latitude", 6, 4, 1e-6, unit="degrees", sign=(0, 1)),
    ),
)

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
    Segment(
        1,
        count=(0, 1),
        each=2,
        elements=(
            F(f"{ALARM}.Graded", 0, marked=False),
            F(f"{ALARM}.GradedLevels", 1),
        ),
    ),
)

_CELLS = Segment(
    1,
    count=(0, 1),
    repeats=Segment(
        7,
        (
            F(f"{PACK}.Number", 0),
            F(f"{PACK}.Voltage", 1, 2, 0.1, unit="V"),
            F(f"{PACK}.Current", 3, 2, 0.1, -3000, "A"),
        ),
        count=(5, 2),
        each=2,
        elements=(F(f"{CELL}.CellVoltages", 0, 2, 0.001, unit="V"),),
        counts=f"{PACK}.CellCount",
    ),
)

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

_STACKS = Segment(
    1,
    count=(0, 1),
    repeats=Segment(
        12,
        (
            F(f"{STACK}.Number", 0),
            F(f"{STACK}.Voltage", 1, 2, 0.1, unit="V"),
            F(f"{STACK}.Current", 3, 2, 0.1, unit="A"),
            F(f"{STACK}.HydrogenPressure", 5, 2, 0.1, -100, "kPa"),
            F(f"{STACK}.AirPressure", 7, 2, 0.1, -100, "kPa"),
            F(f"{STACK}.AirTemperature", 9, add=-40, unit="Celsius"),
        ),
        count=(10, 2),
        each=1,
        elements=(F(f"{FUEL_CELL}.ProbeTemperatures", 0, add=-40, unit="Celsius"),),
        counts=f"{STACK}.ProbeCount",
    ),
)

_SUPERCAPACITOR = (
    Segment(
        7,
        (
            F(f"{SUPERCAPACITOR}.Number", 0),
            F(f"{SUPERCAPACITOR}.Voltage", 1, 2, 0.1, unit="V"),
            F(f"{SUPERCAPACITOR}.Current", 3, 2, 0.1, -3000, "A"),
        ),
        count=(5, 2),
        each=2,
        elements=(F(f"{SUPERCAPACITOR}.CellVoltages", 0, 2, 0.001, unit="V"),),
    ),
    Segment(
        2,
        count=(0, 2),
        each=1,
        elements=(F(f"{SUPERCAPACITOR}.ProbeTemperatures", 0, add=-40, unit="Celsius"),),
    ),
)

_SUPERCAPACITOR_EXTREMES = Segment(
    18,
    (
        F(f"{SUPERCAPACITOR}.VoltageMaxSystem", 0),
        F(f"{SUPERCAPACITOR}.VoltageMaxCell", 1, 2),
        F(f"{SUPERCAPACITOR}.VoltageMax", 3, 2, 0.001, unit="V"),
        F(f"{SUPERCAPACITOR}.VoltageMinSystem", 5),
        F(f"{SUPERCAPACITOR}.VoltageMinCell", 6, 2),
        F(f"{SUPERCAPACITOR}.VoltageMin", 8, 2, 0.001, unit="V"),
        F(f"{SUPERCAPACITOR}.TemperatureMaxSystem", 10),
        F(f"{SUPERCAPACITOR}.TemperatureMaxProbe", 11, 2),
        F(f"{SUPERCAPACITOR}.TemperatureMax", 13, add=-40, unit="Celsius"),
        F(f"{SUPERCAPACITOR}.TemperatureMinSystem", 14),
        F(f"{SUPERCAPACITOR}.TemperatureMinProbe", 15, 2),
        F(f"{SUPERCAPACITOR}.TemperatureMin", 17, add=-40, unit="Celsius"),
    ),
)

_SIGNATURE = (
    Segment(
        3,
        (F(f"{LINK}.Signature.Algorithm", 0, codes={1: "SM2", 2: "RSA", 3: "ECC"}),),
        count=(1, 2),
        each=1,
        hexes=f"{LINK}.Signature.R",
        markable=False,
    ),
    Segment(2, count=(0, 2), each=1, hexes=f"{LINK}.Signature.S", markable=False),
)

ITEMS: Final = (
    Item(0x01, "vehicle", (_VEHICLE,)),
    Item(0x02, "drive motors", (_MOTORS,)),
    Item(0x03, "fuel cell", (_FUEL_CELL,)),
    Item(0x04, "engine", (_ENGINE,)),
    Item(0x05, "position", (_POSITION,)),
    Item(0x06, "alarms", _ALARMS),
    Item(0x07, "cell voltages", (_CELLS,)),
    Item(0x08, "probe temperatures", (_PROBES,)),
    Item(0x30, "fuel cell stacks", (_STACKS,)),
    Item(0x31, "supercapacitor", _SUPERCAPACITOR),
    Item(0x32, "supercapacitor extremes", (_SUPERCAPACITOR_EXTREMES,)),
    Item(0xFF, "signature", _SIGNATURE),
)
