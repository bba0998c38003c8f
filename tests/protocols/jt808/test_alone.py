"""A frame's header read alone is what it is among others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.protocols.frames import frames_from
from motorcade.protocols.jt808.alone import read_head
from motorcade.protocols.jt808.encode import encode, escaped
from motorcade.protocols.jt808.framing import cut
from motorcade.protocols.jt808.heads import identities, read_heads

IMEI_PACKED = escaped(bytes.fromhex("0002 0000 2fea9f3c1b04 0007"))
SHORT = escaped(bytes.fromhex("5502 0003 013900000001 09 aabbcc"))


def _same(frame: bytes) -> None:
    head, heads = read_head(frame), read_heads(frames_from([frame]))
    assert head.message == heads.message[0]
    assert head.layout == heads.layout[0]
    assert head.serial == heads.serial[0]
    assert head.body == heads.body_of(0)
    assert head.identity.encode() == identities(heads)[0]


@given(
    message=st.integers(0, 0xFFFF),
    phone=st.integers(0, 10**12 - 1),
    body=st.binary(max_size=60) | st.just(b"\x7d\x7e\x7d\x01\x02" * 3),
    serial=st.integers(0, 0xFFFF),
    edition=st.sampled_from([2013, 2019]),
    part=st.sampled_from([None, (3, 1), (1, 0)]),
)
def test_a_frame_read_alone_is_what_it_is_among_others(
    *,
    message: int,
    phone: int,
    body: bytes,
    serial: int,
    edition: int,
    part: tuple[int, int] | None,
) -> None:
    frame = encode(message, str(phone), body, serial=serial, edition=edition, part=part)
    _same(frame)
    if b"\x7e" not in frame[1:-1]:
        _same(frame[1:])  # its first delimiter is the one of the frame before


@pytest.mark.parametrize("frame", [IMEI_PACKED, SHORT])
def test_what_makers_send_besides(frame: bytes) -> None:
    _same(frame)


def test_headers_are_read_once_and_go_along_with_their_frames() -> None:
    frames = [encode(0x0200, "13900000001", bytes(28), serial=number) for number in range(4)]
    whole = cut([b"".join(frames[:2]), frames[2], b"", frames[3]])
    heads = read_heads(whole.frames)
    assert read_heads(whole.frames) is heads
    here = whole.frames.addressed(np.ones(4, np.uint64), np.ones(4, np.uint32))
    assert read_heads(here) is heads
    assert read_heads(here.take(np.array([3, 1]))).serial.tolist() == [3, 1]
    assert whole.frames.peer.tolist() == [0, 0, 1, 3]


def test_frames_of_whole_chunks_are_those_of_a_stream() -> None:
    """The short way for chunks of whole frames finds what the long one does."""
    old = encode(0x0200, "13900000001", b"\x7d\x7e" * 14, serial=0x7E7D)
    new = encode(0x0200, "13900000002", bytes(28), serial=9, edition=2019)
    quick = cut([old + new, new])
    slow = cut([old + new, new + b"\x7e\x00"])
    assert [quick.frames.bytes_of(row) for row in range(3)] == [old, new, new]
    for name in ("offset", "length", "peer"):
        assert (getattr(quick.frames, name) == getattr(slow.frames, name)).all()
    for one in (quick, slow):
        heads = read_heads(one.frames)
        assert heads.serial.tolist() == [0x7E7D, 9, 9]
        assert heads.body_of(0) == b"\x7d\x7e" * 14
    assert slow.remainder
    assert not quick.remainder
