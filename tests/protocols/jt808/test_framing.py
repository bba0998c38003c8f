"""Cutting JT/T 808 streams, and headers as columns."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.limits import JT808_FRAME_BYTES_MAX
from motorcade.protocols.frames import Cut
from motorcade.protocols.jt808.encode import encode, escaped
from motorcade.protocols.jt808.framing import cut
from motorcade.protocols.jt808.heads import (
    EDITION_2013,
    EDITION_2019,
    SHORT_SERIAL,
    identities,
    read_heads,
)
from motorcade.protocols.jt808.rows import is_login, is_record, messages, vins

BEAT = encode(0x0002, "13900000001", serial=7)
LOCATION = encode(0x0200, "13900000002", bytes(28), serial=0x7D7E)
NEW = encode(0x0200, "13900000003", bytes(28), serial=1, edition=2019)


def found(made: Cut) -> list[bytes]:
    return [made.frames.bytes_of(row) for row in range(len(made.frames))]


def test_neighbours_may_share_a_delimiter() -> None:
    made = cut([BEAT + LOCATION[1:] + NEW])
    assert found(made) == [BEAT, LOCATION[1:], NEW]
    assert not made.rejects
    assert vins(made.frames) == [b"13900000001", b"13900000002", b"13900000003"]


def test_a_shared_delimiter_between_two_reads() -> None:
    first = cut([BEAT])
    assert not first.remainder
    second = cut([LOCATION[1:20]])
    assert second.remainder == {0: LOCATION[1:20]}
    assert found(cut([second.remainder[0] + LOCATION[20:]])) == [LOCATION[1:]]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (b"\x7e" + bytes(8) + b"\x7e", "garbage"),
        (BEAT[:-2] + bytes([BEAT[-2] ^ 1]) + b"\x7e", "checksum"),
        (escaped(b"\x00\x02\x00\x05" + bytes(8)), "length"),
        (BEAT[:5] + b"\x7d\x03" + BEAT[6:], "escape"),
        (b"\x7e\x7e\x7e", "delimiter"),
        (b"x" * (JT808_FRAME_BYTES_MAX + 1), "oversize"),
    ],
)
def test_what_is_no_frame_is_told_and_costs_no_neighbour(wrong: bytes, code: str) -> None:
    made = cut([BEAT + wrong, LOCATION])
    assert found(made) == [BEAT, LOCATION]
    assert code in [reject.code for reject in made.rejects]
    assert {reject.peer for reject in made.rejects} == {0}
    assert all(reject.reason for reject in made.rejects)


def test_the_three_headers() -> None:
    plain = bytes.fromhex("5501") + b"\x84\x03" + bytes.fromhex("013900000004") + b"\x09abc"
    heads = read_heads(cut([BEAT + LOCATION + NEW + escaped(plain)]).frames)
    assert heads.layout.tolist() == [EDITION_2013, EDITION_2013, EDITION_2019, SHORT_SERIAL]
    assert heads.message.tolist() == [0x0002, 0x0200, 0x0200, 0x5501]
    assert heads.serial.tolist() == [7, 0x7D7E, 1, 9]
    assert heads.body_of(3) == b"abc"
    assert identities(heads)[3] == b"13900000004"


def test_the_length_decides_where_bit_14_is_wrong() -> None:
    body = bytes(28)
    head = b"\x02\x00\x00\x1c\x01" + bytes.fromhex("00000000013900000005") + b"\x00\x01"
    heads = read_heads(cut([escaped(head + body)]).frames)
    assert heads.layout.tolist() == [EDITION_2019]
    assert identities(heads) == [b"13900000005"]
    head = b"\x02\x00\x40\x1c" + bytes.fromhex("013900000006") + b"\x00\x01"
    heads = read_heads(cut([escaped(head + body)]).frames)
    assert heads.layout.tolist() == [EDITION_2013]
    assert heads.body_of(0) == body


@pytest.mark.parametrize(
    ("phone", "name"),
    [
        ("000000000000", b"0"),
        ("000000000120", b"120"),
        ("4f07788ef87d", b"868935060010210"),
    ],
)
def test_crooked_phone_numbers(phone: str, name: bytes) -> None:
    frame = escaped(b"\x00\x02\x00\x00" + bytes.fromhex(phone) + b"\x00\x01")
    assert vins(cut([frame]).frames) == [name]


def test_columns_a_gateway_asks_for() -> None:
    auth = encode(0x0102, "13900000001", b"code", serial=2)
    escaped_id = encode(0x7D7E, "13900000001", b"", serial=2)
    frames = cut([auth + BEAT + LOCATION + escaped_id]).frames
    assert messages(frames).tolist() == [0x0102, 0x0002, 0x0200, 0x7D7E]
    assert is_login(frames).tolist() == [True, False, False, False]
    assert is_record(frames).tolist() == [False, False, True, False]
    assert is_record(frames.take(np.array([2]))).all()
