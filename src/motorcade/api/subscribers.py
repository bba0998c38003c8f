"""What waits for one stream reader: a bounded queue that forgets the oldest and says how much.

A reader that is slower than the fleet costs at most ``bytes_max`` here, whatever comes in; when it
reads again it is first told how many events it missed, then goes on with the newest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Events", "Subscriber", "encode_events"]


class Events(NamedTuple):
    """Encoded events of one log record, shared by every subscriber with the same filter."""

    items: Sequence[bytes]
    size: int


def encode_events(items: Sequence[bytes]) -> Events:
    """``items`` with their size in bytes."""
    return Events(items, sum(map(len, items)))


class Subscriber:
    """One reader's queue; ``offer`` never waits, ``take`` waits for something or the heartbeat."""

    __slots__ = ("_closed", "_missed", "_size", "_waiting", "_wake", "bytes_max", "error")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.error: Exception | None = None
        self._waiting: deque[Events] = deque()
        self._size = 0
        self._missed = 0
        self._closed = False
        self._wake = asyncio.Event()

    @property
    def size(self) -> int:
        """Bytes waiting now; at most ``bytes_max`` and one record's events."""
        return self._size

    @property
    def closed(self) -> bool:
        """Whether the stream has ended; what waits may still be taken."""
        return self._closed

    def offer(self, events: Events) -> None:
        """Queue ``events``; at the bound the oldest are dropped and counted."""
        if self._closed:
            return
        self._waiting.append(events)
        self._size += events.size
        while self._size > self.bytes_max and len(self._waiting) > 1:
            self._drop()
        if self._size > self.bytes_max:
            self._drop()
        self._wake.set()

    def miss(self, count: int) -> None:
        """Count events lost before they reached this queue."""
        self._missed += count
        self._wake.set()

    def close(self, error: Exception | None = None) -> None:
        """End the stream; ``error`` is what the reader is told. What is said first holds."""
        if self._closed:
            return
        self.error = error
        self._closed = True
        self._wake.set()

    async def take(self, wait_s: float) -> tuple[int, list[bytes]]:
        """Missed count and events waiting, oldest first; ``(0, [])`` after ``wait_s`` of
        silence."""
        if not self._wake.is_set():
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                return 0, []
        missed, self._missed = self._missed, 0
        items = [item for events in self._waiting for item in events.items]
        self._waiting.clear()
        self._size = 0
        if not self._closed:
            self._wake.clear()
        return missed, items

    def _drop(self) -> None:
        events = self._waiting.popleft()
        self._size -= events.size
        self._missed += len(events.items)
