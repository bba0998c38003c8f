"""Escapes undone and done for many ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.wire.escape import Escaping, escape, unescape

pytestmark = pytest.mark.sweep

JT808 = Escaping(((0x7D, 0x01, 0x7D), (0x7D, 0x02, 0x7E)))
JT809 = Escaping(((0x5A, 1, 0x5B), (0x5A, 2, 0x5A), (0x5E, 1, 0x5D), (0x5E, 2, 0x5E)))


def laid_out(parts: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts with a byte between them that is no range's."""
    lengths = np.array([len(part) for part in parts], np.int64)
    start = np.cumsum(lengths + 1) - lengths
    joined = b"".join(b"\x7e" + part for part in parts) + b"\x7e"
    return np.frombuffer(joined, np.uint8), start, start + lengths


@pytest.mark.parametrize("rules", [JT808, JT809])
@given(parts=st.lists(st.binary(max_size=12), min_size=1, max_size=5), data=st.data())
def test_what_is_escaped_comes_back(
    rules: Escaping, parts: list[bytes], data: st.DataObject
) -> None:
    special = [byte for pair in rules.pairs for byte in pair]
    salt = data.draw(st.lists(st.sampled_from(special), max_size=4))
    buffer, start, end = laid_out([part + bytes(salt) for part in parts])
    longer, begin, stop = escape(buffer, start, end, rules)
    forbidden = {byte for _, _, byte in rules.pairs} - set(rules.marks)
    for one, last in zip(begin, stop, strict=True):
        assert not forbidden & set(longer[one:last].tolist())
    plain = unescape(longer, begin, stop, rules)
    assert not plain.broken.any()
    for place in range(len(parts)):
        got = plain.buffer[plain.start[place] : plain.end[place]].tobytes()
        assert got == buffer[start[place] : end[place]].tobytes()


def test_nothing_escaped_is_nothing_copied() -> None:
    buffer, start, end = laid_out([b"abc", b""])
    assert unescape(buffer, start, end, JT808).buffer is buffer
    assert escape(buffer, start, end, JT808)[0] is buffer


@pytest.mark.parametrize("wrong", [b"a\x7d\x03", b"a\x7d", b"\x7d\x7d\x01"])
def test_an_unknown_pair_breaks_its_range_alone(wrong: bytes) -> None:
    buffer, start, end = laid_out([b"\x7d\x01", wrong, b"\x7d\x02"])
    found = unescape(buffer, start, end, JT808)
    assert found.broken.tolist() == [False, True, False]
    assert found.buffer[found.start[2] : found.end[2]].tobytes() == b"\x7e"
