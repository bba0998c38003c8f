"""Single frames and their data units."""

from __future__ import annotations

import pytest

from motorcade.errors import Invalid
from motorcade.protocols import gbt32960
from motorcade.protocols.gbt32960.encode import control_unit, encode, query_unit, seal, set_unit
from motorcade.protocols.gbt32960.times import time6

THEN = 1_761_566_522_000_000


def test_a_heartbeat_byte_by_byte() -> None:
    frame = encode(7, "AB", edition=2025)
    assert frame == b"$$\x07\xfeAB" + bytes(15) + b"\x01\x00\x00" + bytes([7 ^ 0xFE ^ 3 ^ 1])


def test_sealing_makes_any_change_whole() -> None:
    frame = bytearray(encode(2, "AB", b"123456"))
    frame[26] ^= 0x55
    frame[22:24] = b"\xff\xff"
    (one,) = [gbt32960.cut([seal(bytes(frame))]).frames]
    assert len(one) == 1
    assert seal(b"short") == b"short"


def test_parameters_that_cannot_be() -> None:
    for wrong in ({0x77: 1}, {0x09: 256}, {0x05: 5}):
        with pytest.raises(Invalid):
            set_unit(THEN, wrong)
    with pytest.raises(Invalid):
        encode(2, "AB", bytes(65_531))


def test_platform_commands_are_written_as_annex_b_has_them() -> None:
    assert query_unit(THEN, [1, 9]) == time6(THEN) + b"\x02\x01\x09"
    unit = set_unit(THEN, {0x01: 5000, 0x05: "a.b", 0x07: "1.0"})
    assert unit == time6(THEN) + b"\x04\x01\x13\x88\x04\x03\x05a.b\x071.0\0\0"
    assert set_unit(THEN, {2: 30}, 2025) == time6(THEN) + b"\x01\x02\x1e"
    assert control_unit(THEN, 3) == time6(THEN) + b"\x03"
