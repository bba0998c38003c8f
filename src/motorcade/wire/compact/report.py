"""Reports of the compact profile: the table of what they hold, and bytes to columns and back.

A report, 9 to 32 bytes::

    0   1  C1: a report of this profile
    1   2  presence: bit n set where group n of ``GROUPS`` follows; bits 8 to 15 are zero
    3   4  time: seconds since 1970-01-01 UTC; 0: the vehicle does not know it
    7   2  sequence: the vehicle's counter of reports, wraps
    9   n  the groups that are present, in the order of their bits

A part of all ones (a signed one: of a one and zeros) says that the vehicle knows the value to be
invalid; one outside ``low`` to ``high`` is abnormal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from motorcade.errors import Invalid
from motorcade.signals.batch import Quality
from motorcade.wire.ragged import gather

__all__ = [
    "GROUPS",
    "HEAD",
    "PARTS",
    "REPORT",
    "REPORT_MAX",
    "Fault",
    "Group",
    "Part",
    "Reports",
    "pack_report",
    "read_reports",
    "sizes",
]

REPORT: Final = 0xC1
"""First byte of a report."""
HEAD: Final = 9
"""Bytes before the groups."""


class Part(NamedTuple):
    """One value: ``raw * times / per`` in ``unit``. ``shift`` and ``bits`` say where it lies in its
    group, bit 0 being the lowest of the last byte."""

    path: str
    shift: int
    bits: int
    low: int
    high: int
    times: int = 1
    per: int = 1
    unit: str = ""
    words: tuple[str, ...] = ()
    """Of an enumeration: word of raw 1, 2, …; raw 0 is "not told"."""
    is_signed: bool = False

    @property
    def invalid(self) -> int:
        """The raw number that says invalid."""
        return -(1 << self.bits - 1) if self.is_signed else (1 << self.bits) - 1


class Group(NamedTuple):
    """Values that come together; ``size`` in bytes."""

    size: int
    parts: tuple[Part, ...]


_BATTERY: Final = "Vehicle.Powertrain.TractionBattery"

GROUPS: Final = (
    Group(
        8,
        (
            Part(
                "Vehicle.CurrentLocation.Latitude",
                shift=32,
                bits=32,
                low=-900_000_000,
                high=900_000_000,
                per=10_000_000,
                unit="degrees",
                is_signed=True,
            ),
            Part(
                "Vehicle.CurrentLocation.Longitude",
                shift=0,
                bits=32,
                low=-1_800_000_000,
                high=1_800_000_000,
                per=10_000_000,
                unit="degrees",
                is_signed=True,
            ),
        ),
    ),
    Group(
        3,
        (
            Part("Vehicle.Speed", shift=8, bits=16, low=0, high=5000, per=10, unit="km/h"),
            Part(
                "Vehicle.CurrentLocation.Heading",
                shift=0,
                bits=8,
                low=0,
                high=239,
                times=3,
                per=2,
                unit="degrees",
            ),
        ),
    ),
    Group(
        1,
        (
            Part(
                f"{_BATTERY}.StateOfCharge.Current",
                shift=0,
                bits=8,
                low=0,
                high=200,
                per=2,
                unit="percent",
            ),
        ),
    ),
    Group(
        3,
        (
            Part(
                "Vehicle.TraveledDistance",
                shift=0,
                bits=24,
                low=0,
                high=0xFFFFFE,
                per=10,
                unit="km",
            ),
        ),
    ),
    Group(
        2,
        (
            Part(
                "Vehicle.Powertrain.Range",
                shift=0,
                bits=16,
                low=0,
                high=0xFFFE,
                per=10,
                unit="km",
            ),
        ),
    ),
    Group(
        4,
        (
            Part("Vehicle.Alarm.Level", shift=28, bits=4, low=0, high=4),
            Part("Vehicle.Alarm.Flags", shift=0, bits=28, low=0, high=(1 << 28) - 2),
        ),
    ),
    Group(
        1,
        (
            Part(
                f"{_BATTERY}.Charging.State",
                shift=4,
                bits=4,
                low=1,
                high=4,
                words=("PARKED", "DRIVING", "NOT_CHARGING", "COMPLETED"),
            ),
            Part(
                "Vehicle.OperatingState",
                shift=0,
                bits=4,
                low=1,
                high=3,
                words=("ON", "OFF", "OTHER"),
            ),
        ),
    ),
    Group(
        1,
        (
            Part(
                "Vehicle.LowVoltageBattery.CurrentVoltage",
                shift=0,
                bits=8,
                low=0,
                high=254,
                per=10,
                unit="V",
            ),
        ),
    ),
)
"""Group of each presence bit, bit 0 first."""

PARTS: Final = tuple(part for group in GROUPS for part in group.parts)
"""All values a report may hold."""

REPORT_MAX: Final = HEAD + sum(group.size for group in GROUPS)
"""Bytes of a report that holds everything."""

_KNOWN: Final = (1 << len(GROUPS)) - 1


class Fault(IntEnum):
    """Why bytes are no report."""

    NONE = 0
    KIND = 1
    LENGTH = 2
    PRESENCE = 3


@dataclass(frozen=True, slots=True)
class Reports:
    """``n`` reports as columns. ``time_s`` and ``sequence`` int64 (n); ``fault`` uint8 (n; rows
    with one hold nothing else); ``raw[part]`` int64 and ``quality[part]`` uint8 (n) by part, in the
    order of ``PARTS``."""

    time_s: NDArray[np.int64]
    sequence: NDArray[np.int64]
    fault: NDArray[np.uint8]
    raw: NDArray[np.int64]
    quality: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.time_s)


def sizes(presence: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bytes of reports with these presence bits: int64 (n)."""
    total = np.full(len(presence), HEAD, np.int64)
    for bit, group in enumerate(GROUPS):
        total += ((presence >> bit) & 1) * group.size
    return total


def read_reports(
    buffer: NDArray[np.uint8], offset: NDArray[np.int64], length: NDArray[np.int64]
) -> Reports:
    """The reports at ``offset`` (n) of ``length`` (n) bytes, whatever they are; never raises."""
    rows = len(offset)
    fault = np.full(rows, Fault.LENGTH, np.uint8)
    head = np.zeros((rows, HEAD), np.int64)
    long = np.flatnonzero(length >= HEAD)
    head[long] = gather(buffer, offset[long], HEAD)
    presence = head[:, 1] << 8 | head[:, 2]
    fault[long] = Fault.NONE
    fault[long[sizes(presence[long]) != length[long]]] = Fault.LENGTH
    fault[long[presence[long] & ~_KNOWN != 0]] = Fault.PRESENCE
    begun = np.flatnonzero(length > 0)
    fault[begun[buffer[offset[begun]] != REPORT]] = Fault.KIND
    good = fault == Fault.NONE
    raw = np.zeros((len(PARTS), rows), np.int64)
    quality = np.zeros((len(PARTS), rows), np.uint8)
    at = offset + HEAD
    place = 0
    for bit, group in enumerate(GROUPS):
        here = np.flatnonzero(good & ((presence >> bit) & 1 == 1))
        whole = _whole(gather(buffer, at[here], group.size))
        for part in group.parts:
            raw[place, here], quality[place, here] = _part(part, whole)
            place += 1
        at[here] += group.size
    time_s = head[:, 3] << 24 | head[:, 4] << 16 | head[:, 5] << 8 | head[:, 6]
    return Reports(time_s, head[:, 7] << 8 | head[:, 8], fault, raw, quality)


def pack_report(time_s: int, sequence: int, values: Mapping[str, Any]) -> bytes:
    """A report of ``values`` by path, in the units of ``PARTS`` (an enumeration as its word).

    ``None`` says invalid. A part whose group has another one is written as invalid, an enumeration
    as not told. ``Invalid`` where a path or value has no place in the profile.
    """
    strange = set(values) - {part.path for part in PARTS}
    if strange:
        raise Invalid(f"the compact profile has no place for {', '.join(sorted(strange))}")
    presence, body = 0, b""
    for bit, group in enumerate(GROUPS):
        if not any(part.path in values for part in group.parts):
            continue
        presence |= 1 << bit
        whole = 0
        for part in group.parts:
            raw = _raw_of(part, values)
            whole |= (raw & (1 << part.bits) - 1) << part.shift
        body += whole.to_bytes(group.size, "big")
    head = bytes([REPORT]) + presence.to_bytes(2, "big")
    return head + (time_s & 0xFFFFFFFF).to_bytes(4, "big") + _u16(sequence) + body


def _raw_of(part: Part, values: Mapping[str, Any]) -> int:
    if part.path not in values:
        return 0 if part.words else part.invalid
    value = values[part.path]
    if value is None:
        return part.invalid
    if part.words:
        if value not in part.words:
            raise Invalid(f"{part.path} is one of {', '.join(part.words)}, not {value!r}")
        return part.words.index(value) + 1
    raw: int = round(value * part.per / part.times)
    if not part.low <= raw <= part.high:
        raise Invalid(f"{part.path} cannot be {value}")
    return raw


def _whole(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Big-endian numbers of up to eight bytes: uint64 (n)."""
    total = np.zeros(len(data), np.uint64)
    for column in range(data.shape[1]):
        total = total << np.uint64(8) | data[:, column]
    return total


def _part(part: Part, whole: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """A part's raw numbers and their qualities."""
    mask = np.uint64((1 << part.bits) - 1)
    raw = (whole >> np.uint64(part.shift) & mask).astype(np.int64)
    if part.is_signed:
        raw -= (raw >> part.bits - 1) << part.bits
    quality = np.full(len(raw), Quality.VALID, np.uint8)
    quality[(raw < part.low) | (raw > part.high)] = Quality.ABNORMAL
    quality[raw == part.invalid] = Quality.INVALID
    if part.words:
        quality[raw == 0] = Quality.UNREPORTED
    return raw, quality


def _u16(number: int) -> bytes:
    return (number & 0xFFFF).to_bytes(2, "big")
