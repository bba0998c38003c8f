"""The clocks: the machine's, and the one tests move by hand."""

from __future__ import annotations

import time

from motorcade.clock import SteerableClock, SystemClock


def test_the_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    before = time.time_ns() // 1000
    assert before <= clock.now_us() <= time.time_ns() // 1000
    first = clock.monotonic_s()
    assert clock.monotonic_s() >= first


def test_the_steerable_clock_moves_only_by_hand() -> None:
    clock = SteerableClock(us=1_000_000)
    assert clock.now_us() == clock.now_us() == 1_000_000
    clock.advance(0.25)
    assert (clock.now_us(), clock.monotonic_s()) == (1_250_000, 1.25)
