"""Tries that are out: which vehicle awaits what over which link, and when that is silence.

In: commands claimed for sending. Out: how many a vehicle has out, whose reply a gateway still owes,
which of them an answer means.
Memory alone: after a restart ``commands.wait_us`` says what was out.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from uuid import UUID

import msgspec

from motorcade.apps.commands.policy import Link
from motorcade.apps.commands.row import Row

__all__ = ["Flight", "Flights"]


class Flight(msgspec.Struct, frozen=True):
    """One command that is being tried."""

    row: Row
    """The command as the table holds it. Nobody else changes one that is out, so it need not be
    read again; who changes it changes a copy, until that is committed."""
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

    @property
    def id(self) -> UUID:
        """The command's."""
        return self.row.id

    @property
    def vehicle(self) -> int:
        """Which vehicle it is for."""
        return self.row.vehicle

    @property
    def tenant(self) -> int:
        """Whose vehicle that is."""
        return self.row.tenant

    @property
    def message_class(self) -> str:
        """What the downlink policy minds."""
        return self.row.message_class


class Flights:
    """All tries of one process."""

    def __init__(self) -> None:
        self._by_id: dict[UUID, Flight] = {}
        self._by_vehicle: dict[int, set[UUID]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def ids(self) -> set[UUID]:
        """Of all of them."""
        return set(self._by_id)

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

    def asked(self, vehicle: int, said: Container[UUID] = ()) -> bool:
        """Whether a gateway has yet to say what became of one of them; ``said``: of which it just
        did."""
        return any(flight.asked and flight.id not in said for flight in self.of(vehicle))

    def named(self, vehicle: int, key: str) -> UUID | None:
        """The command of a vehicle that an answer with this key means, where it is one of them."""
        found = [one.row for one in self.of(vehicle) if key in one.row.keys]
        return max(found, key=lambda row: row.made_us).id if found else None

    def told(self, told: Mapping[UUID, int]) -> None:
        """The table knows of these states that they were told."""
        for name, bits in told.items():
            if (flight := self._by_id.get(name)) is not None:
                flight.row.told |= bits

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
