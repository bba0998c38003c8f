"""GB/T 32960 times: six binary bytes (not BCD) YY MM DD hh mm ss from 2000 on, in GMT+8."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.wire.ragged import gather

__all__ = ["time6", "times6", "read_time", "read_times"]

_ZONE_US: Final = 8 * 3600 * 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MONTH_DAYS: Final = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def time6(us: int) -> bytes:
    """The six bytes of a time (µs UTC), seconds cut off; the year's last two digits."""
    # Without numpy: logins and commands are made one by one, and arrays of one cost ten times more.
    moment = _EPOCH + timedelta(microseconds=us + _ZONE_US)
    day = (moment.year % 100, moment.month, moment.day)
    return bytes((*day, moment.hour, moment.minute, moment.second))


def times6(us: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The six bytes of many times: uint8 (n, 6)."""
    local = (us + _ZONE_US).astype("datetime64[us]")
    day = local.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    year = day.astype("datetime64[Y]")
    second = (local - day).astype(np.int64) // 1_000_000
    out = np.empty((len(us), 6), np.uint8)
    out[:, 0] = (year.astype(np.int64) - 30) % 100
    out[:, 1] = (month - year).astype(np.int64) + 1
    out[:, 2] = (day - month).astype(np.int64) + 1
    out[:, 3] = second // 3600
    out[:, 4] = second // 60 % 60
    out[:, 5] = second % 60
    return out


def read_time(data: bytes) -> int | None:
    """Microseconds UTC of six bytes; None where they are no time."""
    # Without numpy: logins are read one by one, and arrays of one value cost 60 µs here.
    try:
        year, month, day, hour, minute, second = data[:6]
        moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return None if year >= 100 else (moment - _EPOCH) // _MICROSECOND - _ZONE_US


def read_times(
    buffer: NDArray[np.uint8], offset: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Times at the offsets: int64 µs UTC (n), and which of them are times at all."""
    field = gather(buffer, offset, 6).T.astype(np.int64)
    year, month, day, hour, minute, second = field
    known = np.clip(month, 0, 12)
    last = np.array(_MONTH_DAYS)[known] + ((month == 2) & (year % 4 == 0))
    good = (year < 100) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= last)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    months = (year + 30) * 12 + np.maximum(known, 1) - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second
    return seconds * 1_000_000 - _ZONE_US, good
