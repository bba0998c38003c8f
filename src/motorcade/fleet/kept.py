"""What sessions leave behind for a vehicle's next connection, at whatever gateway that is.

In: a protocol's own bytes by vehicle, and until when they hold. Out: the same, while they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from motorcade.clock import Clock
from motorcade.fleet.arrays import blobs, numbers
from motorcade.fleet.store import Part, moment

__all__ = ["KeptSession", "KeptSessions"]


_KEEP: Final = (
    "INSERT INTO kept_sessions (vehicle, protocol, tenant, state, until)"
    " SELECT v.number, %s, v.tenant, n.state, to_timestamp(n.until_us / 1e6::float8)"
    " FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[]) AS n(vehicle, state, until_us)"
    " JOIN vehicles v ON v.number = n.vehicle"
    " ON CONFLICT (vehicle, protocol) DO UPDATE"
    " SET state = excluded.state, until = excluded.until, tenant = excluded.tenant"
)


class KeptSession(NamedTuple):
    """One vehicle's. ``state`` of at most 1,024 bytes, empty to forget; ``until_us`` µs UTC."""

    vehicle: int
    tenant: int
    state: bytes
    until_us: int


class KeptSessions(Part):
    """The registry's methods about them; all of them platform scope."""

    _clock: Clock

    async def keep_sessions(self, protocol: str, sessions: Sequence[KeptSession]) -> None:
        """Keep these (platform scope); the last word about a vehicle holds. Vehicles that are
        gone are left out."""
        last = {one.vehicle: one for one in sessions}
        kept = [one for one in last.values() if one.state]
        gone = [one.vehicle for one in last.values() if not one.state]
        async with self._store.platform() as connection:
            if gone:
                await connection.execute(
                    "DELETE FROM kept_sessions WHERE protocol = %s AND vehicle = ANY(%s::bigint[])",
                    (protocol, numbers(gone)),
                )
            if kept:
                await connection.execute(
                    _KEEP,
                    (
                        protocol,
                        numbers(one.vehicle for one in kept),
                        blobs(one.state for one in kept),
                        numbers(one.until_us for one in kept),
                    ),
                )

    async def kept_sessions(self, protocol: str, vehicles: Sequence[int]) -> dict[int, bytes]:
        """What is kept of these vehicles and still holds (platform scope), by vehicle number."""
        async with self._store.platform() as connection:
            cursor = await connection.execute(
                "SELECT vehicle, state FROM kept_sessions"
                " WHERE protocol = %s AND vehicle = ANY(%s::bigint[]) AND until > %s",
                (protocol, numbers(vehicles), moment(self._clock)),
            )
            return {vehicle: bytes(state) for vehicle, state in await cursor.fetchall()}

    async def forget_sessions(self) -> int:
        """Drop what does not hold any more (platform scope); returns how many."""
        async with self._store.platform(pipeline=False) as connection:
            cursor = await connection.execute(
                "DELETE FROM kept_sessions WHERE until <= %s", (moment(self._clock),)
            )
            return cursor.rowcount
