"""Cutting streams: what is a frame, what is skipped, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.protocols.gbt32960.encode import encode, seal
from motorcade.protocols.gbt32960.framing import cut
from motorcade.protocols.gbt32960.rows import commands, is_record, vins
from motorcade.protocols.gbt32960.times import time6

VIN = "LTEST000000000001"
REPORT = encode(2, VIN, time6(1_761_566_522_000_000) + bytes.fromhex("040107d00000"))


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [(3, 0x08, "header"), (21, 0x09, "header"), (6, 0x80, "header"), (0, 0x25, "garbage")],
)
def test_headers_that_cannot_be(place: int, value: int, code: str) -> None:
    wrong = bytearray(REPORT)
    wrong[place] = value
    found = cut([seal(bytes(wrong)) + REPORT])
    assert [reject.code for reject in found.rejects] == [code]
    assert len(found.frames) == 1


def test_a_length_that_cannot_be() -> None:
    wrong = REPORT[:22] + b"\xff\xff" + REPORT[24:]
    assert [reject.code for reject in cut([wrong + REPORT]).rejects] == ["length"]


def test_rejects_name_their_peer() -> None:
    found = cut([REPORT, b"noise" + REPORT, REPORT + b"#", b"\x00"])
    assert [(reject.peer, reject.data) for reject in found.rejects] == [(1, b"noise"), (3, b"\x00")]
    assert dict(found.remainder) == {2: b"#"}
    assert found.frames.peer.tolist() == [0, 1, 2]


def test_a_megabyte_of_starts_costs_no_time_and_no_frame() -> None:
    found = cut([b"##\x02\xfe" + b"#" * 17 + b"\x01\xf0\x00" + b"#" * 200_000 + REPORT])
    assert found.frames.bytes_of(len(found.frames) - 1) == REPORT


@given(
    st.lists(
        st.lists(st.sampled_from([b"#", b"$$", b"##\x02\xfe", REPORT, REPORT[:25]]), max_size=40),
        min_size=1,
        max_size=4,
    )
)
def test_stretches_of_starts_hide_no_frame_of_any_peer(parts: list[list[bytes]]) -> None:
    chunks = [b"#" * 300 + b"".join(part) for part in parts]
    together = cut(chunks)
    rows = range(len(together.frames))
    found = [(int(together.frames.peer[row]), together.frames.bytes_of(row)) for row in rows]
    assert found == [(peer, frame) for peer, chunk in enumerate(chunks) for frame in slowly(chunk)]


def slowly(stream: bytes) -> list[bytes]:
    """The frames of a stream that comes in slices too short for a stretch of starts."""
    frames, rest = [], b""
    for at in range(0, len(stream), 20):
        found = cut([rest + stream[at : at + 20]])
        frames += [found.frames.bytes_of(row) for row in range(len(found.frames))]
        rest = found.remainder.get(0, b"")
    return frames


def test_columns_of_frames() -> None:
    frames = cut([REPORT, encode(7, VIN), encode(3, VIN, b"", flag=1)]).frames
    assert commands(frames).tolist() == [2, 7, 3]
    assert is_record(frames).tolist() == [True, False, False]
    assert vins(frames) == [VIN.encode()] * 3
    assert vins(frames.take(is_record(frames))) == [VIN.encode()]


def test_a_stalled_frame_without_its_first_byte_gives_way_to_what_follows() -> None:
    stalled = bytearray(REPORT)
    stalled[22] = 0xF0
    tail = bytes(stalled) + REPORT
    assert len(cut([tail]).frames) == 0
    found = cut([tail[1:]])
    assert [found.frames.bytes_of(0)] == [REPORT]
    assert not found.remainder
