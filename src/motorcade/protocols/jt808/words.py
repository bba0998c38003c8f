"""The standard's words: message ids of both directions, results, and which messages are records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = [
    "ALARM_FILES",
    "ANSWERS",
    "AUTH",
    "BATCH",
    "BATCHES",
    "COPY",
    "DEREGISTER",
    "ENCRYPTED",
    "EVENTS",
    "FILE_BEGINS",
    "FILE_ENDS",
    "FILE_JUDGED",
    "FILES",
    "FILE_ANSWER",
    "GENERAL",
    "HEARTBEAT",
    "LOCATION",
    "LOCATION_ANSWER",
    "MEDIA",
    "MEDIA_ANSWER",
    "MEDIA_HEAD_BYTES",
    "MESSAGES",
    "PACKET",
    "PLATFORM_GENERAL",
    "POSITIONS",
    "RECORDS",
    "REGISTER",
    "REGISTER_ANSWER",
    "RESEND",
    "RESEND_ASKED",
    "RESULTS",
    "SHORT",
    "STATE",
    "STATE_BYTES",
    "TIME",
    "TIME_ANSWER",
    "message_name",
    "result_of",
]

ENCRYPTED: Final = 0x1C00
"""Bits of the attributes that tell how a body is encrypted."""

GENERAL: Final = 0x0001
HEARTBEAT: Final = 0x0002
DEREGISTER: Final = 0x0003
TIME: Final = 0x0004
RESEND_ASKED: Final = 0x0005
REGISTER: Final = 0x0100
AUTH: Final = 0x0102
LOCATION: Final = 0x0200
LOCATION_ANSWER: Final = 0x0201
CONTROLLED: Final = 0x0500
BATCH: Final = 0x0704
MEDIA: Final = 0x0801
MEDIA_HEAD_BYTES: Final = 8
"""Bytes of 0x0801 before the location or the data."""

PLATFORM_GENERAL: Final = 0x8001
RESEND: Final = 0x8003
TIME_ANSWER: Final = 0x8004
REGISTER_ANSWER: Final = 0x8100
MEDIA_ANSWER: Final = 0x8800
COPY: Final = 0x0FFF
"""Not the standard's: what ``hear`` puts behind an answer that is also a record, for the
conversation to see. Its body is the answer's id and body."""

PACKET: Final = 0x0FFE
"""Not the standard's: what ``hear`` makes of a data packet of an alarm's attachment."""

FILE_JUDGED: Final = 0x0FFD
"""Not the standard's: what ``hear`` makes of a 0x1212. Its body is the 0x9212 that is owed once
what came before it is stored."""

MESSAGES: Final[Mapping[int, str]] = {
    0x0001: "terminal general answer",
    0x0002: "heartbeat",
    0x0003: "terminal deregistration",
    0x0004: "server time request",
    0x0005: "terminal asks for sub-packages again",
    0x0100: "terminal registration",
    0x0102: "terminal authentication",
    0x0104: "parameters of the terminal",
    0x0107: "attributes of the terminal",
    0x0108: "upgrade result",
    0x0200: "location report",
    0x0201: "location query answer",
    0x0210: "location batch (maker's)",
    0x0301: "event report",
    0x0302: "question answer",
    0x0303: "information on demand",
    0x0500: "vehicle control answer",
    0x0608: "areas and routes",
    0x0700: "driving recorder data",
    0x0701: "electronic waybill",
    0x0702: "driver identity",
    0x0704: "location batch",
    0x0705: "CAN bus data",
    0x0800: "multimedia event",
    0x0801: "multimedia data",
    0x0802: "stored multimedia",
    0x0805: "camera shot answer",
    0x0900: "pass-through data",
    0x0901: "compressed data",
    0x0A00: "terminal RSA key",
    0x1003: "audio and video attributes (JT/T 1078)",
    0x1005: "passenger flow (JT/T 1078)",
    0x1205: "audio and video files (JT/T 1078)",
    0x1206: "file upload finished (JT/T 1078)",
    0x1210: "alarm attachments (active safety)",
    0x1211: "alarm attachment begins (active safety)",
    0x1212: "alarm attachment finished (active safety)",
    0x5501: "location report (maker's, short serial)",
    0x5502: "stored location report (maker's, short serial)",
    0x6006: "text report (maker's)",
    0x8001: "platform general answer",
    0x8003: "platform asks for sub-packages again",
    0x8004: "server time",
    0x8100: "registration answer",
    0x8103: "set parameters",
    0x8104: "query all parameters",
    0x8105: "terminal control",
    0x8106: "query parameters",
    0x8107: "query attributes",
    0x8108: "upgrade package",
    0x8201: "location query",
    0x8202: "track for a time",
    0x8203: "confirm alarms",
    0x8204: "link check",
    0x8300: "text",
    0x8301: "set events",
    0x8302: "question",
    0x8303: "set information menu",
    0x8304: "information",
    0x8400: "call back",
    0x8401: "set phone book",
    0x8500: "vehicle control",
    0x8600: "set circular areas",
    0x8601: "delete circular areas",
    0x8602: "set rectangular areas",
    0x8603: "delete rectangular areas",
    0x8604: "set polygonal area",
    0x8605: "delete polygonal areas",
    0x8606: "set route",
    0x8607: "delete routes",
    0x8608: "query areas and routes",
    0x8700: "driving recorder query",
    0x8701: "driving recorder parameters",
    0x8702: "driver identity request",
    0x8800: "multimedia data answer",
    0x8801: "camera shot",
    0x8802: "query stored multimedia",
    0x8803: "upload stored multimedia",
    0x8804: "sound recording",
    0x8805: "upload one stored multimedia",
    0x8900: "pass-through data",
    0x8A00: "platform RSA key",
    0x9003: "query audio and video attributes (JT/T 1078)",
    0x9101: "live audio and video (JT/T 1078)",
    0x9102: "live audio and video control (JT/T 1078)",
    0x9105: "live audio and video status (JT/T 1078)",
    0x9201: "playback (JT/T 1078)",
    0x9202: "playback control (JT/T 1078)",
    0x9205: "query audio and video files (JT/T 1078)",
    0x9206: "upload file (JT/T 1078)",
    0x9207: "file upload control (JT/T 1078)",
    0x9208: "alarm attachment request (active safety)",
    0x9212: "alarm attachment answer (active safety)",
    0x9301: "pan and tilt (JT/T 1078)",
    0x9302: "focus (JT/T 1078)",
    0x9303: "aperture (JT/T 1078)",
    0x9304: "wiper (JT/T 1078)",
    0x9305: "infrared light (JT/T 1078)",
    0x9306: "zoom (JT/T 1078)",
}
"""JT/T 808 annex A and JT/T 1078 chapter 5, with what active-safety practice (T/JSATL 12) adds."""

POSITIONS: Final[Mapping[int, int]] = {LOCATION: 0, LOCATION_ANSWER: 2, CONTROLLED: 2}
"""Messages that hold one location body, and where it begins."""

SHORT: Final = (0x5501, 0x5502)
"""A maker's locations, live and from the store, with a serial of one byte."""

STATE: Final = 0x0210
STATE_BYTES: Final = 7
"""A maker's batch, 0x0210, holds a battery level and a time where it has seven bytes."""

BATCHES: Final[Mapping[int, tuple[int, int]]] = {BATCH: (3, 2), STATE: (0, 1)}
"""Messages that hold many location bodies: bytes before the first, and bytes of each length."""

EVENTS: Final = (
    0x0104,
    0x0107,
    0x0108,
    0x0301,
    0x0302,
    0x0303,
    0x0608,
    0x0700,
    0x0701,
    0x0702,
    0x0705,
    0x0800,
    0x0802,
    0x0805,
    0x0900,
    0x0901,
    0x0A00,
    0x1003,
    0x1005,
    0x1205,
    0x1206,
    0x1210,
    *SHORT,
    0x6006,
)
"""Messages kept as rows of kind ``event``."""

FILES: Final = 0x1210
FILE_BEGINS: Final = 0x1211
FILE_ENDS: Final = 0x1212
FILE_ANSWER: Final = 0x9212
ALARM_FILES: Final = (FILE_BEGINS, FILE_ENDS)
"""What a terminal says on a connection for attachments before and behind a file."""

RECORDS: Final = (*POSITIONS, *BATCHES, MEDIA, *EVENTS)
"""Messages that become rows and are answered when those are on disk."""

ANSWERS: Final[Mapping[int, int]] = {
    0x0104: 0x8104,
    0x0107: 0x8107,
    0x0108: 0x8108,
    0x0201: 0x8201,
    0x0302: 0x8302,
    0x0500: 0x8500,
    0x0608: 0x8608,
    0x0700: 0x8700,
    0x0702: 0x8702,
    0x0802: 0x8802,
    0x0805: 0x8801,
    0x1003: 0x9003,
    0x1205: 0x9205,
    0x1206: 0x9206,
}
"""Records that also answer something of the platform's, and what."""

RESULTS: Final[Mapping[int, str]] = {
    0: "ok",
    1: "failed",
    2: "bad_message",
    3: "unsupported",
    4: "alarm_confirmed",
}
"""Results of the general answers (tables 4 and 5)."""

_REFUSALS: Final[Mapping[str, int]] = {
    "structure": 2,
    "time": 2,
    "cipher": 3,
    "message": 3,
}


def message_name(message: int) -> str:
    """What the standard calls a message; ``maker's message`` in the ranges it leaves to makers."""
    if 0xE000 <= message <= 0xFFFF:
        return MESSAGES.get(message, "maker's message")
    return MESSAGES.get(message, "unknown message")


def result_of(code: str) -> int:
    """The result that tells a reason (a ``Reject.code``): 1 failed, 2 bad message, 3
    unsupported."""
    return _REFUSALS.get(code, 1)
