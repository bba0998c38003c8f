"""DirectIP messages for tests, as a modem and Iridium's gateway would make them."""

from __future__ import annotations

from motorcade.protocols.iridium.downlink import encode_mt
from motorcade.protocols.iridium.elements import (
    CONFIRMED,
    MT_CONFIRMATION,
    Location,
    MoHeader,
    encode,
    encode_mo,
)
from motorcade.wire.compact.command import CompactAnswer, CompactCommand, pack_answer, pack_command
from motorcade.wire.compact.report import pack_report

__all__ = ["FRAMES", "IMEI", "NOON_S", "REPORT", "mo"]

IMEI = "300434000000001"
NOON_S = 1_763_985_600
"""2025-11-24T12:00:00Z."""

REPORT = pack_report(
    NOON_S,
    7,
    {
        "Vehicle.CurrentLocation.Latitude": 31.2304,
        "Vehicle.CurrentLocation.Longitude": 121.4737,
        "Vehicle.Speed": 54.5,
        "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current": 80.5,
    },
)


def mo(
    payload: bytes | None = REPORT,
    *,
    momsn: int = 12,
    cdr: int = 4711,
    session_s: int = NOON_S + 90,
    status: int = 0,
    imei: str = IMEI,
    location: Location | None = None,
) -> bytes:
    """A mobile-originated message."""
    header = MoHeader(cdr, imei.encode(), status, momsn, 0, session_s)
    return encode_mo(header, payload, location)


_CONFIRMATION = encode([(MT_CONFIRMATION, bytes(4) + IMEI.encode() + bytes(4) + b"\xff\xfb")])

FRAMES = [
    mo(),
    mo(location=Location(31.2, 121.5, 3)),
    mo(b"another maker's bytes", location=Location(-43.5, -72.25, 12)),
    mo(None, status=13),
    mo(pack_answer(CompactAnswer(17, "succeeded", "ok", NOON_S))),
    encode_mt(IMEI, pack_command(CompactCommand("lock", 17, NOON_S, {"doors": "all"})), 99),
    _CONFIRMATION,
    CONFIRMED,
]
