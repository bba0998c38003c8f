"""The commands' table as the service reads and writes it, always inside one turn's transaction.

In: a connection in the platform's scope. Out: rows, locked where they are going to change.
Everything is asked for many rows at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from motorcade.apps.commands.row import COLUMNS, SAVED, Row
from motorcade.fleet.store import Connection, one

__all__ = [
    "Held",
    "Wanted",
    "Waiting",
    "by_index",
    "claim",
    "due",
    "fresh",
    "hold",
    "locked",
    "matched",
    "next_deadline",
    "out",
    "save",
    "sweep",
    "take_over",
    "tell",
    "untold",
    "waiting",
    "waiting_of",
]

_OPEN: Final = "('queued', 'sent', 'delivered')"
_MATCHED_MAX: Final = 1_000
"""Commands of one vehicle, the newest first, among which an answer's is looked for."""


class Held(NamedTuple):
    """A partition of this process: how far its events are accounted for, and the process's sign."""

    sequence: int
    fence: int


class Waiting(NamedTuple):
    """A vehicle with commands to be sent, the first of them not before ``next_us``."""

    vehicle: int
    tenant: int
    next_us: int


class Wanted(NamedTuple):
    """A vehicle that can be sent ``free`` commands of some classes."""

    vehicle: int
    free: int
    classes: Sequence[str]


async def take_over(connection: Connection, partitions: Sequence[int]) -> dict[int, Held]:
    """Make partitions this process's: whoever had them before finds out at its next turn."""
    cursor = await connection.execute(
        "INSERT INTO command_positions AS p (partition, fence) SELECT unnest(%s::smallint[]), 1"
        " ON CONFLICT (partition) DO UPDATE SET fence = p.fence + 1"
        " RETURNING partition, sequence, fence",
        (list(partitions),),
    )
    return {row[0]: Held(row[1], row[2]) for row in await cursor.fetchall()}


async def by_index(connection: Connection) -> None:
    """Everything in this transaction finds its rows by index: the planner, which has no figures of
    a young table, would read the whole of it, and remember that way for when it is large."""
    await connection.execute(
        "SELECT set_config('enable_seqscan', 'off', true),"
        " set_config('enable_hashjoin', 'off', true),"
        " set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)"
    )


async def hold(connection: Connection, held: Mapping[int, Held]) -> Callable[[], Awaitable[bool]]:
    """Write how far the partitions are. What this returns is to be asked before the end: false
    where one of them is another process's now. (The answer comes with a later one.)"""
    cursor = await connection.execute(
        "UPDATE command_positions p SET sequence = greatest(p.sequence, v.sequence) FROM"
        " unnest(%s::smallint[], %s::bigint[], %s::bigint[]) AS v (partition, sequence, fence)"
        " WHERE p.partition = v.partition AND p.fence = v.fence RETURNING p.partition",
        (
            list(held),
            [one.sequence for one in held.values()],
            [one.fence for one in held.values()],
        ),
    )

    async def mine() -> bool:
        return len(await cursor.fetchall()) == len(held)

    return mine


async def locked(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Row]:
    """The commands of these ids, locked."""
    cursor = await connection.execute(
        f"SELECT {COLUMNS} FROM commands WHERE id = ANY(%s::uuid[])"
        " ORDER BY id FOR UPDATE".encode(),
        (list(ids),),
    )
    return {row[0]: Row(*row) for row in await cursor.fetchall()}


async def fresh(connection: Connection, ids: Iterable[UUID], own: Sequence[int]) -> list[Row]:
    """Commands a hint named, of own partitions."""
    cursor = await connection.execute(
        f"SELECT {COLUMNS} FROM commands"
        " WHERE id = ANY(%s::uuid[]) AND partition = ANY(%s::smallint[])".encode(),
        (list(ids), list(own)),
    )
    return [Row(*row) for row in await cursor.fetchall()]


async def untold(connection: Connection, own: Sequence[int], limit: int) -> list[Row]:
    """Commands with states the log does not have yet, the oldest first."""
    cursor = await connection.execute(
        f"SELECT {COLUMNS} FROM commands WHERE told <> reached"
        " AND partition = ANY(%s::smallint[]) ORDER BY id LIMIT %s".encode(),
        (list(own), limit),
    )
    return [Row(*row) for row in await cursor.fetchall()]


async def matched(
    connection: Connection, answers: Sequence[tuple[int, str]]
) -> list[tuple[int, UUID]]:
    """Of answers (vehicle, key) those that name a command: place and id. Where a key was used more
    than once the one that awaits an answer is meant, then the newest."""
    cursor = await connection.execute(
        "SELECT a.place, c.id FROM unnest(%s::bigint[], %s::text[]) WITH ORDINALITY"
        " AS a (vehicle, key, place) CROSS JOIN LATERAL (SELECT l.id FROM (SELECT id, keys,"
        f" made_us, (wait_us > 0)::integer + (state IN {_OPEN})::integer AS hope FROM commands"
        " WHERE vehicle = a.vehicle ORDER BY made_us DESC, id DESC LIMIT %s) l"
        " WHERE a.key = ANY(l.keys) ORDER BY l.hope DESC, l.made_us DESC LIMIT 1) c".encode(),
        ([a[0] for a in answers], [a[1] for a in answers], _MATCHED_MAX),
    )
    return [(row[0] - 1, row[1]) for row in await cursor.fetchall()]


async def due(
    connection: Connection, own: Sequence[int], now_us: int, limit: int
) -> dict[UUID, Row]:
    """Open commands whose deadline is past, locked."""
    cursor = await connection.execute(
        f"SELECT {COLUMNS} FROM commands WHERE state IN {_OPEN} AND deadline_us <= %s"
        " AND partition = ANY(%s::smallint[]) LIMIT %s FOR UPDATE".encode(),
        (now_us, list(own), limit),
    )
    return {row[0]: Row(*row) for row in await cursor.fetchall()}


async def next_deadline(connection: Connection, own: Sequence[int]) -> int | None:
    """The earliest deadline of an open command."""
    row = await one(
        connection,
        "SELECT min(m.us) FROM unnest(%s::smallint[]) AS p (partition) CROSS JOIN LATERAL ("
        " SELECT c.deadline_us AS us FROM commands c WHERE c.partition = p.partition"
        f" AND c.state IN {_OPEN} ORDER BY c.deadline_us LIMIT 1) m",
        (list(own),),
    )
    return None if row is None else row[0]


async def save(connection: Connection, rows: Iterable[Row]) -> None:
    """Write changed rows back; one that has ended meanwhile stays as it is."""
    saved = [{"id": row.id.hex, **{name: getattr(row, name) for name in SAVED}} for row in rows]
    if saved:
        await connection.execute(_SAVE, (msgspec.json.encode(saved).decode(),))


async def tell(connection: Connection, told: Mapping[UUID, int]) -> None:
    """Remember which states the log has, by their bits."""
    await connection.execute(
        "UPDATE commands c SET told = c.told | v.told FROM"
        " unnest(%s::uuid[], %s::smallint[]) AS v (id, told) WHERE c.id = v.id",
        (list(told), list(told.values())),
    )


async def claim(
    connection: Connection, wanted: Sequence[Wanted], now_us: int, until_us: int
) -> list[Row]:
    """Take the next commands of vehicles for sending: by priority, then age. A claimed command is
    no longer cancelled; who is being cancelled right now is passed over."""
    cursor = await connection.execute(
        _CLAIM,
        (
            [one.vehicle for one in wanted],
            [one.free for one in wanted],
            [" ".join(one.classes) for one in wanted],
            now_us,
            now_us,
            until_us,
        ),
    )
    return [Row(*row) for row in await cursor.fetchall()]


async def out(connection: Connection, own: Sequence[int]) -> dict[UUID, Row]:
    """Commands of which a try is out, locked."""
    cursor = await connection.execute(
        f"SELECT {COLUMNS} FROM commands WHERE wait_us > 0"
        " AND partition = ANY(%s::smallint[]) FOR UPDATE".encode(),
        (list(own),),
    )
    return {row[0]: Row(*row) for row in await cursor.fetchall()}


async def waiting(
    connection: Connection, own: Sequence[int], after: int, limit: int
) -> list[Waiting]:
    """Vehicles above ``after`` with commands to be sent, by number."""
    cursor = await connection.execute(
        "SELECT vehicle, min(tenant), min(next_us) FROM commands"
        " WHERE wait_us = 0 AND state IN ('queued', 'sent') AND vehicle > %s"
        " AND partition = ANY(%s::smallint[]) GROUP BY vehicle ORDER BY vehicle LIMIT %s",
        (after, list(own), limit),
    )
    return [Waiting(*row) for row in await cursor.fetchall()]


async def waiting_of(connection: Connection, vehicles: Iterable[int]) -> list[Waiting]:
    """Those of the vehicles that have commands to be sent."""
    cursor = await connection.execute(
        "SELECT v.vehicle, c.tenant, c.next_us FROM unnest(%s::bigint[]) AS v (vehicle)"
        " CROSS JOIN LATERAL (SELECT min(tenant) AS tenant, min(next_us) AS next_us FROM commands"
        " WHERE wait_us = 0 AND state IN ('queued', 'sent') AND vehicle = v.vehicle) c"
        " WHERE c.tenant IS NOT NULL",
        (list(vehicles),),
    )
    return [Waiting(*row) for row in await cursor.fetchall()]


async def sweep(connection: Connection, own: Sequence[int], before_us: int, limit: int) -> int:
    """Forget commands that ended before a time; returns how many."""
    cursor = await connection.execute(
        "WITH old AS (SELECT id FROM commands WHERE partition = ANY(%s::smallint[])"
        " AND ended_us < %s AND told = reached LIMIT %s FOR UPDATE SKIP LOCKED),"
        " gone AS (DELETE FROM commands WHERE id IN (SELECT id FROM old) RETURNING 1)"
        " SELECT count(*) FROM gone",
        (list(own), before_us, limit),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


_SAVE: Final = (
    "UPDATE commands c SET "
    + ", ".join(f"{name} = v.{name}" for name in SAVED)
    + " FROM jsonb_to_recordset(%s::jsonb) AS v (id uuid, "
    + ", ".join(f"{name} {kind}" for name, kind in SAVED.items())
    + f") WHERE c.id = v.id AND (c.state IN {_OPEN} OR c.state = v.state)"
).encode()

_CLAIM: Final = (
    "WITH picked AS (SELECT c.id FROM unnest(%s::bigint[], %s::integer[], %s::text[])"
    " AS w (vehicle, free, classes) CROSS JOIN LATERAL (SELECT id FROM commands"
    " WHERE wait_us = 0 AND state IN ('queued', 'sent') AND vehicle = w.vehicle"
    " AND class = ANY(string_to_array(w.classes, ' ')) AND next_us <= %s AND deadline_us > %s"
    " ORDER BY priority DESC, made_us, id LIMIT w.free FOR UPDATE SKIP LOCKED) c)"
    " UPDATE commands SET wait_us = %s, tries = tries + 1"
    " FROM picked WHERE commands.id = picked.id RETURNING "
    + ", ".join("commands." + name for name in COLUMNS.split(", "))
).encode()
