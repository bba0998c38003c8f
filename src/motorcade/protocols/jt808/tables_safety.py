"""Active safety: additional items 0x64 to 0x67 (T/JSATL 12-2017, sections 4.3 to 4.6).

The same ids and layouts are used all over the country; practices differ in what stands behind byte
31 (25, 24): 16 bytes of alarm label there, 39 or 40 where terminals have long numbers. So an item
of any length from there on is read, and the label is what is left of it.
"""

from __future__ import annotations

from typing import Final

from motorcade.protocols.jt808.layout import Field, Item, Series, Text

__all__ = ["ITEMS"]

_ALARM: Final = "Vehicle.Alarm"
_SOURCE: Final = "T/JSATL 12-2017"
_STATES: Final = {0: "MOMENT", 1: "BEGINS", 2: "ENDS"}


def _head(branch: str) -> tuple[Field, ...]:
    return (Field(f"{branch}.Id", 0, 4), Field(f"{branch}.State", 4, codes=_STATES))


def _where(branch: str, at: int) -> tuple[Field, ...]:
    """Speed, altitude, position and state of the vehicle, which all four have in this order."""
    return (
        Field(f"{branch}.Speed", at, unit="km/h"),
        Field(f"{branch}.Altitude", at + 1, 2, unit="m"),
        Field(f"{branch}.Latitude", at + 3, 4, 1e-6, unit="degrees"),
        Field(f"{branch}.Longitude", at + 7, 4, 1e-6, unit="degrees"),
        Field(f"{branch}.VehicleFlags", at + 17, 2),
    )


def _texts(branch: str, at: int, label: int = 0) -> tuple[Text, ...]:
    return (
        Text(f"{branch}.Timestamp", at + 11, 6, "time"),
        Text(f"{branch}.Label", at + 19, label, "hex"),
    )


_ADAS: Final = f"{_ALARM}.ADAS"
_DMS: Final = f"{_ALARM}.DMS"
_TPMS: Final = f"{_ALARM}.TPMS"
_BSD: Final = f"{_ALARM}.BSD"

ITEMS: Final = (
    Item(
        0x64,
        "driver assistance alarm",
        (-31,),
        (
            *_head(_ADAS),
            Field(
                f"{_ADAS}.Type",
                5,
                codes={
                    0x01: "FORWARD_COLLISION",
                    0x02: "LANE_DEPARTURE",
                    0x03: "HEADWAY",
                    0x04: "PEDESTRIAN_COLLISION",
                    0x05: "LANE_CHANGES",
                    0x06: "SIGN_LIMIT",
                    0x07: "OBSTACLE",
                    0x10: "SIGN_RECOGNISED",
                    0x11: "CAPTURE",
                },
            ),
            Field(f"{_ADAS}.Level", 6),
            Field(f"{_ADAS}.FrontSpeed", 7, unit="km/h"),
            Field(f"{_ADAS}.FrontTimeGap", 8, 1, 0.1, unit="s"),
            Field(f"{_ADAS}.DepartureSide", 9, codes={1: "LEFT", 2: "RIGHT"}, none=(0,)),
            Field(f"{_ADAS}.SignType", 10, codes={1: "SPEED", 2: "HEIGHT", 3: "WEIGHT"}, none=(0,)),
            Field(f"{_ADAS}.SignValue", 11),
            *_where(_ADAS, 12),
        ),
        texts=_texts(_ADAS, 12),
        source=_SOURCE,
    ),
    Item(
        0x65,
        "driver monitoring alarm",
        (-31,),
        (
            *_head(_DMS),
            Field(
                f"{_DMS}.Type",
                5,
                codes={
                    0x01: "FATIGUE",
                    0x02: "PHONE",
                    0x03: "SMOKING",
                    0x04: "DISTRACTION",
                    0x05: "DRIVER_ABNORMAL",
                    0x10: "CAPTURE",
                    0x11: "DRIVER_CHANGED",
                },
            ),
            Field(f"{_DMS}.Level", 6),
            Field(f"{_DMS}.FatigueLevel", 7),
            *_where(_DMS, 12),
        ),
        texts=_texts(_DMS, 12),
        source=_SOURCE,
    ),
    Item(
        0x66,
        "tyre pressure alarm",
        (-41,),
        (*_head(_TPMS), *_where(_TPMS, 5)),
        texts=_texts(_TPMS, 5, 16),
        series=(
            Series(Field(f"{_TPMS}.Positions"), 41, 9),
            Series(Field(f"{_TPMS}.Flags", 1, 2), 41, 9),
            Series(Field(f"{_TPMS}.Pressures", 3, 2, unit="kPa"), 41, 9),
            Series(Field(f"{_TPMS}.Temperatures", 5, 2, unit="Celsius", signed="two"), 41, 9),
            Series(Field(f"{_TPMS}.BatteryLevels", 7, 2, unit="percent"), 41, 9),
        ),
        source=_SOURCE,
    ),
    Item(
        0x67,
        "blind spot alarm",
        (-25,),
        (
            *_head(_BSD),
            Field(
                f"{_BSD}.Type",
                5,
                codes={1: "REAR_APPROACH", 2: "LEFT_REAR_APPROACH", 3: "RIGHT_REAR_APPROACH"},
            ),
            *_where(_BSD, 6),
        ),
        texts=_texts(_BSD, 6),
        source=_SOURCE,
    ),
)
