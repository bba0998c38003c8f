"""Binary-coded decimals: digits and times."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.wire.bcd import (
    DIGITS,
    bcd_digits,
    bcd_time,
    bcd_times,
    read_bcd_time,
    read_bcd_times,
)


def test_a_byte_is_two_digits() -> None:
    assert DIGITS[0x42] == 42
    assert DIGITS[0x4A] == DIGITS[0xA4] == 255
    assert bcd_digits(np.array([[0x12, 0xF3]], np.uint8)).tolist() == [[1, 2, 15, 3]]


@given(st.integers(0, 99 * 365 * 86_400))
def test_times_come_back(second: int) -> None:
    us = (946_684_800 + second) * 1_000_000
    data = bcd_time(us)
    assert read_bcd_time(data) == us
    times, good = read_bcd_times(np.frombuffer(b"x" + data, np.uint8), np.array([1]))
    assert (times.tolist(), good.tolist()) == ([us], [True])
    assert bcd_times(np.array([us, us])).tobytes() == data * 2


def test_local_time_is_eight_hours_ahead() -> None:
    noon = datetime(2024, 10, 1, 12, tzinfo=UTC)
    us = int(noon.timestamp()) * 1_000_000
    assert bcd_time(us).hex() == "241001200000"
    assert bcd_time(us, 0).hex() == "241001120000"


@pytest.mark.parametrize(
    "text", ["241301000000", "240230000000", "240101240000", "24010100006a", "000000000000"]
)
def test_what_is_no_time(text: str) -> None:
    data = bytes.fromhex(text)
    assert read_bcd_time(data) is None
    assert not read_bcd_times(np.frombuffer(data, np.uint8), np.array([0]))[1].any()
    assert read_bcd_time(data[:3]) is None
