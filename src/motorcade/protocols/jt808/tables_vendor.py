"""Makers' additional items that are seen in the field, each told by its id and length.

The standard leaves 0xE1 to 0xFF to makers, and they use more. Two makers may give one id two
meanings: where the lengths differ, both stand here; where they do not, the item is not here and
stays in ``raw``. Source of each: real frames in the tests of Traccar (Apache-2.0), whose decoder
reads them so. ``NESTED`` items (0xEB) hold further ones: length WORD, id WORD, value.
"""

from __future__ import annotations

from typing import Final

from motorcade.protocols.jt808.layout import Field, Item, Series, Text

__all__ = ["ITEMS", "NESTED"]

_TERMINAL: Final = "Vehicle.Connectivity.Terminal"
_CELLS: Final = "Vehicle.Connectivity.Cells"
_WIFI: Final = "Vehicle.Connectivity.WiFi"
_ENGINE: Final = "Vehicle.Powertrain.CombustionEngine"
_SUPPLY: Final = "Vehicle.LowVoltageBattery.CurrentVoltage"
_LEVEL: Final = f"{_TERMINAL}.BatteryLevel"
_VOLTAGE: Final = f"{_TERMINAL}.BatteryVoltage"
_FUEL: Final = "Vehicle.Powertrain.FuelSystem"
_VENDOR: Final = "makers"


def _item(
    number: int,
    name: str,
    sizes: tuple[int, ...],
    *fields: Field,
    texts: tuple[Text, ...] = (),
    series: tuple[Series, ...] = (),
    when: tuple[int, int] | None = None,
) -> Item:
    return Item(number, name, sizes, fields, texts, series, _VENDOR, when)


def _level(at: int = 0, scale: float = 1.0) -> Field:
    return Field(_LEVEL, at, 1, scale, unit="percent", invalid=(0xFF,))


def _volts(at: int = 0, scale: float = 0.01, width: int = 2) -> Field:
    return Field(_VOLTAGE, at, width, scale, unit="V")


def _supply(at: int = 0, scale: float = 0.1, width: int = 2) -> Field:
    return Field(_SUPPLY, at, width, scale, unit="V")


def _temperatures(at: int, *, each: int = 2, signed: str = "bit", missing: int = 0xFFFF) -> Series:
    values = Field(
        f"{_TERMINAL}.Temperatures", 0, 2, 0.1, unit="Celsius", signed=signed, invalid=(missing,)
    )
    return Series(values, at, each)


def _cells(at: int, each: int, **places: tuple[int, int]) -> tuple[Series, ...]:
    """Lists of cells from byte ``at``: name to place and width."""
    return tuple(
        Series(Field(f"{_CELLS}.{name}", place, width), at, each)
        for name, (place, width) in places.items()
    )


_ACCESS_POINTS: Final = (
    Series(Field(f"{_WIFI}.Strength", 6, 1, signed="two"), 0, 7),
    Series(Text(f"{_WIFI}.Addresses", 0, 6, "hex"), 0, 7),
)

ITEMS: Final = (
    _item(0x06, "battery", (1,), _level()),
    _item(0x51, "temperatures", (2, 16), series=(_temperatures(0),)),
    _item(0x56, "battery in tenths", (2,), _level(scale=10)),
    _item(0x61, "supply", (2,), _supply(scale=0.01)),
    _item(0x68, "battery", (2,), Field(_LEVEL, 0, 2, 0.01, unit="percent")),
    _item(0x69, "battery", (2,), _volts()),
    _item(0x81, "engine speed", (2,), Field(f"{_ENGINE}.Speed", 0, 2, unit="rpm")),
    _item(0x82, "supply", (2,), _supply()),
    _item(
        0x84,
        "coolant temperature",
        (1,),
        Field(f"{_ENGINE}.EngineCoolant.Temperature", 0, 1, 1, -40, unit="Celsius"),
    ),
    _item(0x8B, "VIN", (17,), texts=(Text("Vehicle.VehicleIdentification.VIN"),)),
    _item(0x8D, "trip", (2,), Field("Vehicle.TraveledDistanceSinceStart", 0, 2, unit="km")),
    _item(0x8E, "fuel", (1,), Field(f"{_FUEL}.RelativeLevel", unit="percent")),
    _item(0xA0, "fault codes", (-1,), texts=(Text("Vehicle.Diagnostics.DTCList", form="words"),)),
    _item(0xBC, "driver", (-1,), texts=(Text("Vehicle.Driver.Name"),)),
    _item(0xBD, "driver's card", (-1,), texts=(Text("Vehicle.Driver.Id"),)),
    _item(0xCC, "SIM card", (20,), texts=(Text("Vehicle.Connectivity.ICCID"),)),
    _item(0xD3, "supply", (2,), _supply()),
    _item(0xD4, "battery", (1,), _level()),
    _item(0xD5, "battery", (2,), _volts()),
    _item(0xE1, "battery", (1,), _level()),
    _item(0xE1, "supply", (2,), _supply()),
    _item(
        0xE1,
        "cells",
        (12, 20, 28, 36, 44, 52, 60),
        series=(
            *_cells(4, 8, Area=(0, 3), Id=(3, 4), Strength=(7, 1)),
            Series(Field(f"{_CELLS}.MCC", -4, 2), 4, 8, 0),
            Series(Field(f"{_CELLS}.MNC", -2, 2), 4, 8, 0),
        ),
    ),
    _item(0xE3, "battery", (6,), _level(1), _volts(2)),
    _item(
        0xE4,
        "battery",
        (2,),
        Field(f"{_TERMINAL}.IsCharging", codes={0: True, 1: False, 2: False}),
        _level(1),
    ),
    _item(0xE5, "motion", (1,), Field("Vehicle.IsMoving", codes={0: False, 1: True})),
    _item(
        0xE6,
        "live OBD data",
        (-7,),
        texts=(Text(f"{_ENGINE}.Speed", form="obd:2"), Text(_SUPPLY, form="obd:1")),
        when=(0, ord("$")),
    ),
    _item(0xE7, "alarms", (8,), Field(f"{_TERMINAL}.AlarmFlags", 0, 2)),
    _item(0xE8, "state", (10,), _volts(5), _supply(8, 0.01), when=(1, 0x03)),
    _item(0xE9, "battery", (1,), _level()),
    _item(0xEC, "access points", (7, 14, 21, 28, 35, 42, 49, 56, 63, 70), series=_ACCESS_POINTS),
    _item(
        0xEE,
        "state",
        (6,),
        Field("Vehicle.Connectivity.SignalStrength"),
        _supply(1, 0.001),
        _volts(3, 0.001),
        Field("Vehicle.CurrentLocation.GNSSReceiver.Satellites", 5),
    ),
    _item(
        0xF0,
        "cells",
        (13, 26, 39, 52, 65, 78, 91),
        series=_cells(0, 13, MCC=(0, 2), MNC=(2, 2), Id=(4, 4), Area=(8, 4), Strength=(12, 1)),
    ),
    _item(0xF1, "supply", (4,), _supply(0, 0.001, 4)),
    _item(0xF2, "firmware", (-1,), texts=(Text(f"{_TERMINAL}.Firmware"),)),
    _item(0xF4, "access points", (7, 14, 21, 28, 35, 42, 49, 56, 63, 70), series=_ACCESS_POINTS),
    _item(0xF5, "light", (2,), Field(f"{_TERMINAL}.Illuminance", 0, 2)),
    _item(
        0xF6,
        "sensors",
        (22,),
        Field(f"{_TERMINAL}.Humidity", 4, 2, 0.1, unit="percent", signed="two"),
        series=(_temperatures(2, each=20, signed="two", missing=0x8000),),
        when=(1, 0x1E),
    ),
    _item(
        0xF6,
        "sensors",
        (24,),
        Field(f"{_TERMINAL}.Illuminance", 2, 2),
        Field(f"{_TERMINAL}.Humidity", 6, 2, 0.1, unit="percent", signed="two"),
        series=(_temperatures(4, each=20, signed="two", missing=0x8000),),
        when=(1, 0x1F),
    ),
    _item(0xF6, "modem", (8,), texts=(Text("Vehicle.Connectivity.IMEI", form="imei"),)),
    _item(
        0xF7,
        "battery",
        (6,),
        _volts(0, 0.001, 4),
        Field(f"{_TERMINAL}.IsCharging", 4, codes={0: False, 1: False, 2: True, 3: True}),
        _level(5),
    ),
    _item(
        0xF8,
        "identity",
        (29,),
        texts=(
            Text("Vehicle.Connectivity.IMEI", 1, 8, "imei"),
            Text("Vehicle.Connectivity.ICCID", 9, 10, "digits"),
            Text(f"{_TERMINAL}.Model", 19, 10),
        ),
    ),
    _item(0xFE, "battery", (1,), _level()),
    _item(0xFE, "supply", (2,), _supply()),
)

NESTED: Final = (
    _item(0x0001, "fuel", (3,), Field(f"{_FUEL}.AbsoluteLevel", 0, 2, 0.1, unit="l")),
    _item(0x002D, "battery", (2,), _volts(0, 0.001)),
    _item(0x002D, "supply", (4,), _supply(0, 0.001, 4)),
    _item(0x0089, "alarms", (4,), Field(f"{_TERMINAL}.AlarmFlags", 0, 4)),
    _item(0x00A8, "battery", (1,), _level()),
    _item(0x00B2, "SIM card", (10,), texts=(Text("Vehicle.Connectivity.ICCID", form="digits"),)),
    _item(0x00C5, "motion", (4,), Field(f"{_TERMINAL}.MotionFlags", 0, 4)),
    _item(0x00CE, "supply", (2,), _supply(scale=0.01)),
    _item(
        0x00D8,
        "cell",
        (9,),
        series=(
            Series(Field(f"{_CELLS}.MCC", 0, 2), 0, 9),
            Series(Field(f"{_CELLS}.MNC", 2, 1), 0, 9),
            Series(Field(f"{_CELLS}.Area", 3, 2), 0, 9),
            Series(Field(f"{_CELLS}.Id", 5, 4), 0, 9),
        ),
    ),
    _item(0x00E1, "battery", (1,), _level()),
)
"""Items inside 0xEB."""
