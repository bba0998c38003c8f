"""The commands' table as the service reads and writes it, always inside one turn's transaction.

In: a connection in the platform's scope. Out: rows, locked where they are going to change.
Everything is asked for many rows at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from motorcade.apps.commands.asking import id_before
from motorcade.apps.commands.row import COLUMNS, SAVED, Row
from motorcade.fleet.store import Connection, one

__all__ = [
    "Claimed",
    "Held",
    "Wanted",
    "Waiting",
    "by_index",
    "due",
    "locked",
    "matched",
    "next_deadline",
    "out",
    "sweep",
    "take_over",
    "turn",
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


class Wanted(msgspec.Struct, frozen=True):
    """A vehicle that can be sent ``free`` commands of some classes."""

    vehicle: int
    free: int
    classes: Sequence[str]


Claimed = Callable[[], Awaitable[list[Row]]]
"""The commands of a claim."""


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


async def turn(
    connection: Connection,
    *,
    held: Mapping[int, Held] | None = None,
    told: Mapping[UUID, int] | None = None,
    saved: Iterable[Row] = (),
    wanted: Sequence[Wanted] = (),
    now_us: int = 0,
    until_us: int = 0,
) -> Claimed:
    """Write how far the partitions are, which states the log has (by their bits), and changed rows,
    of which those that have ended meanwhile stay as they are. Then take the next commands of
    vehicles for sending: by priority, then age. A claimed command is no longer cancelled; who is
    being cancelled right now is passed over. ``Conflict`` where a partition is another process's
    now. One statement, of the platform's scope whatever the connection's; what this returns is
    to be asked for the claimed rows, at best after the commit."""
    written = {
        "held": [
            {"partition": partition, "sequence": one.sequence, "fence": one.fence}
            for partition, one in (held or {}).items()
        ],
        "told": [{"id": name, "told": bits} for name, bits in (told or {}).items()],
        "saved": [{"id": row.id, **{name: getattr(row, name) for name in SAVED}} for row in saved],
        "wanted": wanted,
        "now_us": now_us,
        "until_us": until_us,
    }
    cursor = await connection.execute(_TURN, (msgspec.json.encode(written).decode(),))

    async def rows() -> list[Row]:
        return [Row(*row) for row in await cursor.fetchall()]

    return rows


async def locked(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Row]:
    """The commands of these ids, locked."""
    cursor = await connection.execute(
        f"SELECT {COLUMNS} FROM commands WHERE id = ANY(%s::uuid[])"
        " ORDER BY id FOR UPDATE".encode(),
        (list(ids),),
    )
    return {row[0]: Row(*row) for row in await cursor.fetchall()}


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


async def next_deadline(connection: Connection, own: Sequence[int], after_us: int) -> int | None:
    """The earliest deadline of an open command that is not past."""
    row = await one(
        connection,
        "SELECT min(m.us) FROM unnest(%s::smallint[]) AS p (partition) CROSS JOIN LATERAL ("
        " SELECT c.deadline_us AS us FROM commands c WHERE c.partition = p.partition"
        f" AND c.state IN {_OPEN} AND c.deadline_us > %s ORDER BY c.deadline_us LIMIT 1) m",
        (list(own), after_us),
    )
    return None if row is None else row[0]


async def out(connection: Connection, own: Sequence[int]) -> dict[UUID, Row]:
    """Commands of which a try is out, locked."""
    cursor = await connection.execute(
        f"SELECT {COLUMNS} FROM commands WHERE wait_us > 0 AND state IN {_OPEN}"
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
        "WITH old AS (SELECT id FROM commands WHERE id < %s AND partition = ANY(%s::smallint[])"
        " AND ended_us < %s AND told = reached ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED),"
        " gone AS (DELETE FROM commands WHERE id IN (SELECT id FROM old) RETURNING 1)"
        " SELECT count(*) FROM gone",
        (id_before(before_us), list(own), before_us, limit),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


_TURN: Final = f"SELECT {COLUMNS} FROM command_turn(%s::jsonb)".encode()
