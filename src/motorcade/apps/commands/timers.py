"""What is to happen later: silences of tries, and vehicles to be looked at again."""

from __future__ import annotations

import heapq
from itertools import count
from uuid import UUID

__all__ = ["Timers"]


class Timers:
    """A heap of moments (µs UTC)."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, UUID | tuple[int, int]]] = []
        self._count = count()

    def __len__(self) -> int:
        return len(self._heap)

    def silence(self, at_us: int, command: UUID) -> None:
        """At this time no answer to a command's try is silence."""
        heapq.heappush(self._heap, (at_us, next(self._count), command))

    def look(self, at_us: int, vehicle: int, tenant: int) -> None:
        """At this time a vehicle may be sent something again."""
        heapq.heappush(self._heap, (at_us, next(self._count), (vehicle, tenant)))

    def next_us(self) -> int:
        """When the next of them is due; far in the future where there is none."""
        return self._heap[0][0] if self._heap else 1 << 62

    def due(self, now_us: int) -> tuple[list[UUID], dict[int, int]]:
        """What is due: commands, and vehicles with their tenants. Each is given once."""
        commands: list[UUID] = []
        vehicles: dict[int, int] = {}
        while self._heap and self._heap[0][0] <= now_us:
            what = heapq.heappop(self._heap)[2]
            if isinstance(what, UUID):
                commands.append(what)
            else:
                vehicles[what[0]] = what[1]
        return commands, vehicles
