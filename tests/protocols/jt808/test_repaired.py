"""What is read leniently is counted."""

from __future__ import annotations

import pytest

from motorcade.protocols.frames import frames_from
from motorcade.protocols.jt808.decode import decode
from motorcade.protocols.jt808.describe import describe
from motorcade.protocols.jt808.encode import encode, escaped, plain_of
from motorcade.protocols.jt808.heads import read_heads
from motorcade.protocols.jt808.repaired import repaired

PHONE = "13900000001"
LOCATION = bytes(22) + bytes.fromhex("241001235959")


def changed(message: int, body: bytes, at: int, value: bytes, edition: int = 2013) -> bytes:
    """A frame with some of its header's bytes changed."""
    plain = bytearray(plain_of(encode(message, PHONE, body, edition=edition)))
    plain[at : at + len(value)] = value
    return escaped(bytes(plain))


def short_serial() -> bytes:
    head = b"\x55\x01" + len(LOCATION).to_bytes(2, "big") + bytes.fromhex(PHONE.zfill(12))
    return escaped(head + b"\x07" + LOCATION)


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (encode(0x0200, PHONE, LOCATION), {}),
        (encode(0x0200, PHONE, LOCATION, edition=2019), {}),
        (encode(0x0102, PHONE, b"code"), {}),
        (changed(0x0200, LOCATION, 2, b"\x40"), {"edition": 1}),
        (changed(0x0200, LOCATION, 2, b"\x00", 2019), {"edition": 1}),
        (short_serial(), {"short_serial": 1}),
        (changed(0x0102, b"code", 4, bytes.fromhex("30d3a9f0b10c")), {"packed_imei": 1}),
    ],
)
def test_one(frame: bytes, found: dict[str, int]) -> None:
    frames = frames_from([frame])
    made = decode(frames, 0)
    assert made.repaired == repaired(read_heads(frames)) == found
    assert not made.rejects
    assert describe(frame)["raw"].get("repaired", []) == list(found)


def test_they_add_up() -> None:
    many = [changed(0x0200, LOCATION, 2, b"\x40"), short_serial(), encode(0x0200, PHONE, LOCATION)]
    assert decode(frames_from(many * 3), 0).repaired == {"edition": 3, "short_serial": 3}
