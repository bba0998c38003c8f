"""VINs to vehicle numbers and back, remembered, and asked for together.

A number is never given to a second vehicle, and the twin and the history ask for the tenant again,
so a remembered number can at worst show a vehicle its tenant has removed a minute ago."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from motorcade import limits
from motorcade.api.cache import Cache
from motorcade.clock import Clock
from motorcade.errors import NotFound
from motorcade.fleet.registry import Fleet

__all__ = ["Vins"]


@dataclass(slots=True)
class _Asked:
    """One tenant's look-ups: the query that runs holds ``lock``, ``vins`` wait for ``task``."""

    lock: asyncio.Lock
    vins: set[str]
    task: asyncio.Task[dict[str, int]] | None


class Vins:
    """The VINs one process has met lately. One query a tenant runs at a time; what is asked
    meanwhile shares the next."""

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self._fleet = fleet
        self._clock = clock
        entries_max = limits.API_VINS_CACHED_MAX
        self._numbers: Cache[tuple[int, str], int] = Cache(entries_max, limits.API_VIN_CACHE_S)
        self._names: Cache[tuple[int, int], str] = Cache(entries_max, limits.API_VIN_CACHE_S)
        self._unknown: Cache[tuple[int, str], bool] = Cache(
            limits.API_UNKNOWN_VINS_CACHED_MAX, limits.API_UNKNOWN_VIN_CACHE_S
        )
        self._asked: dict[int, _Asked] = {}

    def known(self, tenant: int, vin: str) -> int | None:
        """The number of the tenant's vehicle, if it is remembered."""
        return self._numbers.get((tenant, vin), self._clock.monotonic_s())

    async def number(self, tenant: int, vin: str) -> int:
        """The number of the tenant's vehicle with this VIN; ``NotFound``."""
        vin = vin.upper()
        number = self.known(tenant, vin)
        if number is not None:
            return number
        if not self._unknown.get((tenant, vin), self._clock.monotonic_s()):
            number = (await self._ask(tenant, vin)).get(vin)
        if number is None:
            self._unknown.put((tenant, vin), True, self._clock.monotonic_s())
            raise NotFound(f"There is no vehicle {vin}.")
        return number

    async def numbers(self, tenant: int, vins: Iterable[str]) -> list[int]:
        """The numbers of several; ``NotFound`` names the first that is not the tenant's."""
        return list(await asyncio.gather(*(self.number(tenant, vin) for vin in vins)))

    def remembered(self, tenant: int, numbers: Iterable[int]) -> dict[int, str]:
        """Number to VIN for those of ``numbers`` that are remembered; nobody is asked."""
        now = self._clock.monotonic_s()
        names = {number: self._names.get((tenant, number), now) for number in set(numbers)}
        return {number: name for number, name in names.items() if name is not None}

    async def names(self, tenant: int, numbers: Iterable[int]) -> dict[int, str]:
        """Number to VIN for those of ``numbers`` that are the tenant's."""
        now = self._clock.monotonic_s()
        found: dict[int, str] = {}
        missing: list[int] = []
        for number in dict.fromkeys(numbers):
            name = self._names.get((tenant, number), now)
            if name is None:
                missing.append(number)
            else:
                found[number] = name
        if missing:
            asked = await self._fleet.vins_of(tenant, missing)
            for number, vin in asked.items():
                self._names.put((tenant, number), vin, now)
            found.update(asked)
        return found

    def forget(self, tenant: int, vin: str) -> None:
        """This process has just removed the vehicle."""
        vin = vin.upper()
        number = self._numbers.get((tenant, vin), 0.0)
        self._numbers.drop((tenant, vin))
        if number is not None:
            self._names.drop((tenant, number))

    def forget_unknown(self) -> None:
        """This process has just registered vehicles."""
        self._unknown.clear()

    async def _ask(self, tenant: int, vin: str) -> dict[str, int]:
        """What a query of the tenant's finds; while one runs, further VINs gather for the next."""
        asked = self._asked.get(tenant)
        if asked is None:
            asked = self._asked[tenant] = _Asked(asyncio.Lock(), set(), None)
        asked.vins.add(vin)
        if asked.task is None:
            asked.task = asyncio.create_task(self._query(tenant, asked))
        return await asyncio.shield(asked.task)

    async def _query(self, tenant: int, asked: _Asked) -> dict[str, int]:
        async with asked.lock:
            vins, asked.vins, asked.task = asked.vins, set(), None
            found = await self._fleet.numbers_of(tenant, list(vins))
        if not asked.vins:
            self._asked.pop(tenant, None)
        now = self._clock.monotonic_s()
        for vin, number in found.items():
            self._numbers.put((tenant, vin), number, now)
        return found
