"""Binary-coded decimals, two digits a byte: numbers, digits and times of many messages at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.wire.ragged import gather

__all__ = ["DIGITS", "bcd_digits", "bcd_time", "bcd_times", "read_bcd_time", "read_bcd_times"]

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_ZONE_US: Final = 8 * 3600 * 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MONTH_DAYS: Final = np.array((0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31))
_BYTE: Final = np.arange(256)
DIGITS: Final[Bytes] = np.where(
    (_BYTE >> 4 < 10) & (_BYTE & 15 < 10), (_BYTE >> 4) * 10 + (_BYTE & 15), 255
).astype(np.uint8)
"""The number two digits make, by byte; 255 where they are no digits."""


def bcd_digits(field: Bytes) -> Bytes:
    """Each byte's two half-bytes: uint8 (n, 2k) of uint8 (n, k)."""
    out = np.empty((*field.shape[:-1], 2 * field.shape[-1]), np.uint8)
    out[..., 0::2] = field >> np.uint8(4)
    out[..., 1::2] = field & np.uint8(15)
    return out


def read_bcd_times(
    buffer: Bytes, offset: Ints, zone_us: int = _ZONE_US
) -> tuple[Ints, NDArray[np.bool_]]:
    """Six bytes YYMMDDhhmmss from 2000 on at the offsets: int64 µs UTC (n), and which are times at
    all (bool, n). ``zone_us`` is what local time is ahead of UTC, GMT+8 by default."""
    field = DIGITS[gather(buffer, offset, 6)].T.astype(np.int64)
    year, month, day, hour, minute, second = field
    known = np.clip(month, 0, 12)
    last = _MONTH_DAYS[known] + ((month == 2) & (year % 4 == 0))
    good = (year < 100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= last)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    months = (year + 30) * 12 + np.maximum(known, 1) - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second
    return seconds * 1_000_000 - zone_us, good


def read_bcd_time(data: bytes, zone_us: int = _ZONE_US) -> int | None:
    """Microseconds UTC of six bytes; None where they are no time."""
    try:
        year, month, day, hour, minute, second = (int(f"{byte:02x}") for byte in data[:6])
        moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return (moment - _EPOCH) // _MICROSECOND - zone_us


def bcd_times(us: Ints, zone_us: int = _ZONE_US) -> Bytes:
    """The six bytes of many times (µs UTC), seconds cut off: uint8 (n, 6)."""
    local = (us + zone_us).astype("datetime64[us]")
    day = local.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    year = day.astype("datetime64[Y]")
    second = (local - day).astype(np.int64) // 1_000_000
    parts = (
        (year.astype(np.int64) - 30) % 100,
        (month - year).astype(np.int64) + 1,
        (day - month).astype(np.int64) + 1,
        second // 3600,
        second // 60 % 60,
        second % 60,
    )
    plain = np.stack(parts, axis=1)
    packed: Bytes = (plain // 10 * 16 + plain % 10).astype(np.uint8)
    return packed


def bcd_time(us: int, zone_us: int = _ZONE_US) -> bytes:
    """The six bytes of one time."""
    return bcd_times(np.array([us]), zone_us).tobytes()
