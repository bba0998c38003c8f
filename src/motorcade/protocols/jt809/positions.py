"""Positions as columns into 0x1202 (live) and 0x1203 (re-issued after an outage, five at most).

In: columns in catalogue units and the vehicles' number plates. Out: bodies of 0x1200. The edition
2011 has fields of its own (table 21), 2019 carries the body of a JT/T 808 location and three
platforms' alarms. Times are GMT+8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.wire.bcd import bcd_times

__all__ = ["EXCHANGE", "HISTORY", "LIVE", "PATHS", "Vehicles", "positions", "re_issued"]

Bytes = NDArray[np.uint8]

EXCHANGE: Final = 0x1200
LIVE: Final = 0x1202
HISTORY: Final = 0x1203
PATHS: Final[Mapping[str, str]] = {
    "latitude": "Vehicle.CurrentLocation.Latitude",
    "longitude": "Vehicle.CurrentLocation.Longitude",
    "altitude": "Vehicle.CurrentLocation.Altitude",
    "heading": "Vehicle.CurrentLocation.Heading",
    "valid": "Vehicle.CurrentLocation.IsValid",
    "speed": "Vehicle.Speed",
    "recorded": "Vehicle.Recorder.Speed",
    "mileage": "Vehicle.TraveledDistance",
    "status": "Vehicle.Connectivity.TerminalStatus",
    "alarms": "Vehicle.Alarm.TerminalFlags",
}
"""What a position is made of: degrees, metres, degrees from north, km/h, metres, and the bits of
JT/T 808."""

_ZONE_US: Final = 8 * 3600 * 1_000_000
_PLATE: Final = 21
_HISTORY_MAX: Final = 5
_FIXED: Final = 0b0010
_SOUTH: Final = 0b0100
_WEST: Final = 0b1000


@dataclass(frozen=True, slots=True)
class Vehicles:
    """Plates of ``n`` rows, GBK, uint8 (n, 21), and the plate's colour by JT/T 415."""

    plates: Bytes
    colour: int

    @classmethod
    def of(cls, plates: list[str], colour: int) -> Vehicles:
        """From texts, cut or filled with NULs."""
        raw = [plate.encode("gbk", "replace")[:_PLATE] for plate in plates]
        rows = np.array(raw, f"S{_PLATE}").view(np.uint8).reshape(len(raw), _PLATE)
        return cls(rows, colour)


def positions(
    vehicles: Vehicles,
    times: NDArray[np.int64],
    columns: Mapping[str, NDArray[np.float64]],
    *,
    edition: int = 2011,
) -> Bytes:
    """Bodies of 0x1200/0x1202, uint8 (n, m). ``times`` µs UTC; ``columns`` by the names of
    ``PATHS``, NaN where not known. Rows without latitude or longitude must have been left out."""
    return _exchange(vehicles.plates, vehicles.colour, LIVE, _data(times, columns, edition))


def re_issued(
    vehicles: Vehicles,
    times: NDArray[np.int64],
    columns: Mapping[str, NDArray[np.float64]],
    *,
    edition: int = 2011,
) -> list[tuple[NDArray[np.int64], Bytes]]:
    """Bodies of 0x1200/0x1203, up to five positions of one vehicle in each, oldest first: for each
    count of positions the rows (k, count) and the bodies (k, m)."""
    data = _data(times, columns, edition)
    _, which = np.unique(vehicles.plates, axis=0, return_inverse=True)
    order = np.lexsort((times, which.ravel()))
    of = which.ravel()[order]
    first = np.searchsorted(of, of)
    chunk = (np.arange(len(of)) - first) // _HISTORY_MAX
    starts = np.flatnonzero(np.append(True, (of[1:] != of[:-1]) | (chunk[1:] != chunk[:-1])))
    counts = np.diff(np.append(starts, len(of)))
    found = []
    for count in np.unique(counts).tolist():
        begin = starts[counts == count]
        rows = order[begin[:, None] + np.arange(count)]
        body = np.empty((len(begin), 1 + count * data.shape[1]), np.uint8)
        body[:, 0] = count
        body[:, 1:] = data[rows].reshape(len(begin), -1)
        plates = vehicles.plates[rows[:, 0]]
        found.append((rows, _exchange(plates, vehicles.colour, HISTORY, body)))
    return found


def _exchange(plates: Bytes, colour: int, sub: int, data: Bytes) -> Bytes:
    n, length = data.shape
    rows = np.empty((n, _PLATE + 7 + length), np.uint8)
    rows[:, :_PLATE] = plates
    rows[:, _PLATE] = colour
    rows[:, _PLATE + 1 : _PLATE + 3] = list(sub.to_bytes(2, "big"))
    rows[:, _PLATE + 3 : _PLATE + 7] = list(length.to_bytes(4, "big"))
    rows[:, _PLATE + 7 :] = data
    return rows


def _data(
    times: NDArray[np.int64], columns: Mapping[str, NDArray[np.float64]], edition: int
) -> Bytes:
    known = {name: columns.get(name, np.full(len(times), np.nan)) for name in PATHS}
    return _data_2011(times, known) if edition == 2011 else _data_2019(times, known)


def _data_2011(times: NDArray[np.int64], known: Mapping[str, NDArray[np.float64]]) -> Bytes:
    """Table 21: 36 bytes; the recorder's speed is the vehicle's where nothing else is known."""
    rows = np.zeros((len(times), 36), np.uint8)
    local = (times + _ZONE_US).astype("datetime64[us]")
    day, month = local.astype("datetime64[D]"), local.astype("datetime64[M]")
    second = (local - day).astype(np.int64) // 1_000_000
    rows[:, 1] = (day - month).astype(np.int64) + 1
    rows[:, 2] = month.astype(np.int64) % 12 + 1
    _put(rows, 3, local.astype("datetime64[Y]").astype(np.int64) + 1970, 2)
    rows[:, 5], rows[:, 6], rows[:, 7] = second // 3600, second // 60 % 60, second % 60
    _put(rows, 8, _number(np.abs(known["longitude"]) * 1e6, 32), 4)
    _put(rows, 12, _number(np.abs(known["latitude"]) * 1e6, 32), 4)
    recorded = np.where(np.isnan(known["recorded"]), known["speed"], known["recorded"])
    _put(rows, 16, _number(known["speed"], 16), 2)
    _put(rows, 18, _number(recorded, 16), 2)
    _put(rows, 20, _number(known["mileage"] / 1000, 32), 4)
    _put(rows, 24, _number(known["heading"] % 360, 16), 2)
    _put(rows, 26, _number(known["altitude"], 16), 2)
    _put(rows, 28, _status(known), 4)
    _put(rows, 32, _number(known["alarms"], 32), 4)
    return rows


def _data_2019(times: NDArray[np.int64], known: Mapping[str, NDArray[np.float64]]) -> Bytes:
    """A plain JT/T 808 location (28 bytes, and the mileage where it is known by all), then three
    times platform and alarm, which nobody has filled."""
    location = np.zeros((len(times), 28), np.uint8)
    _put(location, 0, _number(known["alarms"], 32), 4)
    _put(location, 4, _status(known), 4)
    _put(location, 8, _number(np.abs(known["latitude"]) * 1e6, 32), 4)
    _put(location, 12, _number(np.abs(known["longitude"]) * 1e6, 32), 4)
    _put(location, 16, _number(known["altitude"], 16), 2)
    _put(location, 18, _number(known["speed"] * 10, 16), 2)
    _put(location, 20, _number(known["heading"] % 360, 16), 2)
    location[:, 22:28] = bcd_times(times)
    parts: list[Bytes] = [location]
    if not np.isnan(known["mileage"]).any():
        item = np.zeros((len(times), 6), np.uint8)
        item[:, :2] = (0x01, 4)
        _put(item, 2, _number(known["mileage"] / 100, 32), 4)
        parts.append(item)
    length = sum(part.shape[1] for part in parts)
    head = np.zeros((len(times), 5), np.uint8)
    head[:, 1:5] = list(length.to_bytes(4, "big"))
    return np.concatenate([head, *parts, np.zeros((len(times), 45), np.uint8)], axis=1)


def _status(known: Mapping[str, NDArray[np.float64]]) -> NDArray[np.int64]:
    """The terminal's own bits where it has sent them, with those of the position made right."""
    told = _number(known["status"], 32)
    fixed = np.where(np.isnan(known["valid"]), 1, known["valid"]) > 0
    made = np.where(fixed, _FIXED, 0)
    made |= np.where(known["latitude"] < 0, _SOUTH, 0) | np.where(known["longitude"] < 0, _WEST, 0)
    status: NDArray[np.int64] = (told & ~(_FIXED | _SOUTH | _WEST)) | made
    return status


def _number(values: NDArray[Any], bits: int) -> NDArray[np.int64]:
    """Rounded, inside what the field can hold; 0 where not known, for there is no mark for that."""
    known = np.nan_to_num(values, nan=0.0)
    whole: NDArray[np.int64] = np.clip(np.rint(known), 0, (1 << bits) - 1).astype(np.int64)
    return whole


def _put(rows: Bytes, at: int, values: NDArray[np.int64], width: int) -> None:
    for byte in range(width):
        rows[:, at + byte] = values >> 8 * (width - 1 - byte) & 0xFF
