"""The standard's six-byte times."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.protocols.gbt32960.times import read_time, read_times, time6, times6


def test_one_time() -> None:
    assert time6(1_761_566_522_000_000).hex() == "190a1b140202"
    assert read_time(bytes.fromhex("190a1b140202")) == 1_761_566_522_000_000


def test_times_of_a_century() -> None:
    rng = np.random.default_rng(0)
    us = rng.integers(946_684_800, 4_070_880_000, 5000) * 1_000_000
    read, good = read_times(times6(us).ravel(), np.arange(5000) * 6)
    assert good.all()
    assert (read == us).all()
    assert b"".join(map(time6, us.tolist())) == times6(us).tobytes()


@pytest.mark.parametrize(
    "wrong",
    [
        "190001000000",
        "190d01000000",
        "190100000000",
        "190120000000",
        "19021d000000",
        "190101180000",
    ],
)
def test_what_is_no_time(wrong: str) -> None:
    assert read_time(bytes.fromhex(wrong)) is None
