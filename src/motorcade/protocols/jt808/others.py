"""Messages that are no locations as rows: events, media, logins and logouts, each read by itself.

``raw`` of an event is its whole body, of a medium its bytes alone. A medium longer than a row may
be becomes several rows, its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from motorcade.limits import JT808_MEDIA_PART_BYTES_MAX
from motorcade.protocols.jt808.attachments import read_made
from motorcade.protocols.jt808.bodies import BASIC_BYTES
from motorcade.protocols.jt808.messages import read_message
from motorcade.protocols.jt808.plan import plan
from motorcade.protocols.jt808.short import read_short
from motorcade.protocols.jt808.words import AUTH, MEDIA, MEDIA_HEAD_BYTES, PACKET, SHORT, STATE
from motorcade.wire.bcd import read_bcd_time

__all__ = ["OTHER_SIGNALS", "Row", "columns_of", "read_other"]

_LINK: Final = "Vehicle.Connectivity"
_TERMINAL: Final = f"{_LINK}.Terminal"
_DRIVER: Final = "Vehicle.Driver"
_MEDIA: Final = "Vehicle.Media"
_LOCATION: Final = "Vehicle.CurrentLocation"
_MEDIA_HEAD: Final = MEDIA_HEAD_BYTES
_HOUR_US: Final = 3_600_000_000
_BEGINNINGS: Final = (b"\xff\xd8", b"II*\0", b"MM\0*", b"ID3", b"RIFF")
"""How JPEG, TIFF, MP3 and WAV begin."""

_TYPES: Final = {0: "IMAGE", 1: "AUDIO", 2: "VIDEO"}
_FORMATS: Final = {0: "JPEG", 1: "TIF", 2: "MP3", 3: "WAV", 4: "WMV"}
_CAUSES: Final = {
    0: "PLATFORM_COMMAND",
    1: "TIMER",
    2: "ROBBERY",
    3: "COLLISION_OR_ROLLOVER",
    4: "DOOR_OPENED",
    5: "DOOR_CLOSED",
    6: "DOOR_OPEN_TO_CLOSED",
    7: "DISTANCE",
}
_MEDIUM: Final = {
    "id": (f"{_MEDIA}.Id", None),
    "type": (f"{_MEDIA}.Type", _TYPES),
    "format": (f"{_MEDIA}.Format", _FORMATS),
    "event": (f"{_MEDIA}.Event", _CAUSES),
    "channel": (f"{_MEDIA}.Channel", None),
}
_CARD: Final = {
    0: "OK",
    1: "PASSWORD_FAILED",
    2: "LOCKED",
    3: "PULLED_OUT",
    4: "CHECK_FAILED",
}

OTHER_SIGNALS: Final[Mapping[int, Mapping[str, tuple[str, Mapping[int, str] | None]]]] = {
    AUTH: {
        "imei": (f"{_LINK}.IMEI", None),
        "software": (f"{_TERMINAL}.Firmware", None),
    },
    0x0107: {
        "maker": (f"{_TERMINAL}.Maker", None),
        "model": (f"{_TERMINAL}.Model", None),
        "terminal": (f"{_TERMINAL}.Id", None),
        "iccid": (f"{_LINK}.ICCID", None),
        "hardware": (f"{_TERMINAL}.Hardware", None),
        "firmware": (f"{_TERMINAL}.Firmware", None),
    },
    STATE: {"battery": (f"{_TERMINAL}.BatteryLevel", None)},
    0x0701: {"text": (f"{_LINK}.TerminalText", None)},
    0x0702: {
        "status": (f"{_DRIVER}.CardState", {1: "INSERTED", 2: "REMOVED"}),
        "card": (f"{_DRIVER}.CardResult", _CARD),
        "name": (f"{_DRIVER}.Name", None),
        "licence": (f"{_DRIVER}.LicenseNumber", None),
        "authority": (f"{_DRIVER}.LicenseAuthority", None),
        "valid_until": (f"{_DRIVER}.LicenseValidUntil", None),
        "identity_card": (f"{_DRIVER}.IdentityCard", None),
    },
    0x0705: {"ids": ("Vehicle.CAN.Ids", None), "data": ("Vehicle.CAN.Data", None)},
    0x0800: _MEDIUM,
    MEDIA: _MEDIUM,
    0x6006: {"text": (f"{_LINK}.TerminalText", None)},
}
"""Message to its facts (``messages.read_message``): path, and the words of its numbers."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row to be: ``time`` µs UTC, None where the message tells none; ``raw`` its bytes;
    ``at`` and ``size`` where in the message's body they are."""

    frame: int
    time: int | None
    signals: Mapping[str, Any]
    raw: bytes
    at: int
    size: int


def read_other(frame: int, message: int, body: bytes, edition: int, now: int) -> list[Row]:
    """The rows of a message; ``now`` µs UTC tells the day of those that tell a time of day."""
    if message in SHORT:
        time, signals = read_short(body)
        signals[f"{_LINK}.MessageId"] = message
        return [Row(frame, time, signals, body, 0, len(body))]
    if message == PACKET:
        return [_packet(frame, body, now)]
    facts = read_message(message, body[:4096] if message == MEDIA else body, edition)
    time = _time(message, body, facts, now)
    if message == 0x0705:
        listed = facts.pop("frames", [])
        facts["ids"] = [one["id"] for one in listed if "data" in one]
        facts["data"] = [one["data"] for one in listed if "data" in one]
    signals = {}
    for name, (path, words) in OTHER_SIGNALS.get(message, {}).items():
        value = facts.get(name)
        if words is not None and value is not None:
            value = words.get(value)
        if value not in (None, ""):
            signals[path] = value
    if message == AUTH:
        return [Row(frame, time, signals, b"", 0, len(body))]
    signals[f"{_LINK}.MessageId"] = message
    if message != MEDIA:
        return [Row(frame, time, signals, body, 0, len(body))]
    return _parts(frame, time, signals, body, facts)


def _packet(frame: int, body: bytes, now: int) -> Row:
    """Data of an alarm's attachment. It has no time of its own: the full hour it came in, so that
    a packet that is sent again is the same record."""
    packet, size = read_made(body)
    signals: dict[str, Any] = {f"{_MEDIA}.File": packet.text, f"{_MEDIA}.Offset": packet.offset}
    if size is not None:
        signals[f"{_MEDIA}.FileSize"] = size
    return Row(frame, now - now % _HOUR_US, signals, packet.data, 0, len(body))


def columns_of(rows: Iterable[Row]) -> dict[str, pa.Array]:
    """The signals of rows as columns."""
    listed = list(rows)
    catalogue = plan().catalogue
    columns = {}
    for path in dict.fromkeys(path for row in listed for path in row.signals):
        signal = catalogue[path]
        values = [row.signals.get(path) for row in listed]
        if signal.is_enum:
            codes = {word: code for code, word in enumerate(signal.words)}
            values = [None if value is None else codes[value] for value in values]
        columns[path] = pa.array(values, signal.arrow_type)
    return columns


def _time(message: int, body: bytes, facts: Mapping[str, Any], now: int) -> int | None:
    if message == 0x0702:
        return read_bcd_time(body[1:7])
    if message == MEDIA and "location" in facts and not body.startswith(_BEGINNINGS, _MEDIA_HEAD):
        return read_bcd_time(body[_MEDIA_HEAD + 22 : _MEDIA_HEAD + BASIC_BYTES])
    if message == 0x1005:
        return read_bcd_time(body[:6])
    if message == STATE:
        return read_bcd_time(body[1:7])
    return None


def _parts(
    frame: int, time: int | None, signals: dict[str, Any], body: bytes, facts: Mapping[str, Any]
) -> list[Row]:
    """Media: 2011 has the bytes behind the head, 2013 a location between; a file that begins right
    behind the head tells that there is none."""
    at = _MEDIA_HEAD
    if "location" in facts and not body.startswith(_BEGINNINGS, at):
        at += BASIC_BYTES
        where = facts["location"]
        signals[f"{_LOCATION}.Latitude"] = where["latitude"]
        signals[f"{_LOCATION}.Longitude"] = where["longitude"]
    data = body[at:]
    many = max(-(-len(data) // JT808_MEDIA_PART_BYTES_MAX), 1)
    rows = []
    for part in range(many):
        begin = part * JT808_MEDIA_PART_BYTES_MAX
        piece = data[begin : begin + JT808_MEDIA_PART_BYTES_MAX]
        named = {**signals, f"{_MEDIA}.Part": part + 1, f"{_MEDIA}.Parts": many}
        rows.append(Row(frame, time, named, piece, at + begin, len(piece)))
    return rows
