"""Where callers make commands, look at them and cancel them; always within one tenant.

In: checked commands. Out: rows of the table, and a hint to the worker that sends them. Commands
that many callers make at once are written together: one transaction a tenant at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from motorcade.apps.commands.asking import Asked, digest_of, past_deadline, row_for
from motorcade.apps.commands.hints import hint
from motorcade.apps.commands.life import REACHED
from motorcade.apps.commands.row import COLUMNS, Row
from motorcade.clock import Clock
from motorcade.errors import CapacityError, Conflict, NotFound
from motorcade.fleet.store import Connection, Store, one
from motorcade.limits import COMMANDS_OPEN_PER_VEHICLE_MAX
from motorcade.log.log import Log

__all__ = ["Desk", "Page", "insert", "skip_numbers"]

_BATCH_MAX: Final = 1_000
_NUMBER_TRIES: Final = 8
_GAP_S: Final = 0.015
"""Between two transactions of a tenant at least, and no less than the first took: what comes
meanwhile shares the next one. One alone waits for nothing."""
_INSERTED: Final = (
    *("id", "tenant", "vehicle", "partition", "kind", "parameters", "priority", "tries_max"),
    *("made_us", "deadline_us", "maker", "bulk"),
)


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
        open ones; ``Invalid`` for a deadline that is past, unless it is such a repetition."""
        now_us = self._clock.now_us()
        if asked.late(now_us):
            return await self._made_before(tenant, vehicle, asked)
        row = row_for(asked, tenant, vehicle, partitions=self._partitions, now_us=now_us)
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
                for new in made:
                    _give(new, new.row)
                await hint(self._log, [new.row for new in made])
                await self._repeat(tenant, [new for new in batch if not new.done.done()])
            except Exception as error:  # whatever it is, those who asked wait for an answer
                for new in batch:
                    _fail(new, error)
                continue
            await asyncio.sleep(max(_GAP_S, self._clock.monotonic_s() - began_s))
        queue.task = None
        self._queues.pop(tenant, None)

    async def _made_before(self, tenant: int, vehicle: int, asked: Asked) -> Row:
        """What was made under the key of a command whose deadline is past by now."""
        async with self._store.tenant(tenant) as connection:
            before = await _before(connection, tenant, [(vehicle, asked.idempotency)])
        found = before.get((vehicle, asked.idempotency or ""))
        if found is None:
            raise past_deadline()
        if found[1] != digest_of(asked):
            raise _other_content()
        return found[0]

    async def _insert(self, tenant: int, batch: list[_New]) -> list[_New]:
        """Make what is not a repetition, for good: what was made is returned."""
        first = _first_of_each(batch)
        for _ in range(_NUMBER_TRIES):
            try:
                async with self._store.unscoped() as connection:
                    made = await insert(
                        connection,
                        [new.row for new in first],
                        {new.row.id: (new.idempotency, new.digest) for new in first},
                        tenant=tenant,
                    )
                break
            except Conflict:  # a number is still in use by a command 65,535 commands old
                async with self._store.tenant(tenant) as connection:
                    await skip_numbers(connection, [new.row.vehicle for new in batch])
        else:
            raise CapacityError("The vehicle has no number left for a command.", 60.0)
        return [new for new in first if new.row.id in made]

    async def _repeat(self, tenant: int, left: list[_New]) -> None:
        """Answer what was not made: with what was made before it, or why there is nothing."""
        if not left:
            return
        async with self._store.tenant(tenant) as connection:
            keys = [(new.row.vehicle, new.idempotency) for new in left]
            before = await _before(connection, tenant, keys)
        for new in left:
            _answer(new, before)


async def insert(
    connection: Connection,
    rows: Sequence[Row],
    keys: Mapping[UUID, tuple[str | None, bytes]],
    *,
    tenant: int = 0,
) -> set[UUID]:
    """Write new commands and give them their numbers. Left out are those whose idempotency key was
    used before, and those beyond what their vehicle may have open. Returns the ids of those made.
    Raises ``Conflict`` where a number is taken. ``tenant``: on a connection without a scope, whose
    they are; it is a transaction of its own then."""
    if not rows:
        return set()
    values = []
    for row in rows:
        idempotency, digest = keys.get(row.id, (None, b""))
        value = {name: getattr(row, name) for name in _INSERTED}
        value["class"] = row.message_class
        value["idempotency"] = idempotency
        value["digest"] = "\\x" + digest.hex()
        values.append(value)
    news = msgspec.json.encode(values).decode()
    if tenant:
        query = "SELECT id, number FROM command_make(%s, %s::jsonb, %s)"
        cursor = await connection.execute(query, (tenant, news, COMMANDS_OPEN_PER_VEHICLE_MAX))
    else:
        query = "SELECT id, number FROM command_insert(%s::jsonb, %s)"
        cursor = await connection.execute(query, (news, COMMANDS_OPEN_PER_VEHICLE_MAX))
    numbers: dict[UUID, int] = dict(await cursor.fetchall())
    for row in rows:
        row.number = numbers.get(row.id, 0)
    return set(numbers)


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


async def _before(
    connection: Connection, tenant: int, keys: Sequence[tuple[int, str | None]]
) -> dict[tuple[int, str], tuple[Row, bytes]]:
    """The commands that were made under idempotency keys of vehicles."""
    cursor = await connection.execute(
        f"SELECT idempotency, digest, {COLUMNS} FROM commands WHERE tenant = %s"
        " AND vehicle = ANY(%s::bigint[]) AND idempotency = ANY(%s::text[])".encode(),
        (tenant, [vehicle for vehicle, _ in keys], [key for _, key in keys]),
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


def _answer(new: _New, before: Mapping[tuple[int, str], tuple[Row, bytes]]) -> None:
    found = before.get((new.row.vehicle, new.idempotency or ""))
    if found is None:
        _fail(new, CapacityError("The vehicle has too many open commands.", 30.0))
    elif found[1] != new.digest:
        _fail(new, _other_content())
    else:
        _give(new, found[0])


def _first_of_each(batch: Sequence[_New]) -> list[_New]:
    """Without those that repeat a key of the batch itself."""
    first: dict[Any, _New] = {}
    for new in batch:
        name = new.row.id if new.idempotency is None else (new.row.vehicle, new.idempotency)
        first.setdefault(name, new)
    return list(first.values())


def _other_content() -> Conflict:
    return Conflict("This idempotency key was used for another command.")


def _give(new: _New, row: Any) -> None:
    if not new.done.done():
        new.done.set_result(row)


def _fail(new: _New, error: Exception) -> None:
    if not new.done.done():
        new.done.set_exception(error)
