"""A maker's locations, 0x5501 and 0x5502 (from the store), with coordinates as NMEA has them.

As devices send them (frames in the tests of Traccar, Apache-2.0)::

    0  6  day, month, year, hour, minute, second: BCD, UTC
    6  4  latitude ddmm.mmmm, BCD
    10 5  longitude dddmm.mmmm, nine digits; then the flags: 1 valid, 2 north, 4 east
    15 1  speed, BCD, of a unit nobody wrote down; 16 1 heading in two degrees
    17 1  signal strength; 18 1 satellites; 19 4 mileage in km
    23 1  battery in percent; AA, AB: it is being charged
    24 11 cell, area, product, state, alarms; then items: id, length, value
"""

from __future__ import annotations

from typing import Any, Final

from motorcade.wire.bcd import read_bcd_time

__all__ = ["SHORT_BYTES", "read_short"]

SHORT_BYTES: Final = 24
_LOCATION: Final = "Vehicle.CurrentLocation"
_TERMINAL: Final = "Vehicle.Connectivity.Terminal"


def read_short(body: bytes) -> tuple[int | None, dict[str, Any]]:
    """The time (µs UTC) and the signals; no signals where the body is none of these."""
    digits = body[6:15].hex()
    if len(body) < SHORT_BYTES or not digits[:17].isdigit():
        return None, {}
    time = read_bcd_time(body[2:3] + body[1:2] + body[0:1] + body[3:6], 0)
    flags = body[14] & 0x0F
    latitude = int(digits[:2]) + int(digits[2:8]) / 600_000
    longitude = int(digits[8:11]) + int(digits[11:17]) / 600_000
    signals: dict[str, Any] = {
        f"{_LOCATION}.Latitude": latitude if flags & 2 else -latitude,
        f"{_LOCATION}.Longitude": longitude if flags & 4 else -longitude,
        f"{_LOCATION}.IsValid": bool(flags & 1),
        f"{_LOCATION}.Heading": float(body[16] * 2),
        "Vehicle.Connectivity.SignalStrength": body[17],
        f"{_LOCATION}.GNSSReceiver.Satellites": body[18],
        f"{_TERMINAL}.IsCharging": body[23] in (0xAA, 0xAB),
    }
    mileage = int.from_bytes(body[19:23], "big") * 1000
    if mileage < 1 << 32:
        signals["Vehicle.TraveledDistance"] = mileage
    if body[23] <= 100:
        signals[f"{_TERMINAL}.BatteryLevel"] = body[23]
    return time, signals
