"""Reports of the compact profile: bytes written by hand, and columns to bytes and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motorcade.errors import Invalid
from motorcade.signals.batch import Quality
from motorcade.wire.compact.report import (
    GROUPS,
    HEAD,
    PARTS,
    REPORT_MAX,
    Fault,
    Reports,
    pack_report,
    read_reports,
    sizes,
)

LATITUDE = "Vehicle.CurrentLocation.Latitude"
WHOLE = {
    LATITUDE: 31.2304,
    "Vehicle.CurrentLocation.Longitude": -121.4737,
    "Vehicle.Speed": 54.3,
    "Vehicle.CurrentLocation.Heading": 271.5,
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current": 80.5,
    "Vehicle.TraveledDistance": 12345.6,
    "Vehicle.Powertrain.Range": 312.4,
    "Vehicle.Alarm.Level": 3,
    "Vehicle.Alarm.Flags": 0x0000_0801,
    "Vehicle.Powertrain.TractionBattery.Charging.State": "NOT_CHARGING",
    "Vehicle.OperatingState": "ON",
    "Vehicle.LowVoltageBattery.CurrentVoltage": 12.4,
}
BY_HAND = bytes.fromhex(
    "c1 00ff 69248100 0007"  # report, everything, 2025-11-24T16:00:00Z, number 7
    " 129d6180 b7989598"  # 31.2304 N, 121.4737 W
    " 021f b5"  # 54.3 km/h, 271.5 degrees
    " a1 01e240 0c34"  # 80.5 %, 12345.6 km, 312.4 km
    " 30000801"  # level 3, bits 0 and 11
    " 31 7c"  # not charging, on; 12.4 V
)


def read(*reports: bytes) -> Reports:
    length = np.array([len(one) for one in reports], np.int64)
    buffer = np.frombuffer(b"".join(reports), np.uint8)
    return read_reports(buffer, np.cumsum(length) - length, length)


def test_a_whole_report_has_32_bytes_and_says_what_was_written() -> None:
    assert pack_report(1_764_000_000, 7, WHOLE) == BY_HAND
    assert len(BY_HAND) == REPORT_MAX == 32
    got = read(BY_HAND)
    assert got.fault.tolist() == [Fault.NONE]
    assert got.time_s.tolist() == [1_764_000_000]
    assert got.sequence.tolist() == [7]
    assert (got.quality == Quality.VALID).all()
    raw = dict(zip([part.path for part in PARTS], got.raw[:, 0].tolist(), strict=True))
    assert raw[LATITUDE] == 312_304_000
    assert raw["Vehicle.CurrentLocation.Longitude"] == -1_214_737_000
    assert raw["Vehicle.Alarm.Flags"] == 0x801


def test_every_part_is_there_absent_invalid_and_abnormal() -> None:
    for place, part in enumerate(PARTS):
        group = next(bit for bit, one in enumerate(GROUPS) if part in one.parts)
        high = part.high if part.words else part.high * part.times / part.per
        there = pack_report(1, 1, {part.path: part.words[-1] if part.words else high})
        absent = pack_report(1, 1, {})
        invalid = pack_report(1, 1, {part.path: None})
        got = read(there, absent, invalid)
        assert got.quality[place].tolist() == [Quality.VALID, Quality.UNREPORTED, Quality.INVALID]
        assert got.raw[place, 0] == part.high, part.path
        if part.invalid in (part.high + 1, part.low - 1):
            continue
        beyond = int.from_bytes(there[HEAD:], "big") + (1 << part.shift)
        odd = there[:HEAD] + beyond.to_bytes(GROUPS[group].size, "big")
        assert read(odd).quality[place].tolist() == [Quality.ABNORMAL], part.path


def test_parts_of_one_group_that_are_not_known_are_invalid_or_not_told() -> None:
    got = read(pack_report(1, 1, {"Vehicle.Speed": 10, "Vehicle.OperatingState": "OFF"}))
    found = dict(zip([part.path for part in PARTS], got.quality[:, 0].tolist(), strict=True))
    assert found["Vehicle.CurrentLocation.Heading"] == Quality.INVALID
    assert found["Vehicle.Powertrain.TractionBattery.Charging.State"] == Quality.UNREPORTED


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", Fault.LENGTH),
        (b"\xc1", Fault.LENGTH),
        (BY_HAND[:-1], Fault.LENGTH),
        (BY_HAND + b"\0", Fault.LENGTH),
        (b"\xc2" + BY_HAND[1:], Fault.KIND),
        (b"Thank you", Fault.KIND),
        (b"\xc1\x01" + BY_HAND[2:], Fault.PRESENCE),
    ],
)
def test_what_is_no_report_is_told(data: bytes, fault: Fault) -> None:
    got = read(BY_HAND, data, BY_HAND)
    assert got.fault.tolist() == [Fault.NONE, fault, Fault.NONE]
    assert (got.quality[:, 1] == 0).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5), st.data())
def test_garbage_never_raises_and_spoils_no_other(
    garbage: list[bytes], data: st.DataObject
) -> None:
    broken = bytearray(BY_HAND)
    broken[data.draw(st.integers(0, 31))] = data.draw(st.integers(0, 255))
    got = read(*garbage, bytes(broken), BY_HAND)
    assert got.fault[-1] == Fault.NONE
    assert got.raw[:, -1].tolist() == read(BY_HAND).raw[:, 0].tolist()


def test_sizes_are_those_of_the_groups_present() -> None:
    presence = np.arange(256)
    assert sizes(presence).tolist() == [
        HEAD + sum(group.size for bit, group in enumerate(GROUPS) if one >> bit & 1)
        for one in presence.tolist()
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"Vehicle.Speed": 501},
        {LATITUDE: 91},
        {"Vehicle.OperatingState": "FLYING"},
        {"Vehicle.X": 1},
    ],
)
def test_what_has_no_place_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        pack_report(1, 1, values)
