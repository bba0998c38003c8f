"""Carries bulk jobs out: a worker's share of each, page by page, at the job's rate.

In: running jobs, the twin and the registry of the worker's partitions. Out: commands, and how far
the share is, both in one transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import structlog

from motorcade.apps.commands.asking import Asked, row_for
from motorcade.apps.commands.bulk import BULK_HINT, Chosen, registry_conditions
from motorcade.apps.commands.desk import insert, skip_numbers
from motorcade.apps.commands.row import Row
from motorcade.clock import Clock
from motorcade.errors import CapacityError, Conflict, DependencyError, MotorcadeError
from motorcade.fleet.store import Connection, Store
from motorcade.log.log import Log

__all__ = ["BulkRunner", "Select"]

_log = structlog.get_logger(__name__)

Select = Callable[[int, int, Chosen, int, int], list[int]]
"""Vehicles of a partition and tenant that the twin's part of a filter chooses, by number:
partition, tenant, filter, number above which, how many at most. Called in a thread."""

_STEP_S: Final = 0.1
_IDLE_S: Final = 2.0
_BURST_S: Final = 1.0


class _Share(NamedTuple):
    """A worker's share of a job, in one partition."""

    bulk: UUID
    tenant: int
    template: Asked
    chosen: Chosen
    vehicles: list[int] | None
    rate: float
    partition: int
    after: int


class _Elsewhere(Conflict):
    """The page is not this runner's to make; nothing of it was."""


class BulkRunner:
    """The shares of ``own`` partitions, of ``partitions`` in all."""

    def __init__(
        self,
        store: Store,
        log: Log,
        clock: Clock,
        *,
        own: Sequence[int],
        select: Select,
        page: int,
        notice: Callable[[Iterable[Row]], None],
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._own = list(own)
        self._partitions = log.partitions
        self._select = select
        self._page = page
        self._notice = notice
        self._room: dict[tuple[UUID, int], tuple[float, float]] = {}
        self._hinted = asyncio.Event()

    async def run(self) -> None:
        """Work for ever; cancel it to stop."""
        hints = await self._log.subscribe(BULK_HINT, self._hint)
        try:
            while True:
                busy = False
                try:
                    busy = await self.step()
                except (DependencyError, CapacityError) as error:
                    _log.warning("bulk jobs wait", why=error.detail)
                if busy:
                    await asyncio.sleep(_STEP_S)
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_IDLE_S):
                        await self._hinted.wait()
                self._hinted.clear()
        finally:
            await hints.close()

    async def step(self) -> bool:
        """One page of every share whose rate allows it; false where there is none."""
        shares = await self._shares()
        kept = {(share.bulk, share.partition) for share in shares}
        self._room = {name: room for name, room in self._room.items() if name in kept}
        for share in shares:
            room = self._allowed(share)
            if room < 1:
                continue
            try:
                await self._advance(share, min(room, self._page))
            except _Elsewhere:
                continue
            except Conflict:
                async with self._store.platform() as connection:
                    await skip_numbers(connection, await self._next(connection, share, self._page))
            except (DependencyError, CapacityError):
                raise
            except MotorcadeError as error:  # its filter means nothing any more
                _log.error("a bulk job fails", bulk=share.bulk.hex, why=error.detail)
                async with self._store.platform() as connection:
                    await self._finish(connection, share.bulk, "cancelled", anyway=True)
        return bool(shares)

    async def _shares(self) -> list[_Share]:
        async with self._store.platform() as connection:
            cursor = await connection.execute(
                "SELECT b.id, b.tenant, b.template, b.chosen, b.vehicles, b.rate, p.partition,"
                " p.after FROM command_bulks b JOIN command_bulk_parts p ON p.bulk = b.id"
                " WHERE b.state = 'running' AND NOT p.done AND p.partition = ANY(%s::smallint[])"
                " ORDER BY b.made_us, p.partition",
                (self._own,),
            )
            found: list[_Share] = []
            for bulk, tenant, template, chosen, *rest in await cursor.fetchall():
                try:
                    asked = msgspec.convert(template, Asked)
                    found.append(
                        _Share(bulk, tenant, asked, msgspec.convert(chosen, Chosen), *rest)
                    )
                except msgspec.ValidationError as error:
                    _log.error("a bulk job cannot be read", bulk=bulk.hex, why=str(error))
                    await self._finish(connection, bulk, "cancelled", anyway=True)
            return found

    def _allowed(self, share: _Share) -> int:
        """How many commands the job's rate lets this share make now."""
        rate = share.rate / self._partitions
        now_s = self._clock.monotonic_s()
        name = (share.bulk, share.partition)
        tokens, at_s = self._room.get(name, (max(rate * _STEP_S, 1), now_s))
        tokens = min(tokens + (now_s - at_s) * rate, max(rate * _BURST_S, 1))
        self._room[name] = (tokens, now_s)
        return int(tokens)

    async def _advance(self, share: _Share, limit: int) -> None:
        """Make the next commands of a share."""
        chosen: list[int] | None = None
        if share.vehicles is None and (share.chosen.where or share.chosen.bbox):
            chosen = await asyncio.to_thread(
                self._select, share.partition, share.tenant, share.chosen, share.after, limit
            )
        async with self._store.platform() as connection:
            found = await self._next(connection, share, limit, chosen)
            looked = found if chosen is None else chosen
            done = len(looked) < limit
            after = looked[-1] if looked else share.after
            now_us = self._clock.now_us()
            rows = [self._row(share, vehicle, now_us) for vehicle in found]
            made = await insert(connection, rows, {})
            # Who pauses or cancels waits for this page, or this page is not made. The last share
            # is going to change the job: two that held it shared would wait for each other.
            lock = "NO KEY UPDATE" if done else "SHARE"
            running = await connection.execute(
                "SELECT 1 FROM command_bulks WHERE id = %s AND state = 'running'"
                f" FOR {lock}".encode(),
                (share.bulk,),
            )
            cursor = await connection.execute(
                "UPDATE command_bulk_parts SET after = %s, made = made + %s,"
                " skipped = skipped + %s, done = %s"
                " WHERE bulk = %s AND partition = %s AND after = %s AND NOT done RETURNING 1",
                (
                    after,
                    len(made),
                    len(found) - len(made),
                    done,
                    share.bulk,
                    share.partition,
                    share.after,
                ),
            )
            if not await running.fetchall() or not await cursor.fetchall():
                raise _Elsewhere("the job was stopped, or another process works on this share")
            if done:
                await self._finish(connection, share.bulk, "done")
        tokens, at_s = self._room.get((share.bulk, share.partition), (0.0, 0.0))
        self._room[share.bulk, share.partition] = (tokens - len(made), at_s)
        self._notice(row for row in rows if row.number)

    async def _next(
        self,
        connection: Connection,
        share: _Share,
        limit: int,
        chosen: list[int] | None = None,
    ) -> list[int]:
        """The share's next vehicles that are registered and fit the registry's part."""
        more, values = registry_conditions(share.chosen)
        if chosen is not None or share.vehicles is not None:
            more += " AND number = ANY(%s::bigint[])"
            values.append(chosen if chosen is not None else share.vehicles)
        cursor = await connection.execute(
            "SELECT number FROM vehicles WHERE tenant = %s AND number > %s"
            f" AND number %% %s = %s{more} ORDER BY number LIMIT %s".encode(),
            (share.tenant, share.after, self._partitions, share.partition, *values, limit),
        )
        return [row[0] for row in await cursor.fetchall()]

    def _row(self, share: _Share, vehicle: int, now_us: int) -> Row:
        return row_for(
            share.template,
            share.tenant,
            vehicle,
            partitions=self._partitions,
            now_us=now_us,
            bulk=share.bulk,
        )

    async def _finish(
        self, connection: Connection, bulk: UUID, state: str, *, anyway: bool = False
    ) -> None:
        """End a job whose shares are all done."""
        await connection.execute(
            "UPDATE command_bulks SET state = %s, ended_us = %s WHERE id = %s AND ended_us IS NULL"
            " AND (%s OR NOT EXISTS"
            " (SELECT 1 FROM command_bulk_parts WHERE bulk = %s AND NOT done))",
            (state, self._clock.now_us(), bulk, anyway, bulk),
        )

    async def _hint(self, _: str, __: bytes) -> None:
        self._hinted.set()
