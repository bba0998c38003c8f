"""XOR of many ranges."""

from __future__ import annotations

from functools import reduce
from operator import xor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from motorcade.wire.checksum import xor8


@given(st.binary(min_size=1, max_size=60), st.lists(st.tuples(st.integers(), st.integers())))
def test_any_ranges(data: bytes, pairs: list[tuple[int, int]]) -> None:
    size = len(data) + 1
    spans = [sorted((a % size, b % size)) for a, b in pairs]
    start = np.array([a for a, _ in spans], np.int64)
    end = np.array([b for _, b in spans], np.int64)
    expected = [reduce(xor, data[a:b], 0) for a, b in spans]
    assert xor8(np.frombuffer(data, np.uint8), start, end).tolist() == expected
