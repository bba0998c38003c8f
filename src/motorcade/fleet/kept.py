"""What sessions leave behind for a vehicle's next connection, at whatever gateway that is.

In: a protocol's own bytes by vehicle, and until when they hold. Out: the same, while they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from motorcade.clock import Clock
from motorcade.fleet.arrays import blobs, numbers
from motorcade.fleet.store import Part, moment

__all__ = ["KeptSession", "KeptSessions"]


_KEEP: Final = (
    "INSERT INTO kept_sessions AS k (vehicle, protocol, tenant, state, until, since_us)"
    " SELECT v.number, %s, v.tenant, n.state, to_timestamp(n.until_us / 1e6::float8), n.since_us"
    " FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[], %s::bigint[])"
    " AS n(vehicle, state, until_us, since_us) JOIN vehicles v ON v.number = n.vehicle"
    " ON CONFLICT (vehicle, protocol) DO UPDATE SET state = excluded.state,"
    " until = excluded.until, tenant = excluded.tenant, since_us = excluded.since_us"
    " WHERE k.since_us <= excluded.since_us"
)
_FORGET: Final = (
    "UPDATE kept_sessions k SET state = '', since_us = n.since_us, until = %s"
    " FROM unnest(%s::bigint[], %s::bigint[]) AS n(vehicle, since_us)"
    " WHERE k.protocol = %s AND k.vehicle = n.vehicle AND k.since_us <= n.since_us"
)
_REMEMBERED: Final = timedelta(days=1)
"""How long it is known that a session was forgotten: an older login's last word comes within the
longest silence of a link, or once the registry is back."""


class KeptSession(NamedTuple):
    """One vehicle's. ``state`` of at most 1,024 bytes, empty to forget; ``until_us``, and
    ``since_us``, when it logged in: µs UTC."""

    vehicle: int
    tenant: int
    state: bytes
    until_us: int
    since_us: int = 0


class KeptSessions(Part):
    """The registry's methods about them; all of them platform scope."""

    _clock: Clock

    async def keep_sessions(self, protocol: str, sessions: Sequence[KeptSession]) -> None:
        """Keep these (platform scope); the last word about a vehicle holds, but for that of an
        older login. Vehicles that are gone are left out."""
        last = {one.vehicle: one for one in sessions}
        kept = [one for one in last.values() if one.state]
        gone = [one for one in last.values() if not one.state]
        async with self._store.platform() as connection:
            if gone:
                await connection.execute(
                    _FORGET,
                    (
                        moment(self._clock) + _REMEMBERED,
                        numbers(one.vehicle for one in gone),
                        numbers(one.since_us for one in gone),
                        protocol,
                    ),
                )
            if kept:
                await connection.execute(
                    _KEEP,
                    (
                        protocol,
                        numbers(one.vehicle for one in kept),
                        blobs(one.state for one in kept),
                        numbers(one.until_us for one in kept),
                        numbers(one.since_us for one in kept),
                    ),
                )

    async def kept_sessions(self, protocol: str, vehicles: Sequence[int]) -> dict[int, bytes]:
        """What is kept of these vehicles and still holds (platform scope), by vehicle number."""
        async with self._store.platform() as connection:
            cursor = await connection.execute(
                "SELECT vehicle, state FROM kept_sessions"
                " WHERE protocol = %s AND vehicle = ANY(%s::bigint[]) AND until > %s"
                " AND state <> ''",
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
