"""Bodies a terminal sends, for simulators and tests: registration, login, batches, media."""

from __future__ import annotations

from collections.abc import Sequence

from motorcade.wire.bcd import bcd_time

__all__ = ["auth_body", "batch_body", "can_body", "driver_body", "media_body", "registration_body"]


def registration_body(
    plate: str,
    *,
    colour: int = 2,
    maker: str = "MOTOR",
    model: str = "SIM",
    terminal: str = "0000001",
    province: int = 31,
    city: int = 100,
    edition: int = 2013,
) -> bytes:
    """0x0100. ``colour`` 0: ``plate`` is the VIN."""
    widths = {2011: (5, 8, 7), 2013: (5, 20, 7), 2019: (11, 30, 30)}[edition]
    names = (maker, model, terminal)
    fixed = b"".join(
        name.encode("ascii", "replace")[:width].ljust(width, b"\0")
        for name, width in zip(names, widths, strict=True)
    )
    head = province.to_bytes(2, "big") + city.to_bytes(2, "big")
    return head + fixed + bytes([colour]) + plate.encode("gb18030")


def auth_body(code: str, *, imei: str = "", software: str = "", edition: int = 2013) -> bytes:
    """0x0102."""
    data = code.encode("gb18030")
    if edition != 2019:
        return data
    named = imei.encode("ascii", "replace")[:15].ljust(15, b"\0")
    return bytes([len(data)]) + data + named + software.encode("ascii")[:20].ljust(20, b"\0")


def batch_body(locations: Sequence[bytes], stored: bool = False) -> bytes:
    """0x0704 of location bodies; ``stored``: re-upload from a blind area."""
    head = len(locations).to_bytes(2, "big") + bytes([1 if stored else 0])
    return head + b"".join(len(one).to_bytes(2, "big") + one for one in locations)


def media_body(
    number: int,
    data: bytes,
    location: bytes,
    *,
    kind: int = 0,
    form: int = 0,
    cause: int = 1,
    channel: int = 1,
) -> bytes:
    """0x0801: ``location`` is a location body's basic 28 bytes."""
    return number.to_bytes(4, "big") + bytes([kind, form, cause, channel]) + location[:28] + data


def driver_body(
    time: int, name: str, licence: str, authority: str, *, inserted: bool = True
) -> bytes:
    """0x0702 of a card that was read; ``time`` µs UTC."""
    named, by = name.encode("gb18030"), authority.encode("gb18030")
    head = bytes([1 if inserted else 2]) + bcd_time(time)
    if not inserted:
        return head
    body = head + b"\0" + bytes([len(named)]) + named
    body += licence.encode("ascii", "replace")[:20].ljust(20, b"\0")
    return body + bytes([len(by)]) + by + bytes.fromhex("20301231")


def can_body(time: int, frames: Sequence[tuple[int, bytes]]) -> bytes:
    """0x0705: identifiers and eight bytes each."""
    head = len(frames).to_bytes(2, "big") + bcd_time(time)[3:] + b"\0\0"
    return head + b"".join(
        one.to_bytes(4, "big") + data[:8].ljust(8, b"\0") for one, data in frames
    )
