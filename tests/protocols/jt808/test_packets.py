"""Data packets of alarm attachments between frames, however the stream is sliced."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from motorcade.protocols import jt808
from motorcade.protocols.jt808.encode import encode
from motorcade.protocols.jt808.framing import cut
from motorcade.protocols.jt808.packets import (
    DATA_BYTES_MAX,
    HEAD_BYTES,
    Packet,
    packet,
    read_packet,
    split,
)

BEAT = encode(0x0002, "13900000001", serial=7)
NASTY = b"\x7e01cd\x7e" + BEAT + b"01cd" * 3 + b"\x7e"
ONE = packet("a_视频.jpg", 70_000, NASTY)
EMPTY = packet("", 0, b"")
PARTS = [ONE, BEAT, BEAT[1:], ONE, EMPTY, ONE, BEAT]


def cut_in(pieces: list[bytes]) -> tuple[list[bytes], list[str], bytes]:
    """Frames, reject codes and what is left of a stream that comes in pieces."""
    tail, frames, codes = b"", [], []
    for piece in pieces:
        made = cut([tail + piece])
        frames += [made.frames.bytes_of(row) for row in range(len(made.frames))]
        codes += [reject.code for reject in made.rejects]
        tail = made.remainder.get(0, b"")
    return frames, codes, tail


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 61, 62, 63, 200, 10_000])
def test_packets_are_found_however_a_stream_is_sliced(size: int) -> None:
    stream = b"".join(PARTS)
    pieces = [stream[begin : begin + size] for begin in range(0, len(stream), size)]
    assert cut_in(pieces) == (PARTS, [], b"")


def test_random_slices_and_rubbish_between() -> None:
    draw = np.random.default_rng(5)
    stream = BEAT + b"xx01cd" + BEAT + b"\x7e\x7e" + ONE + b"yy" + BEAT + ONE + b"01"
    expected = cut_in([stream])
    assert [len(frame) for frame in expected[0]] == [
        len(one) for one in (BEAT, BEAT, ONE, BEAT, ONE)
    ]
    assert expected[2] == b"01"
    for _ in range(200):
        places = np.sort(draw.integers(0, len(stream), 6)).tolist()
        edges = [0, *places, len(stream)]
        pieces = [stream[begin:end] for begin, end in itertools.pairwise(edges)]
        frames, _, tail = cut_in(pieces)
        assert (frames, tail) == (expected[0], expected[2])


def test_peers_keep_their_own_and_offsets_are_those_of_the_chunks() -> None:
    chunks = [BEAT + ONE, BEAT, ONE[:80], b"", EMPTY + BEAT[:4], b"01cd"]
    made = cut(chunks)
    assert made.frames.peer.tolist() == [0, 0, 1, 4]
    whole = b"".join(chunks)
    for row, frame in enumerate([BEAT, ONE, BEAT, EMPTY]):
        begin = int(made.frames.offset[row])
        assert whole[begin : begin + len(frame)] == made.frames.bytes_of(row) == frame
    assert made.remainder == {2: ONE[:80], 4: BEAT[:4], 5: b"01cd"}
    assert not made.rejects


def test_a_header_that_claims_too_much_begins_no_packet() -> None:
    length = (DATA_BYTES_MAX + 1).to_bytes(4, "big")
    wrong = ONE[: HEAD_BYTES - 4] + length
    frames, codes, _ = cut_in([wrong + BEAT])
    assert (frames, codes) == ([BEAT], ["checksum"])
    assert read_packet(wrong) is None
    assert split([BEAT]).packets == []


def test_a_packet_is_read_and_shown() -> None:
    read = read_packet(ONE)
    assert read == Packet("a_视频.jpg".encode("gb18030"), 70_000, NASTY)
    assert read.text == "a_视频.jpg"
    shown = jt808.describe(ONE)
    assert shown["raw"] == {"file": "a_视频.jpg", "offset": 70_000, "bytes": len(NASTY)}
