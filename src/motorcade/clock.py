"""The only clock: wall time in microseconds UTC, and a monotonic clock for timers.

Everything that needs the time takes a ``Clock``; tests pass a ``SteerableClock``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Clock", "SystemClock", "SteerableClock"]


class Clock(Protocol):
    """Where the time comes from."""

    def now_us(self) -> int:
        """Wall time, microseconds since 1970-01-01 UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an arbitrary start."""


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        return time.monotonic()


@dataclass(slots=True)
class SteerableClock:
    """A clock a test moves by hand."""

    us: int = 1_750_000_000_000_000

    def now_us(self) -> int:
        return self.us

    def monotonic_s(self) -> float:
        return self.us / 1e6

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``."""
        self.us += round(seconds * 1e6)
