"""Location bodies by the standard: the basic 28 bytes and the additional items 0x01 to 0x31.

Sources: JT/T 808-2013 table 23 to 27, JT/T 808-2019 table 23 to 28 (items 0x05 and 0x06), JT/T
1078-2016 table 13 (items 0x14 to 0x18). Vendors' items stand in ``tables_vendor``, active safety in
``tables_safety``.
"""

from __future__ import annotations

from typing import Final

from motorcade.protocols.jt808.layout import Field, Item, Series

__all__ = ["ALARM", "BASIC", "ITEMS", "LINK", "LOCATION"]

LOCATION: Final = "Vehicle.CurrentLocation"
ALARM: Final = "Vehicle.Alarm"
LINK: Final = "Vehicle.Connectivity"
FUEL: Final = "Vehicle.Powertrain.FuelSystem"

ON_OFF: Final = {0: "OFF", 1: "ON"}
YES: Final = {0: False, 1: True}
AREAS: Final = {0: "NONE", 1: "CIRCLE", 2: "RECTANGLE", 3: "POLYGON"}

BASIC: Final = (
    Field(f"{ALARM}.TerminalFlags", 0, 4),
    Field(f"{LINK}.TerminalStatus", 4, 4),
    Field("Vehicle.LowVoltageSystemState", 7, codes=ON_OFF, mask=1),
    Field(f"{LOCATION}.IsValid", 7, codes=YES, shift=1, mask=1),
    Field(f"{LOCATION}.CoordinateSystem", 7, codes={0: "WGS84", 1: "GCJ02"}, shift=5, mask=1),
    Field("Vehicle.LoadState", 6, codes={0: "EMPTY", 1: "HALF", 3: "FULL"}, mask=3),
    Field("Vehicle.Cabin.Door.Row1.DriverSide.IsLocked", 6, codes=YES, shift=4, mask=1),
    Field(f"{LOCATION}.Altitude", 16, 2, unit="m", signed="two"),
    Field("Vehicle.Speed", 18, 2, 0.1, unit="km/h"),
    Field(f"{LOCATION}.Heading", 20, 2, unit="degrees"),
)
"""The basic location information (table 23) but for latitude, longitude (bits 2 and 3 of the status
are their signs) and the time."""

ITEMS: Final = (
    Item(0x01, "mileage", (4,), (Field("Vehicle.TraveledDistance", 0, 4, 0.1, unit="km"),)),
    Item(0x02, "fuel", (2,), (Field(f"{FUEL}.AbsoluteLevel", 0, 2, 0.1, unit="l"),)),
    Item(
        0x03,
        "speed of the recorder",
        (2,),
        (Field("Vehicle.Recorder.Speed", 0, 2, 0.1, unit="km/h"),),
    ),
    Item(0x04, "alarm to confirm", (2,), (Field(f"{ALARM}.EventNumber", 0, 2),)),
    Item(
        0x05,
        "tyre pressures",
        (30,),
        series=(Series(Field("Vehicle.Chassis.TirePressures", invalid=(0xFF,))),),
        source="JT/T 808-2019",
    ),
    Item(
        0x06,
        "cabin temperature",
        (2,),
        (Field("Vehicle.Cabin.HVAC.AmbientAirTemperature", 0, 2, unit="Celsius", signed="bit"),),
        source="JT/T 808-2019",
    ),
    Item(
        0x11,
        "overspeed",
        (1, 5),
        (
            Field(f"{ALARM}.Overspeed.AreaType", codes={**AREAS, 4: "ROUTE_SEGMENT"}),
            Field(f"{ALARM}.Overspeed.AreaId", 1, 4),
        ),
    ),
    Item(
        0x12,
        "area or route",
        (6,),
        (
            Field(f"{ALARM}.Area.Type", codes={**AREAS, 4: "ROUTE"}),
            Field(f"{ALARM}.Area.Id", 1, 4),
            Field(f"{ALARM}.Area.Direction", 5, codes={0: "IN", 1: "OUT"}),
        ),
    ),
    Item(
        0x13,
        "time on a segment",
        (7,),
        (
            Field(f"{ALARM}.Segment.Id", 0, 4),
            Field(f"{ALARM}.Segment.Duration", 4, 2, unit="s"),
            Field(f"{ALARM}.Segment.Result", 6, codes={0: "TOO_SHORT", 1: "TOO_LONG"}),
        ),
    ),
    Item(
        0x14, "video alarms", (4,), (Field("Vehicle.Video.AlarmFlags", 0, 4),), source="JT/T 1078"
    ),
    Item(
        0x15,
        "channels without signal",
        (4,),
        (Field("Vehicle.Video.LostChannels", 0, 4),),
        source="JT/T 1078",
    ),
    Item(
        0x16,
        "blocked channels",
        (4,),
        (Field("Vehicle.Video.BlockedChannels", 0, 4),),
        source="JT/T 1078",
    ),
    Item(
        0x17,
        "stores at fault",
        (2,),
        (Field("Vehicle.Video.StorageFaults", 0, 2),),
        source="JT/T 1078",
    ),
    Item(
        0x18,
        "abnormal driving",
        (2, 3),
        (
            Field("Vehicle.Video.DrivingFlags", 0, 2),
            Field("Vehicle.Video.FatigueLevel", 2, unit="percent"),
        ),
        source="JT/T 1078",
    ),
    Item(0x25, "signals of the vehicle", (4,), (Field("Vehicle.Body.SignalFlags", 0, 4),)),
    Item(0x2A, "inputs", (2,), (Field("Vehicle.IO.Flags", 0, 2),)),
    Item(
        0x2B,
        "analogue inputs",
        (4,),
        (Field("Vehicle.IO.Analog0", 2, 2), Field("Vehicle.IO.Analog1", 0, 2)),
    ),
    Item(0x30, "signal strength", (1,), (Field(f"{LINK}.SignalStrength"),)),
    Item(0x31, "satellites", (1,), (Field(f"{LOCATION}.GNSSReceiver.Satellites"),)),
)
