"""Sessions in PostgreSQL: written as whole changes with the position they stand for.

In: sessions that differ and the rows that are owed to the log, in one transaction. Out: the table
after a restart, sessions not in memory, one vehicle's links for its tenant.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from motorcade.apps.sessions.sessions import Ended, Link, Session
from motorcade.errors import Conflict, CorruptionError
from motorcade.fleet.arrays import numbers
from motorcade.fleet.store import Connection, Store, one
from motorcade.limits import SESSIONS_CHANGES_MAX

__all__ = ["Owed", "SessionStore", "Stored"]

_PAGE: Final = 20_000
"""Sessions read at once after a restart, some 10 MB."""

_FIELDS: Final = (
    "vehicle, tenant, online, due_us, changed_us, ended_us, bearer, reason, last, links, ended"
)
_SELECT: Final = (
    f"SELECT {_FIELDS.replace('links, ended', 'links::text, ended::text')} FROM sessions"
)
_UPSERT: Final = f"""
    INSERT INTO sessions (partition, live, {_FIELDS})
    SELECT %s, jsonb_array_length(links) > 0 OR due_us > 0, {_FIELDS}
    FROM jsonb_to_recordset(%s::jsonb) AS new (
        vehicle bigint, tenant bigint, online boolean, due_us bigint, changed_us bigint,
        ended_us bigint, bearer text, reason text, last text, links jsonb, ended jsonb)
    ON CONFLICT (vehicle) DO UPDATE SET
        partition = EXCLUDED.partition, live = EXCLUDED.live, tenant = EXCLUDED.tenant,
        online = EXCLUDED.online, due_us = EXCLUDED.due_us, changed_us = EXCLUDED.changed_us,
        ended_us = EXCLUDED.ended_us, bearer = EXCLUDED.bearer, reason = EXCLUDED.reason,
        last = EXCLUDED.last, links = EXCLUDED.links, ended = EXCLUDED.ended
"""
_LINKS: Final = msgspec.json.Decoder(tuple[Link, ...])
_ENDED: Final = msgspec.json.Decoder(tuple[Ended, ...])


class Owed(msgspec.Struct, frozen=True):
    """Rows the telemetry log may not have yet. ``number`` counts what was ever owed, so that the
    log can tell a repetition; ``ingest_us`` is when the rows were made."""

    number: int
    rows: bytes
    ingest_us: int


class Stored(msgspec.Struct):
    """Where a partition stands."""

    owner: int
    """Who has the partition; only this one may commit."""
    position: int
    """Events through this sequence are in the table."""
    number: int
    """Of what was owed last."""
    owed: Owed | None = None
    gateways: dict[str, str] = {}
    lost: set[str] = set()


class SessionStore:
    """The sessions app's tables over the registry's connections. Raises ``DependencyError``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take_over(self, partition: int) -> Stored:
        """Where a partition stands, the beginning where nothing was ever stored; whoever had it
        before cannot commit any more."""
        async with self._store.platform(pipeline=False) as connection:
            row = await one(
                connection,
                "INSERT INTO session_positions (partition, position, number) VALUES (%s, 0, 0)"
                " ON CONFLICT (partition) DO UPDATE SET owner = session_positions.owner + 1"
                " RETURNING owner, position, number, owed, owed_us",
                (partition,),
            )
            assert row is not None, "an insertion that returns nothing"
            cursor = await connection.execute(
                "SELECT name, incarnation, lost FROM session_gateways WHERE partition = %s",
                (partition,),
            )
            gateways = await cursor.fetchall()
        owner, position, number, owed, owed_us = row
        return Stored(
            owner=owner,
            position=position,
            number=number,
            owed=None if owed is None else Owed(number, bytes(owed), owed_us),
            gateways={name: incarnation for name, incarnation, _ in gateways},
            lost={incarnation for _, incarnation, lost in gateways if lost},
        )

    async def live(self, partition: int) -> AsyncIterator[list[Session]]:
        """A partition's sessions to which something may happen, in pages."""
        after = 0
        while True:
            async with self._store.platform(pipeline=False) as connection:
                cursor = await connection.execute(
                    f"{_SELECT} WHERE partition = %s AND live AND vehicle > %s"
                    " ORDER BY vehicle LIMIT %s".encode(),
                    (partition, after, _PAGE),
                )
                rows = await cursor.fetchall()
            if not rows:
                return
            yield [_session(row) for row in rows]
            after = rows[-1][0]

    async def sessions(self, vehicles: Iterable[int]) -> list[Session]:
        """The sessions of those vehicles that ever had one."""
        async with self._store.platform(pipeline=False) as connection:
            cursor = await connection.execute(
                f"{_SELECT} WHERE vehicle = ANY(%s::bigint[])".encode(), (numbers(vehicles),)
            )
            return [_session(row) for row in await cursor.fetchall()]

    async def commit(
        self,
        partition: int,
        owner: int,
        position: int,
        *,
        sessions: Sequence[Session] = (),
        owed: Owed | None = None,
        number: int = 0,
        gateways: Mapping[str, str] | None = None,
        lost: Iterable[str] = (),
    ) -> None:
        """All or nothing: sessions, what is owed to the log, gateways (None: as before), and the
        position they stand for. Raises ``Conflict`` where another process has taken over."""
        document = await _document(sessions) if sessions else ""
        async with self._store.platform() as connection:
            moved = await connection.execute(
                "UPDATE session_positions SET position = %s, number = %s, owed = %s, owed_us = %s"
                " WHERE partition = %s AND owner = %s RETURNING owner",
                (
                    position,
                    number if owed is None else owed.number,
                    None if owed is None else owed.rows,
                    0 if owed is None else owed.ingest_us,
                    partition,
                    owner,
                ),
            )
            if sessions:
                await connection.execute(_UPSERT.encode(), (partition, document))
            if gateways is not None:
                await _put_gateways(connection, partition, gateways, set(lost))
            if await moved.fetchone() is None:
                raise Conflict(f"another process has taken the sessions of partition {partition}")

    async def of_vehicle(self, tenant: int, vehicle: int) -> Session | None:
        """A tenant's vehicle's session; None where it never had one."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            row = await one(
                connection,
                f"{_SELECT} WHERE vehicle = %s AND tenant = %s".encode(),
                (vehicle, tenant),
            )
        return None if row is None else _session(row)


async def _put_gateways(
    connection: Connection, partition: int, gateways: Mapping[str, str], lost: set[str]
) -> None:
    await connection.execute("DELETE FROM session_gateways WHERE partition = %s", (partition,))
    await connection.execute(
        "INSERT INTO session_gateways (partition, name, incarnation, lost)"
        " SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::boolean[])",
        (
            partition,
            list(gateways),
            list(gateways.values()),
            [incarnation in lost for incarnation in gateways.values()],
        ),
    )


async def _document(sessions: Sequence[Session]) -> str:
    """One JSON text: fifteen thousand sessions as arrays cost psycopg a second of quoting."""

    def encode() -> str:
        return msgspec.json.encode(sessions).decode()

    return encode() if len(sessions) < SESSIONS_CHANGES_MAX else await asyncio.to_thread(encode)


def _session(row: Sequence[Any]) -> Session:
    vehicle, tenant, online, due_us, changed_us, ended_us, bearer, reason, last, links, ended = row
    try:
        return Session(
            vehicle=vehicle,
            tenant=tenant,
            links=_LINKS.decode(links),
            online=online,
            due_us=due_us,
            changed_us=changed_us,
            ended_us=ended_us,
            bearer=bearer,
            reason=reason,
            last=last,
            ended=_ENDED.decode(ended),
        )
    except msgspec.DecodeError as error:
        raise CorruptionError(f"the links of vehicle {vehicle} cannot be read: {error}") from error
