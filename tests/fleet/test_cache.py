"""Facts age, are bounded, and may be null."""

from __future__ import annotations

from motorcade.clock import SteerableClock
from motorcade.fleet.cache import Believed


def test_facts_age_and_null_is_a_fact() -> None:
    clock = SteerableClock()
    believed: Believed[str, int | None] = Believed(clock, 2.0, 10)
    believed.put("a", None)
    assert believed.get("a") == (None,)
    assert believed.get("b") is None
    clock.advance(2.1)
    assert believed.get("a") is None


def test_the_oldest_goes_first() -> None:
    believed: Believed[int, int] = Believed(SteerableClock(), 2.0, 3)
    for number in (1, 2, 3, 1, 4):
        believed.put(number, number)
    assert [number for number in range(1, 5) if believed.get(number)] == [1, 3, 4]
    assert len(believed) == 3
    believed.forget()
    assert len(believed) == 0


def test_nothing_is_believed_without_time() -> None:
    believed: Believed[int, int] = Believed(SteerableClock(), 0.0, 3)
    believed.put(1, 1)
    assert believed.get(1) is None
