"""Answers believed for a short time: a bounded map whose entries age.

In: facts with the time they were learned. Out: the same facts while they are fresh.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from motorcade.clock import Clock

__all__ = ["Believed"]

K = TypeVar("K")
V = TypeVar("V")


class Believed(Generic[K, V]):
    """At most ``entries_max`` facts (the oldest go first), each for ``ttl_s`` seconds."""

    __slots__ = ("_clock", "_entries_max", "_facts", "_ttl_s")

    def __init__(self, clock: Clock, ttl_s: float, entries_max: int) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self._entries_max = entries_max
        self._facts: dict[K, tuple[float, V]] = {}

    def __len__(self) -> int:
        return len(self._facts)

    def get(self, key: K) -> tuple[V] | None:
        """The fact in a tuple of one (it may itself be null), or null where none is fresh."""
        found = self._facts.get(key)
        if found is None or self._clock.monotonic_s() - found[0] > self._ttl_s:
            return None
        return (found[1],)

    def put(self, key: K, value: V) -> None:
        """Learn a fact now."""
        if self._ttl_s <= 0:
            return
        self._facts.pop(key, None)
        while len(self._facts) >= self._entries_max:
            del self._facts[next(iter(self._facts))]
        self._facts[key] = (self._clock.monotonic_s(), value)

    def forget(self) -> None:
        """Drop everything."""
        self._facts.clear()
