"""Information elements of DirectIP: what each is called, how long it is, how it is read, written.

A message is ``01 | overall length u16 | elements``, an element ``IEI u8 | length u16 | value``; all
integers are big-endian. Sizes are those of Iridium's Short Burst Data guide as open
implementations of it agree on them (``docs/protocols/satellite.md`` names them).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from motorcade.errors import MessageError

__all__ = [
    "CONFIRMED",
    "ELEMENTS",
    "FIRST",
    "MO_CONFIRMATION",
    "MO_HEADER",
    "MO_LOCATION",
    "MO_PAYLOAD",
    "MT_CONFIRMATION",
    "MT_HEADER",
    "MT_PAYLOAD",
    "PROTOCOL",
    "STATUSES",
    "Location",
    "MoHeader",
    "encode",
    "encode_mo",
    "read_elements",
    "read_location",
    "read_mo_header",
]

PROTOCOL: Final = 1
"""First byte of every message: the protocol's revision."""

MO_HEADER: Final = 0x01
MO_PAYLOAD: Final = 0x02
MO_LOCATION: Final = 0x03
MO_CONFIRMATION: Final = 0x05
MT_HEADER: Final = 0x41
MT_PAYLOAD: Final = 0x42
MT_CONFIRMATION: Final = 0x44

ELEMENTS: Final[dict[int, tuple[str, int | None]]] = {
    MO_HEADER: ("MO header", 28),
    MO_PAYLOAD: ("MO payload", None),
    MO_LOCATION: ("MO location", 11),
    MO_CONFIRMATION: ("MO confirmation", 1),
    MT_HEADER: ("MT header", 21),
    MT_PAYLOAD: ("MT payload", None),
    0x43: ("MT location", None),
    MT_CONFIRMATION: ("MT confirmation", 25),
    0x45: ("MT cell", None),
    0x46: ("MT priority", 2),
}
"""Name of each element, and its length where that is fixed. Others may follow the first element of
a message and are kept as they are."""

FIRST: Final = frozenset({MO_HEADER, MO_CONFIRMATION, MT_HEADER, MT_CONFIRMATION})
"""Elements a message may begin with."""

CONFIRMED: Final = b"\x01\x00\x04\x05\x00\x01\x01"
"""The confirmation that a mobile-originated message is ours now."""

STATUSES: Final = {
    0: "ok",
    1: "mt_too_large",
    2: "bad_location",
    10: "timeout",
    12: "mo_too_large",
    13: "rf_loss",
    14: "anomaly",
    15: "prohibited",
}
"""Word of each status of a radio session."""

_MO_HEADER: Final = struct.Struct(">I15sBHHI")
_LOCATION: Final = struct.Struct(">BBHBHI")
_SOUTH: Final = 0x02
_WEST: Final = 0x01
_THOUSANDTHS: Final = 60_000


class MoHeader(NamedTuple):
    """Element 01. ``cdr`` is Iridium's own number of the message, ``momsn`` the modem's,
    ``session_s`` Unix seconds."""

    cdr: int
    imei: bytes
    status: int
    momsn: int
    mtmsn: int
    session_s: int


class Location(NamedTuple):
    """Element 03: degrees (south and west negative) and the CEP radius in km, 80 percent likely."""

    latitude: float
    longitude: float
    radius_km: int


def read_elements(data: bytes, start: int = 0) -> list[tuple[int, bytes]]:
    """IEI and value of each element from ``start`` to the end; ``MessageError`` where they do not
    fill the bytes exactly or one has not the length it must have."""
    found = []
    while start < len(data):
        if len(data) - start < 3:
            raise MessageError("the bytes end inside an element's head")
        iei, size = data[start], int.from_bytes(data[start + 1 : start + 3], "big")
        name, fixed = ELEMENTS.get(iei, (f"element 0x{iei:02X}", None))
        if fixed is not None and size != fixed:
            raise MessageError(f"{name} has {fixed} bytes, not {size}")
        start += 3
        if start + size > len(data):
            raise MessageError(f"{name} claims {size} bytes, and {len(data) - start} are left")
        found.append((iei, data[start : start + size]))
        start += size
    return found


def read_mo_header(value: bytes) -> MoHeader:
    """The value of element 01, 28 bytes."""
    return MoHeader(*_MO_HEADER.unpack(value))


def read_location(value: bytes) -> Location | None:
    """The value of element 03, 11 bytes; None where it is no place on Earth."""
    flags, *numbers = _LOCATION.unpack(value)
    latitude, north_thousandths, longitude, east_thousandths, radius = numbers
    if flags & ~(_SOUTH | _WEST) or max(north_thousandths, east_thousandths) >= _THOUSANDTHS:
        return None
    north = latitude + north_thousandths / _THOUSANDTHS
    east = longitude + east_thousandths / _THOUSANDTHS
    if north > 90 or east > 180:
        return None
    return Location(-north if flags & _SOUTH else north, -east if flags & _WEST else east, radius)


def encode(elements: Iterable[tuple[int, bytes]]) -> bytes:
    """A message of (IEI, value) pairs."""
    body = b"".join(bytes([iei]) + len(data).to_bytes(2, "big") + data for iei, data in elements)
    return bytes([PROTOCOL]) + len(body).to_bytes(2, "big") + body


def encode_mo(header: MoHeader, payload: bytes | None, location: Location | None = None) -> bytes:
    """A message as Iridium's gateway sends it: what a simulator needs."""
    elements = [(MO_HEADER, _MO_HEADER.pack(*header))]
    if location is not None:
        elements.append((MO_LOCATION, _location(location)))
    if payload is not None:
        elements.append((MO_PAYLOAD, payload))
    return encode(elements)


def _location(place: Location) -> bytes:
    flags = (_SOUTH if place.latitude < 0 else 0) | (_WEST if place.longitude < 0 else 0)
    north = divmod(round(abs(place.latitude) * _THOUSANDTHS), _THOUSANDTHS)
    east = divmod(round(abs(place.longitude) * _THOUSANDTHS), _THOUSANDTHS)
    return _LOCATION.pack(flags, *north, *east, place.radius_km)
