"""JT/T 809 frames of other implementations, cut, deciphered and sealed again to the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.protocols import jt809
from motorcade.protocols.jt809.framing import crc16
from motorcade.protocols.jt809.names import NAMES, SUB_NAMES

pytestmark = pytest.mark.sweep

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "vectors" / "jt809.jsonl").read_text().splitlines()
]
# The constants of the source's own test; what others enciphered stays unreadable.
CIPHER = jt809.Cipher(30_000_000, 20_000_000, 20_000_000)
BROKEN = {"jt809-22": "length", "jt809-30": "escape"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_frames_of_others(vector: dict[str, object]) -> None:
    data = bytes.fromhex(str(vector["hex"]))
    edition = int(str(vector["edition"]))
    frames, rest, faults = jt809.cut_stream(data, edition=edition, cipher=CIPHER)
    assert rest == b""
    if vector["id"] in BROKEN:
        assert not frames
        assert BROKEN[str(vector["id"])] in faults[0].detail
        return
    (frame,) = frames
    assert f"0x{frame.kind:04x}" == vector["type"]
    assert jt809.name_of(frame.kind)[:2] in ("UP", "DO")
    assert (frame.header.serial, frame.header.center) == (vector["serial"], vector["center"])
    cipher = CIPHER if vector["encrypt"] else None
    again = jt809.seal(frame.kind, frame.body, frame.header, edition=edition, cipher=cipher)
    if not cipher and frame.header.key:
        assert len(again) == len(data)  # a key that nothing is enciphered with is not repeated
    else:
        assert again == data


def test_an_enciphered_login_reads_as_its_source_says() -> None:
    (vector,) = [one for one in VECTORS if one["id"] == "jt809-21"]
    frames, _, _ = jt809.cut_stream(bytes.fromhex(vector["hex"]), cipher=CIPHER)
    body = jt809.login(20180920, "20180920", 0, "127.0.0.1", 809)
    assert frames[0].body == body
    _, _, faults = jt809.cut_stream(bytes.fromhex(vector["hex"]))
    assert "no constants" in faults[0].detail


def test_known_names() -> None:
    assert len(set(NAMES.values())) == len(NAMES)
    assert len(set(SUB_NAMES.values())) == len(SUB_NAMES)
    assert all((kind < 0x9000) == name.startswith("UP_") for kind, name in NAMES.items())
    assert all(sub & 0xFF00 in NAMES for sub in SUB_NAMES)
    assert jt809.name_of(0x1200) == "UP_EXG_MSG"
    assert jt809.sub_name_of(0x1202) == "UP_EXG_MSG_REAL_LOCATION"
    assert (jt809.name_of(0x7777), jt809.sub_name_of(1)) == ("0x7777", "0x0001")


def test_crc_of_the_standards_own_check_text() -> None:
    rows = np.frombuffer(b"123456789" * 2, np.uint8).reshape(2, 9)
    assert crc16(rows).tolist() == [0x29B1] * 2


@given(
    bodies=st.lists(st.binary(max_size=60), min_size=1, max_size=5),
    noise=st.binary(max_size=8).filter(lambda data: b"[" not in data),
    size=st.integers(1, 50),
    edition=st.sampled_from([2011, 2019]),
)
def test_any_slicing_gives_the_same_frames(
    bodies: list[bytes], noise: bytes, size: int, edition: int
) -> None:
    header = jt809.Header(7, 0x5B5A5D5E, (1, 2, 3), 0, 5)
    stream = b"".join(
        noise + jt809.seal(0x1200 + place, body, header, edition=edition)
        for place, body in enumerate(bodies)
    )
    found, rest = [], b""
    for start in range(0, len(stream), size):
        frames, rest, faults = jt809.cut_stream(
            rest + stream[start : start + size], edition=edition
        )
        assert not faults
        found += frames
    assert [frame.body for frame in found] == bodies
    assert [frame.kind for frame in found] == [0x1200 + place for place in range(len(bodies))]
    wanted = header if edition == 2019 else header._replace(time_s=0)
    assert all(frame.header == wanted for frame in found)


@given(data=st.binary(max_size=200), place=st.integers(0, 60), change=st.integers(1, 255))
def test_broken_frames_take_no_good_one_with_them(data: bytes, place: int, change: int) -> None:
    good = jt809.seal(0x1005, b"", jt809.Header(serial=9))
    broken = bytearray(jt809.seal(0x1001, bytes(46), jt809.Header()))
    broken[place] ^= change
    frames, _, _ = jt809.cut_stream(bytes(broken) + b"]" + good)
    assert frames[-1].header.serial == 9
    assert bytes(46) not in [frame.body for frame in frames if frame.kind == 0x1001]
    jt809.cut_stream(data)


def test_beginnings_without_an_end_cost_no_more_than_their_length() -> None:
    frames, rest, faults = jt809.cut_stream(b"[" * (1 << 16))
    assert (frames, rest) == ([], b"[")
    (fault,) = faults
    assert "inside another" in fault.detail
