"""Where callers make commands, look at them and cancel them; always within one tenant.

In: checked commands. Out: rows of the table, and a hint to the worker that sends them. Commands
that many callers make at once are written together: one transaction a tenant at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from motorcade.apps.commands.asking import Asked, digest_of, row_for
from motorcade.apps.commands.hints import hint
from motorcade.apps.commands.life import REACHED
from motorcade.apps.commands.row import COLUMNS, Row
from motorcade.clock import Clock
from motorcade.errors import CapacityError, Conflict, NotFound
from motorcade.fleet.store import Connection, Store, one
from motorcade.limits import COMMANDS_OPEN_PER_VEHICLE_MAX
from motorcade.log.log import Log

__all__ = ["Desk", "Page", "full_of", "insert", "skip_numbers"]

_BATCH_MAX: Final = 1_000
_NUMBER_TRIES: Final = 8
_GAP_S: Final = 0.015
"""Between two transactions of a tenant at least, and no less than the first took: what comes
meanwhile shares the next one. One alone waits for nothing."""
_INSERTED: Final[Mapping[str, str]] = {
    "id": "uuid",
    "tenant": "bigint",
    "vehicle": "bigint",
    "partition": "smallint",
    "kind": "text",
    "parameters": "jsonb",
    "class": "text",
    "priority": "smallint",
    "tries_max": "integer",
    "made_us": "bigint",
    "deadline_us": "bigint",
    "maker": "text",
    "bulk": "uuid",
    "idempotency": "text",
    "digest": "bytea",
}


class Page(NamedTuple):
    """Commands, the newest first, and where the next page begins (None at the end)."""

    rows: list[Row]
    next: tuple[int, str] | None


class _New(NamedTuple):
    row: Row
    idempotency: str | None
    digest: bytes
    done: asyncio.Future[Row]


@dataclass(slots=True)
class _Queue:
    """One tenant's commands that wait to be written."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_New] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Desk:
    """Commands for callers. ``partitions``: how many the log has."""

    def __init__(self, store: Store, log: Log, clock: Clock, partitions: int) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._partitions = partitions
        self._queues: dict[int, _Queue] = {}

    async def add(self, tenant: int, vehicle: int, asked: Asked) -> Row:
        """Make a command. The same idempotency key with the same content gives the command that was
        made then; with other content ``Conflict``. ``CapacityError`` where the vehicle has too many
        open ones."""
        row = row_for(
            asked, tenant, vehicle, partitions=self._partitions, now_us=self._clock.now_us()
        )
        done: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        queue = self._queues.setdefault(tenant, _Queue())
        queue.waiting.append(_New(row, asked.idempotency, digest_of(asked), done))
        if queue.task is None:
            queue.task = asyncio.create_task(self._write(tenant, queue))
        return await done

    async def get(self, tenant: int, command: UUID, vehicle: int | None = None) -> Row:
        """One command; ``NotFound``."""
        async with self._store.tenant(tenant) as connection:
            return await _get(connection, tenant, command, vehicle)

    async def page(
        self,
        tenant: int,
        *,
        vehicle: int | None = None,
        states: Sequence[str] = (),
        kind: str = "",
        bulk: UUID | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> Page:
        """A tenant's commands, or one vehicle's, the newest first."""
        clauses = ["tenant = %s"]
        values: list[Any] = [tenant]
        for clause, value in (
            ("vehicle = %s", vehicle),
            ("state = ANY(%s)", list(states) or None),
            ("kind = %s", kind or None),
            ("bulk = %s", bulk),
        ):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        if before is not None:
            clauses.append("(made_us, id) < (%s, %s::uuid)")
            values += before
        query = (
            f"SELECT {COLUMNS} FROM commands WHERE {' AND '.join(clauses)}"
            " ORDER BY made_us DESC, id DESC LIMIT %s"
        )
        async with self._store.tenant(tenant) as connection:
            cursor = await connection.execute(query.encode(), [*values, limit + 1])
            rows = [Row(*found) for found in await cursor.fetchall()]
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(rows, (rows[-1].made_us, rows[-1].id.hex) if more else None)

    async def cancel(self, tenant: int, command: UUID, vehicle: int | None = None) -> Row:
        """End a command that no link has been asked to carry; ``Conflict`` where one has, or it has
        ended; ``NotFound``."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            found = await one(
                connection,
                f"UPDATE commands SET state = 'cancelled', code = 'cancelled',"
                f" reached = reached | {REACHED['cancelled']}, ended_us = greatest(%s, made_us + 1)"
                " WHERE id = %s AND tenant = %s AND state = 'queued' AND wait_us = 0"
                f" AND (%s::bigint IS NULL OR vehicle = %s) RETURNING {COLUMNS}".encode(),
                (self._clock.now_us(), command, tenant, vehicle, vehicle),
            )
            row = Row(*found) if found else await _get(connection, tenant, command, vehicle)
        if found is None:
            said = "is on its way" if row.ended_us is None else f"has {row.state}"
            raise Conflict(f"The command {said}; only a queued one can be cancelled.")
        await hint(self._log, [row])
        return row

    async def _write(self, tenant: int, queue: _Queue) -> None:
        """Write what waits; whatever comes meanwhile gathers for the next transaction."""
        while queue.waiting:
            batch, queue.waiting = queue.waiting[:_BATCH_MAX], queue.waiting[_BATCH_MAX:]
            began_s = self._clock.monotonic_s()
            try:
                made = await self._insert(tenant, batch)
            except Exception as error:  # whatever it is, those who asked wait for an answer
                for new in batch:
                    _fail(new, error)
                continue
            await hint(self._log, made)
            await asyncio.sleep(max(_GAP_S, self._clock.monotonic_s() - began_s))
        queue.task = None
        self._queues.pop(tenant, None)

    async def _insert(self, tenant: int, batch: list[_New]) -> list[Row]:
        for _ in range(_NUMBER_TRIES):
            try:
                async with self._store.tenant(tenant) as connection:
                    made = await insert(
                        connection,
                        [new.row for new in batch],
                        {new.row.id: (new.idempotency, new.digest) for new in batch},
                    )
                    left = [new for new in batch if new.row.id not in made]
                    before = await _before(connection, tenant, left)
                break
            except Conflict:  # a number is still in use by a command 65,535 commands old
                async with self._store.tenant(tenant) as connection:
                    await skip_numbers(connection, [new.row.vehicle for new in batch])
        else:
            raise CapacityError("The vehicle has no number left for a command.", 60.0)
        for new in batch:
            if new.row.id in made:
                _give(new, new.row)
            else:
                _repeat(new, before)
        return [new.row for new in batch if new.row.id in made]


async def insert(
    connection: Connection, rows: Sequence[Row], keys: Mapping[UUID, tuple[str | None, bytes]]
) -> set[UUID]:
    """Write new commands and give them their numbers. Left out are those whose idempotency key was
    used before, and those of vehicles with as many open commands as they may have. Returns the ids
    of those made. Raises ``Conflict`` where a number is taken."""
    if not rows:
        return set()
    values = []
    for row in rows:
        idempotency, digest = keys.get(row.id, (None, b""))
        value = {name: getattr(row, name, None) for name in _INSERTED}
        value["class"] = row.message_class
        value["idempotency"] = idempotency
        value["digest"] = "\\x" + digest.hex()
        values.append(value)
    cursor = await connection.execute(_INSERT, (msgspec.json.encode(values).decode(),))
    numbers: dict[UUID, int] = dict(await cursor.fetchall())
    for row in rows:
        row.number = numbers.get(row.id, 0)
    return set(numbers)


_INSERT: Final = (
    (
        "WITH v AS (SELECT v.* FROM jsonb_to_recordset(%s::jsonb) AS v ("
        + ", ".join(f"{name} {kind}" for name, kind in _INSERTED.items())
        + ") WHERE (SELECT count(*) FROM commands c WHERE c.vehicle = v.vehicle"
        " AND c.state IN ('queued', 'sent', 'delivered'))"
        f" < {COMMANDS_OPEN_PER_VEHICLE_MAX}), n AS (INSERT INTO command_numbers AS n"
        " (vehicle, tenant, last) SELECT vehicle, min(tenant), count(*) FROM v"
        " GROUP BY vehicle ORDER BY vehicle ON CONFLICT (vehicle) DO UPDATE"
        " SET last = (n.last + excluded.last - 1) % 65535 + 1 RETURNING vehicle, last),"
        " p AS (SELECT v.*, n.last - count(*) OVER (PARTITION BY v.vehicle)"
        " + row_number() OVER (PARTITION BY v.vehicle ORDER BY v.id) - 1 AS place"
        " FROM v JOIN n USING (vehicle))"
        f" INSERT INTO commands (number, {', '.join(_INSERTED)})"
        f" SELECT (place + 65535) % 65535 + 1, {', '.join(_INSERTED)} FROM p"
        " ON CONFLICT (tenant, vehicle, idempotency) WHERE idempotency IS NOT NULL DO NOTHING"
        " RETURNING id, number"
    )
    .replace("% 65535", "%% 65535")
    .encode()
)


async def _get(connection: Connection, tenant: int, command: UUID, vehicle: int | None) -> Row:
    found = await one(
        connection,
        f"SELECT {COLUMNS} FROM commands WHERE id = %s AND tenant = %s"
        " AND (%s::bigint IS NULL OR vehicle = %s)".encode(),
        (command, tenant, vehicle, vehicle),
    )
    if found is None:
        raise NotFound("There is no such command.")
    return Row(*found)


async def full_of(connection: Connection, vehicles: Iterable[int]) -> set[int]:
    """Vehicles that have as many open commands as they may."""
    cursor = await connection.execute(
        "SELECT vehicle FROM commands WHERE vehicle = ANY(%s::bigint[])"
        " AND state IN ('queued', 'sent', 'delivered') GROUP BY vehicle HAVING count(*) >= %s",
        (list(vehicles), COMMANDS_OPEN_PER_VEHICLE_MAX),
    )
    return {row[0] for row in await cursor.fetchall()}


async def _before(
    connection: Connection, tenant: int, repeated: Sequence[_New]
) -> dict[tuple[int, str], tuple[Row, bytes]]:
    """The commands that were made under the same idempotency keys."""
    if not repeated:
        return {}
    cursor = await connection.execute(
        f"SELECT idempotency, digest, {COLUMNS} FROM commands WHERE tenant = %s"
        " AND vehicle = ANY(%s::bigint[]) AND idempotency = ANY(%s::text[])".encode(),
        (
            tenant,
            [new.row.vehicle for new in repeated],
            [new.idempotency for new in repeated],
        ),
    )
    found: dict[tuple[int, str], tuple[Row, bytes]] = {}
    for key, digest, *rest in await cursor.fetchall():
        row = Row(*rest)
        found[row.vehicle, key] = (row, bytes(digest))
    return found


async def skip_numbers(connection: Connection, vehicles: Sequence[int]) -> None:
    """Pass over the vehicles' next numbers."""
    await connection.execute(
        "UPDATE command_numbers SET last = last %% 65535 + 1 WHERE vehicle = ANY(%s::bigint[])",
        (sorted(set(vehicles)),),
    )


def _repeat(new: _New, before: Mapping[tuple[int, str], tuple[Row, bytes]]) -> None:
    found = before.get((new.row.vehicle, new.idempotency or ""))
    if found is None:
        _fail(new, CapacityError("The vehicle has too many open commands.", 30.0))
    elif found[1] != new.digest:
        _fail(new, Conflict("This idempotency key was used for another command."))
    else:
        _give(new, found[0])


def _give(new: _New, row: Any) -> None:
    if not new.done.done():
        new.done.set_result(row)


def _fail(new: _New, error: Exception) -> None:
    if not new.done.done():
        new.done.set_exception(error)
