"""Storing what bodies hold: read in a thread, addressed by the registry, acknowledged by the log.

In: a tenant's body. Out: how many rows are on disk, and which are not, and why. What is in work at
once is bounded, for all and for each tenant.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, TypeVar

import msgspec

from motorcade import limits
from motorcade.api.ingest.batches import Made, batch_of
from motorcade.api.ingest.bodies import read
from motorcade.api.services import Services
from motorcade.errors import CapacityError, DependencyError, MotorcadeError
from motorcade.gateway.store import split
from motorcade.signals.batch import SignalBatch

__all__ = ["Intake", "Places", "Result", "RowError"]

T = TypeVar("T")


class RowError(msgspec.Struct, kw_only=True, frozen=True):
    """A row that was not stored. ``line`` counts from 1: a line of the body, or of a JSON list or
    an Arrow stream an element."""

    line: int
    vin: str
    code: str
    reason: str
    column: str


class Result(msgspec.Struct, kw_only=True, frozen=True):
    """``accepted`` rows are on disk; ``rejected`` ones never will be. ``errors`` names the first
    thousand of those."""

    accepted: int
    rejected: int
    errors: list[RowError]


class Places:
    """How many may be in here at once, of all tenants and of one."""

    def __init__(self, most: int, most_of_one: int, what: str) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._what = what
        self._taken: Counter[int] = Counter()
        self._waiting: list[asyncio.Future[None]] = []

    @contextmanager
    def taken(self, tenant: int) -> Iterator[None]:
        """A place; ``CapacityError`` where there is none."""
        if not self._is_free(tenant):
            raise CapacityError(f"There are too many {self._what} just now.")
        self._taken[tenant] += 1
        try:
            yield
        finally:
            self._taken[tenant] -= 1
            if not self._taken[tenant]:
                del self._taken[tenant]
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                if not one.done():
                    one.set_result(None)

    @asynccontextmanager
    async def awaited(self, tenant: int) -> AsyncIterator[None]:
        """A place, as soon as there is one."""
        while not self._is_free(tenant):
            left = asyncio.get_running_loop().create_future()
            self._waiting.append(left)
            await left
        with self.taken(tenant):
            yield

    def _is_free(self, tenant: int) -> bool:
        return self._taken.total() < self._most and self._taken[tenant] < self._most_of_one


class Intake:
    """What one API process takes in."""

    def __init__(self, services: Services) -> None:
        self._fleet = services.fleet
        self._log = services.log
        self._catalogue = services.catalogue
        self._clock = services.clock
        self.places = Places(
            limits.API_INGESTS_MAX, limits.API_INGESTS_PER_TENANT_MAX, "uploads at work"
        )

    async def store(self, tenant: int, kind: str, body: bytes) -> Result:
        """Store the rows of a body of media type ``kind``.

        Raises ``Invalid`` where it is none as a whole, ``DependencyError`` where the log did not
        take all of it: its fact ``stored`` says how many rows it took. Sent again, those stay one
        record each.
        """
        weight = len(body)
        some = await _run(weight, partial(read, kind, body, self._catalogue))
        vins = {vin for rows in some for vin in rows.vins if vin}
        numbers = await self._fleet.numbers_of(tenant, list(vins))
        made: Made = await _run(
            weight,
            partial(
                batch_of,
                some,
                numbers,
                tenant=tenant,
                now_us=self._clock.now_us(),
                catalogue=self._catalogue,
            ),
        )
        if made.batch is not None:
            await self._append(made.batch)
        accepted = 0 if made.batch is None else len(made.batch)
        errors = [RowError(**wrong._asdict()) for wrong in made.errors]
        return Result(accepted=accepted, rejected=made.rejected, errors=errors)

    async def _append(self, batch: SignalBatch) -> None:
        parts = split([batch], self._log.partitions)
        results = await asyncio.gather(
            *(self._log.append(number, rows) for number, rows in parts.items()),
            return_exceptions=True,
        )
        lost = 0
        why: MotorcadeError | None = None
        for rows, result in zip(parts.values(), results, strict=True):
            if isinstance(result, MotorcadeError):
                lost += sum(map(len, rows))
                why = result
            elif isinstance(result, BaseException):
                raise result
        if why is not None:
            raise DependencyError(
                f"{len(batch) - lost} of {len(batch)} rows are stored: {why.detail} Send the same"
                " body again; what is stored is not stored twice.",
                stored=len(batch) - lost,
                not_stored=lost,
            ) from why


async def _run(weight: int, work: Callable[[], T]) -> T:
    """Small work here, large work in a thread: the loop has others to serve."""
    if weight <= limits.API_INLINE_BYTES_MAX:
        return work()
    found: Any = await asyncio.to_thread(work)
    made: T = found
    return made
