"""A bounded map of what was learned lately: least recently used goes first, everything expires."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Cache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """At most ``entries_max`` entries, each valid for ``lifetime_s`` of the caller's monotonic
    time."""

    __slots__ = ("_entries", "entries_max", "lifetime_s")

    def __init__(self, entries_max: int, lifetime_s: float) -> None:
        self.entries_max = entries_max
        self.lifetime_s = lifetime_s
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K, now_s: float) -> V | None:
        """The value, or ``None`` where there is none or it has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= now_s:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: K, value: V, now_s: float) -> None:
        """Remember ``value``; at the bound the entry unused for longest is forgotten."""
        self._entries[key] = (now_s + self.lifetime_s, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self.entries_max:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget one entry, if it is there."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
