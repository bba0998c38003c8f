"""How the bodies of messages other than locations are laid out, as data.

A body is a tuple of parts. A part is ``"name type"``, with ``"name type if other=1"`` or ``"… if
other&1"`` where it is only there sometimes; or ``(name, count, parts)``, a list: ``count`` is the
type of the number before it, a name read before, or ``*`` for up to the end.

Types: ``u1 u2 u3 u4`` numbers; ``d4`` degrees (1e-6); ``time`` six BCD bytes; ``bcdN`` digits;
``textN`` N bytes of GBK; ``text:u1`` text behind its length; ``text*`` to the end; ``hexN``,
``hex:u1``, ``hex*`` the same as hex; ``location`` 28 bytes; ``parameters`` ids with values.

Sources: JT/T 808-2013 chapter 8, JT/T 808-2019 chapter 8, JT/T 1078-2016 chapter 5, T/JSATL 12-2017
chapter 4 (0x9208, 0x1210 to 0x1212, 0x9212).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["BODIES", "BODIES_2019", "OTHER_BODIES"]

Parts = tuple[Any, ...]

_ANSWER: Final[Parts] = ("serial u2", "message u2", "result u1")
_AREA: Final[Parts] = (
    "start time if attribute&1",
    "end time if attribute&1",
    "max_speed_kmh u2 if attribute&2",
    "overspeed_s u1 if attribute&2",
)
_NIGHT: Final[Parts] = (*_AREA, "night_max_speed_kmh u2 if attribute&2", "name text:u2")
_POINTS: Final[Parts] = ("points", "u2", ("latitude d4", "longitude d4"))
_CIRCLE: Final[Parts] = ("id u4", "attribute u2", "latitude d4", "longitude d4", "radius_m u4")
_RECTANGLE: Final[Parts] = (
    "id u4",
    "attribute u2",
    "top_latitude d4",
    "left_longitude d4",
    "bottom_latitude d4",
    "right_longitude d4",
)
_ROUTE: Final[Parts] = (
    "id u4",
    "attribute u2",
    "start time if attribute&1",
    "end time if attribute&1",
)
_CORNER: Final[Parts] = (
    "id u4",
    "segment u4",
    "latitude d4",
    "longitude d4",
    "width_m u1",
    "attribute u1",
    "longest_s u2 if attribute&1",
    "shortest_s u2 if attribute&1",
    "max_speed_kmh u2 if attribute&2",
    "overspeed_s u1 if attribute&2",
)
_DRIVER: Final[Parts] = (
    "status u1",
    "time time",
    "card u1",
    "name text:u1",
    "licence text20",
    "authority text:u1",
    "valid_until bcd4",
)
_STORED: Final[Parts] = ("type u1", "channel u1", "event u1", "start time", "end time")
_FILES: Final[Parts] = (
    "channel u1",
    "start bcd6",
    "end bcd6",
    "alarms u4",
    "video_alarms u4",
    "media u1",
    "stream u1",
    "storage u1",
)
_IDS: Final[Parts] = (("ids", "u1", ("id u4",)),)
_MEDIA: Final[Parts] = ("id u4", "type u1", "format u1", "event u1", "channel u1")
_ALARM_SIGN: Final[Parts] = ("terminal text7", "time time", "number u1", "files u1", "reserved u1")
_ALARM_SIGN_30: Final[Parts] = (
    "terminal text30",
    "time time",
    "number u1",
    "files u1",
    "reserved hex2",
)
_ATTACHMENTS: Final[Parts] = (
    "alarm text32",
    "info u1",
    ("attachments", "u1", ("name text:u1", "size u4")),
)
_FILE: Final[Parts] = ("name text:u1", "type u1", "size u4")

BODIES: Final[Mapping[int, Parts]] = {
    0x0001: _ANSWER,
    0x0005: ("serial u2", ("parts", "u1", ("part u2",))),
    0x0104: ("serial u2", "count u1", "parameters parameters"),
    0x0107: (
        "type u2",
        "maker text5",
        "model text20",
        "terminal text7",
        "iccid bcd10",
        "hardware text:u1",
        "firmware text:u1",
        "gnss u1",
        "network u1",
    ),
    0x0108: ("type u1", "result u1"),
    0x0210: ("battery u1", "time time"),
    0x0301: ("event u1",),
    0x0302: ("serial u2", "answer u1"),
    0x0303: ("type u1", "action u1"),
    0x0500: ("serial u2", "location location"),
    0x0608: ("type u1", "count u4", "data hex*"),
    0x0700: ("serial u2", "command u1", "data hex*"),
    0x0701: ("length u4", "text text*"),
    0x0702: _DRIVER,
    0x0705: ("count u2", "time hms5", ("frames", "*", ("id u4", "data hex8"))),
    0x0800: _MEDIA,
    0x0801: (*_MEDIA, "location location"),
    0x0802: (
        "serial u2",
        ("items", "u2", ("id u4", "type u1", "channel u1", "event u1", "location location")),
    ),
    0x0805: ("serial u2", "result u1", ("ids", "u2", ("id u4",))),
    0x0900: ("type u1", "data hex*"),
    0x0901: ("length u4", "data hex*"),
    0x0A00: ("e u4", "n hex128"),
    0x1003: (
        "encoding u1",
        "audio_channels u1",
        "sampling u1",
        "sample_bits u1",
        "frame_bytes u2",
        "can_speak u1",
        "video_encoding u1",
        "audio_max u1",
        "video_max u1",
    ),
    0x1005: ("start bcd6", "end bcd6", "boarded u2", "alighted u2"),
    0x1205: (
        "serial u2",
        (
            "files",
            "u4",
            (*_FILES, "size u4"),
        ),
    ),
    0x1206: ("serial u2", "result u1"),
    0x1210: ("terminal text7", *_ALARM_SIGN, *_ATTACHMENTS),
    0x1211: _FILE,
    0x1212: _FILE,
    0x6006: ("encoding u1", "text text*"),
    0x8001: _ANSWER,
    0x8003: ("serial u2", ("parts", "u1", ("part u2",))),
    0x8004: ("time bcd6",),
    0x8100: ("serial u2", "result u1", "code text*"),
    0x8103: ("count u1", "parameters parameters"),
    0x8105: ("command u1", "parameters text*"),
    0x8106: _IDS,
    0x8108: ("type u1", "maker text5", "version text:u1", "data hex:u4"),
    0x8202: ("interval_s u2", "duration_s u4 if interval_s"),
    0x8203: ("serial u2", "alarms u4"),
    0x8300: ("flags u1", "text text*"),
    0x8301: ("type u1", ("events", "u1", ("id u1", "text text:u1"))),
    0x8302: ("flags u1", "question text:u1", ("answers", "*", ("id u1", "text text:u2"))),
    0x8303: ("type u1", ("items", "u1", ("type u1", "name text:u2"))),
    0x8304: ("type u1", "text text:u2"),
    0x8400: ("type u1", "phone text*"),
    0x8401: ("type u1", ("contacts", "u1", ("flags u1", "phone text:u1", "name text:u1"))),
    0x8500: ("flags u1",),
    0x8600: ("action u1", ("areas", "u1", (*_CIRCLE, *_AREA))),
    0x8601: _IDS,
    0x8602: ("action u1", ("areas", "u1", (*_RECTANGLE, *_AREA))),
    0x8603: _IDS,
    0x8604: ("id u4", "attribute u2", *_AREA, _POINTS),
    0x8605: _IDS,
    0x8606: (*_ROUTE, ("corners", "u2", _CORNER)),
    0x8607: _IDS,
    0x8608: ("type u1", ("ids", "u4", ("id u4",))),
    0x8700: ("command u1", "data hex*"),
    0x8701: ("command u1", "data hex*"),
    0x8800: ("id u4", ("parts", "u1", ("part u2",))),
    0x8801: (
        "channel u1",
        "command u2",
        "interval_s u2",
        "save u1",
        "resolution u1",
        "quality u1",
        "brightness u1",
        "contrast u1",
        "saturation u1",
        "chroma u1",
    ),
    0x8802: _STORED,
    0x8803: (*_STORED, "delete u1"),
    0x8804: ("command u1", "duration_s u2", "save u1", "sampling u1"),
    0x8805: ("id u4", "delete u1"),
    0x8900: ("type u1", "data hex*"),
    0x8A00: ("e u4", "n hex128"),
    0x9101: ("address text:u1", "tcp_port u2", "udp_port u2", "channel u1", "type u1", "stream u1"),
    0x9102: ("channel u1", "command u1", "close u1", "stream u1"),
    0x9105: ("channel u1", "lost_percent u1"),
    0x9201: (
        "address text:u1",
        "tcp_port u2",
        "udp_port u2",
        "channel u1",
        "media u1",
        "stream u1",
        "storage u1",
        "mode u1",
        "speed u1",
        "start bcd6",
        "end bcd6",
    ),
    0x9202: ("channel u1", "command u1", "speed u1", "position bcd6"),
    0x9205: _FILES,
    0x9206: (
        "address text:u1",
        "port u2",
        "user text:u1",
        "password text:u1",
        "path text:u1",
        *_FILES,
        "conditions u1",
    ),
    0x9207: ("serial u2", "command u1"),
    0x9208: (
        "address text:u1",
        "tcp_port u2",
        "udp_port u2",
        *_ALARM_SIGN,
        "alarm text32",
        "reserved_end hex16",
    ),
    0x9212: (
        "name text:u1",
        "type u1",
        "result u1",
        ("missing", "u1", ("offset u4", "length u4")),
    ),
    0x9301: ("channel u1", "direction u1", "speed u1"),
    **dict.fromkeys(range(37634, 37639), ("channel u1", "value u1")),
}
"""2011 and 2013, and what 2019 did not change."""

BODIES_2019: Final[Mapping[int, Parts]] = {
    0x0005: ("serial u2", ("parts", "u2", ("part u2",))),
    0x0107: (
        "type u2",
        "maker text5",
        "model text30",
        "terminal text30",
        "iccid bcd10",
        "hardware text:u1",
        "firmware text:u1",
        "gnss u1",
        "network u1",
    ),
    0x0702: (*_DRIVER, "identity_card text20"),
    0x8003: ("serial u2", ("parts", "u2", ("part u2",))),
    0x8300: ("flags u1", "type u1", "text text*"),
    0x8400: ("type u1", "phone text20"),
    0x8500: (("controls", "u2", ("id u2", "value u1")),),
    0x8600: ("action u1", ("areas", "u1", (*_CIRCLE, *_NIGHT))),
    0x8602: ("action u1", ("areas", "u1", (*_RECTANGLE, *_NIGHT))),
    0x8604: (
        "id u4",
        "attribute u2",
        *_AREA,
        _POINTS,
        "night_max_speed_kmh u2 if attribute&2",
        "name text:u2",
    ),
    0x8606: (
        *_ROUTE,
        ("corners", "u2", (*_CORNER, "night_max_speed_kmh u2 if attribute&2")),
        "name text:u2",
    ),
}
"""What 2019 laid out anew."""


def _always(parts: Parts) -> Parts:
    """The same parts, there whatever the attribute says: some platforms write them so."""
    return tuple(
        (part[0], part[1], _always(part[2])) if isinstance(part, tuple) else part.split(" if ")[0]
        for part in parts
    )


_AREAS: Final = (0x8600, 0x8602, 0x8604, 0x8606)

OTHER_BODIES: Final[Mapping[int, tuple[Parts, ...]]] = {
    0x0702: (("status u1", "time time"),),
    0x1210: (
        ("terminal text30", *_ALARM_SIGN_30, *_ATTACHMENTS),
        ("terminal text30", "time time", "number u1", "files u1", *_ATTACHMENTS),
    ),
    0x9208: (
        (
            "address text:u1",
            "tcp_port u2",
            "udp_port u2",
            *_ALARM_SIGN_30,
            "alarm text32",
            "reserved_end hex16",
        ),
    ),
    **{message: (_always(BODIES[message]), _always(BODIES_2019[message])) for message in _AREAS},
}
"""Further layouts of the same ids, tried in this order where the first does not fill the body: a
card that was removed, the practices of provinces, platforms that ignore attributes."""
