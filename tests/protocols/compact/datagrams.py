"""Datagrams for tests, as a device makes them."""

from __future__ import annotations

from motorcade.protocols.compact.signing import encode
from motorcade.wire.compact.command import CompactAnswer, pack_answer
from motorcade.wire.compact.report import pack_report

__all__ = ["ANSWERED", "DEVICE", "FRAMES", "KEY", "NOON_S", "REPORT", "sent"]

DEVICE = "00a1b2c3d4e5f607"
KEY = bytes(range(16))
NOON_S = 1_763_985_600
"""2025-11-24T12:00:00Z."""

REPORT = pack_report(
    NOON_S,
    0x0102,
    {
        "Vehicle.CurrentLocation.Latitude": 31.2304,
        "Vehicle.CurrentLocation.Longitude": 121.4737,
        "Vehicle.Speed": 54.5,
        "Vehicle.CurrentLocation.Heading": 90,
        "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current": 80.5,
        "Vehicle.TraveledDistance": 12_345.6,
        "Vehicle.Powertrain.Range": 301,
        "Vehicle.Alarm.Level": 1,
        "Vehicle.Alarm.Flags": 4,
        "Vehicle.OperatingState": "ON",
        "Vehicle.LowVoltageBattery.CurrentVoltage": 12.6,
    },
)
ANSWERED = pack_answer(CompactAnswer(17, "succeeded", "ok", NOON_S))


def sent(body: bytes = REPORT, key: bytes = KEY, device: str = DEVICE) -> bytes:
    """A signed datagram."""
    return encode(device, body, key)


FRAMES = [
    sent(),
    sent(ANSWERED),
    sent(pack_report(0, 1, {"Vehicle.Speed": 1})),
    sent(pack_report(NOON_S, 2, {"Vehicle.Alarm.Level": None})),
    sent(b"\xa1\0\0\x01"),
    sent(bytes.fromhex("d1010011 00000000 01 00")),
]
