"""One command to many vehicles: jobs that callers make, watch, pause and cancel.

In: a filter and a command. Out: jobs in PostgreSQL with a share per partition, which the workers
carry out (``bulk_runner``). A share remembers the last vehicle it is done with, in the transaction
that made that vehicle's command: a killed worker makes none twice and forgets none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from motorcade.apps.commands.asking import Asked, digest_of, new_id, past_deadline
from motorcade.clock import Clock
from motorcade.errors import Conflict, NotFound
from motorcade.fleet.store import Connection, Store, one
from motorcade.log.log import Log

__all__ = ["BULK_HINT", "Bulks", "Chosen", "Job", "registry_conditions"]

BULK_HINT: Final = "commands-bulk"
"""Subject of the hint that a job was made or changed."""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which vehicles; what is left out does not restrict."""

    where: str = ""
    """A predicate over the twin."""
    bbox: tuple[float, float, float, float] | None = None
    """West, south, east, north in degrees."""
    label: str = ""
    model: str = ""
    vin_prefix: str = ""


class Job(msgspec.Struct, kw_only=True):
    """A bulk job and how far it is. Times µs UTC."""

    id: UUID
    tenant: int
    template: Asked
    chosen: Chosen
    vehicles: int | None
    """How many were named, None where a filter chooses."""
    rate: float
    state: str
    made_us: int
    ended_us: int | None
    maker: str
    made: int = 0
    """Commands made so far."""
    skipped: int = 0
    """Vehicles that had too many open commands."""
    states: dict[str, int] = {}
    """How many of its commands are in each state."""


class Bulks:
    """A tenant's bulk jobs. ``partitions``: how many the log has."""

    def __init__(self, store: Store, log: Log, clock: Clock, partitions: int) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._partitions = partitions

    async def create(
        self,
        tenant: int,
        template: Asked,
        chosen: Chosen,
        *,
        vehicles: Sequence[int] | None = None,
        rate: float,
    ) -> Job:
        """A new job; the same idempotency key with the same content gives the one made then, with
        other content ``Conflict``; ``Invalid`` for a deadline that is past, unless it is such a
        repetition."""
        now_us = self._clock.now_us()
        name = new_id(now_us)
        digest = digest_of([template, chosen, sorted(vehicles or ()), rate])
        async with self._store.tenant(tenant, pipeline=False) as connection:
            made = None if template.late(now_us) else await one(
                connection,
                "INSERT INTO command_bulks (id, tenant, template, chosen, vehicles, rate, state,"
                " made_us, maker, idempotency, digest)"
                " VALUES (%s, %s, %s::jsonb, %s::jsonb, %s, %s, 'running', %s, %s, %s, %s)"
                " ON CONFLICT (tenant, idempotency) DO NOTHING RETURNING id",
                (
                    name, tenant, _json(template), _json(chosen),
                    None if vehicles is None else sorted(set(vehicles)), rate,
                    now_us, template.maker, template.idempotency, digest,
                ),
            )  # fmt: skip
            if made is None:
                name = await _made_before(connection, tenant, template, digest, now_us)
            else:
                await connection.execute(
                    "INSERT INTO command_bulk_parts (bulk, partition, tenant)"
                    " SELECT %s, generate_series(0, %s - 1), %s",
                    (name, self._partitions, tenant),
                )
            job = await _find(connection, tenant, name)
        await self._log.publish(BULK_HINT)
        return job

    async def job(self, tenant: int, name: UUID) -> Job:
        """One job with its progress; ``NotFound``."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            job = await _find(connection, tenant, name)
            cursor = await connection.execute(
                "SELECT state, count(*) FROM commands WHERE bulk = %s AND tenant = %s"
                " GROUP BY state",
                (name, tenant),
            )
            job.states = dict(await cursor.fetchall())
        return job

    async def jobs(
        self, tenant: int, before: tuple[int, str] | None = None, limit: int = 100
    ) -> tuple[list[Job], tuple[int, str] | None]:
        """A tenant's jobs, the newest first, and where the next page begins."""
        last_us, last = before or ((1 << 63) - 1, "f" * 32)
        async with self._store.tenant(tenant) as connection:
            cursor = await connection.execute(
                _SELECT + " WHERE b.tenant = %s AND (b.made_us, b.id) < (%s, %s::uuid)"
                " ORDER BY b.made_us DESC, b.id DESC LIMIT %s",
                (tenant, last_us, last, limit + 1),
            )
            found = [_job(row) for row in await cursor.fetchall()]
        more = len(found) > limit
        found = found[:limit]
        return found, (found[-1].made_us, found[-1].id.hex) if more else None

    async def change(self, tenant: int, name: UUID, state: str) -> Job:
        """Pause (``paused``), resume (``running``) or cancel (``cancelled``) a job; cancelling also
        cancels its commands that no link has been asked to carry. ``Conflict`` where it has
        ended; ``NotFound``."""
        now_us = self._clock.now_us()
        async with self._store.tenant(tenant, pipeline=False) as connection:
            job = await _find(connection, tenant, name)
            if job.ended_us is not None and job.state != state:
                raise Conflict(f"The job is {job.state}.")
            ended_us = now_us if state == "cancelled" else None
            await connection.execute(
                "UPDATE command_bulks SET state = %s, ended_us = %s"
                " WHERE id = %s AND tenant = %s AND ended_us IS NULL",
                (state, ended_us, name, tenant),
            )
            if state == "cancelled":
                await connection.execute(_CANCEL, (now_us, name, tenant))
            job = await _find(connection, tenant, name)
        await self._log.publish(BULK_HINT)
        return job


_CANCEL: Final = (
    "UPDATE commands SET state = 'cancelled', code = 'cancelled', reached = reached | 8,"
    " ended_us = greatest(%s, made_us + 1)"
    " WHERE bulk = %s AND tenant = %s AND state = 'queued' AND wait_us = 0"
)

_SELECT: Final = (
    "SELECT b.id, b.tenant, b.template, b.chosen, cardinality(b.vehicles), b.rate, b.state,"
    " b.made_us, b.ended_us, b.maker, p.made, p.skipped FROM command_bulks b CROSS JOIN LATERAL"
    " (SELECT coalesce(sum(made), 0)::bigint AS made, coalesce(sum(skipped), 0)::bigint AS skipped"
    " FROM command_bulk_parts WHERE bulk = b.id) p"
)


async def _find(connection: Connection, tenant: int, name: UUID) -> Job:
    row = await one(connection, _SELECT + " WHERE b.id = %s AND b.tenant = %s", (name, tenant))
    if row is None:
        raise NotFound("There is no such bulk job.")
    return _job(row)


async def _made_before(
    connection: Connection, tenant: int, template: Asked, digest: bytes, now_us: int
) -> UUID:
    row = await one(
        connection,
        "SELECT id, digest FROM command_bulks WHERE tenant = %s AND idempotency = %s",
        (tenant, template.idempotency),
    )
    if row is None and template.late(now_us):
        raise past_deadline()
    if row is None or bytes(row[1]) != digest:
        raise Conflict("This idempotency key was used for another job.")
    name: UUID = row[0]
    return name


def _job(row: Sequence[Any]) -> Job:
    return Job(
        id=row[0],
        tenant=row[1],
        template=msgspec.convert(row[2], Asked),
        chosen=msgspec.convert(row[3], Chosen),
        vehicles=row[4],
        rate=row[5],
        state=row[6],
        made_us=row[7],
        ended_us=row[8],
        maker=row[9],
        made=row[10],
        skipped=row[11],
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def registry_conditions(of: Chosen) -> tuple[str, list[Any]]:
    """SQL conditions of the registry's part of a filter, and their values."""
    found: list[tuple[str, Any]] = []
    if of.vin_prefix:
        prefix = of.vin_prefix.upper()
        found += [("vin >= %s", prefix), ("vin < %s", prefix + "~")]
    if of.model:
        found.append(("model = %s", of.model))
    if of.label:
        found.append(("labels @> ARRAY[%s]", of.label))
    return "".join(f" AND {clause}" for clause, _ in found), [value for _, value in found]
