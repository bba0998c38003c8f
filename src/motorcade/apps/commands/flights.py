"""Tries that are out: which vehicle awaits what over which link, and when that is silence.

In: commands claimed for sending. Out: how many a vehicle has out, whose reply a gateway still owes.
Memory alone: after a restart ``commands.wait_us`` says what was out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

import msgspec

from motorcade.apps.commands.policy import Link
from motorcade.apps.commands.row import Row
from motorcade.protocols.commands import Command

__all__ = ["Flight", "Flights"]


class Flight(msgspec.Struct, frozen=True):
    """One command that is being tried."""

    id: UUID
    vehicle: int
    tenant: int
    message_class: str
    command: Command
    link: Link | None = None
    """The link of the try that is out."""
    tried: frozenset[str] = frozenset()
    """Links tried in this round."""
    mute: frozenset[str] = frozenset()
    """Protocols that cannot say it."""
    code: str = ""
    """Why the last link did not take it."""
    detail: str = ""
    asked: bool = False
    """Whether a gateway has it and has not said yet what became of it."""
    until_us: int = 0
    """When no answer is silence."""

    @classmethod
    def of(cls, row: Row, until_us: int, tried: frozenset[str] = frozenset()) -> Flight:
        """A command just claimed, or found to be out."""
        return cls(
            id=row.id,
            vehicle=row.vehicle,
            tenant=row.tenant,
            message_class=row.message_class,
            command=row.command(),
            tried=tried,
            until_us=until_us,
        )


class Flights:
    """All tries of one process."""

    def __init__(self) -> None:
        self._by_id: dict[UUID, Flight] = {}
        self._by_vehicle: dict[int, set[UUID]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, flight: object) -> bool:
        return flight in self._by_id

    def get(self, flight: UUID) -> Flight | None:
        """The try of a command, if one is out."""
        return self._by_id.get(flight)

    def of(self, vehicle: int) -> Iterator[Flight]:
        """A vehicle's."""
        for one in tuple(self._by_vehicle.get(vehicle, ())):
            yield self._by_id[one]

    def count(self, vehicle: int) -> int:
        """How many a vehicle has out."""
        return len(self._by_vehicle.get(vehicle, ()))

    def asked(self, vehicle: int) -> bool:
        """Whether a gateway has yet to say what became of one of them."""
        return any(flight.asked for flight in self.of(vehicle))

    def update(self, changes: Mapping[UUID, Flight | None]) -> None:
        """Take in what a turn decided; None: no longer out."""
        for name, flight in changes.items():
            before = self._by_id.pop(name, None)
            if before is not None:
                others = self._by_vehicle[before.vehicle]
                others.discard(name)
                if not others:
                    del self._by_vehicle[before.vehicle]
            if flight is not None:
                self._by_id[name] = flight
                self._by_vehicle.setdefault(flight.vehicle, set()).add(name)
