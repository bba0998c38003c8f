"""Vehicles: pages, search, single ones, and who is behind a number.

In: a tenant and what to look for. Out: vehicles of that tenant.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from motorcade.clock import Clock
from motorcade.errors import Invalid, NotFound
from motorcade.fleet.cache import Believed
from motorcade.fleet.store import Connection, Part, one
from motorcade.limits import VEHICLES_PAGE_MAX

__all__ = ["Vehicle", "VehicleFilter", "VehiclePage", "Vehicles"]

_K = TypeVar("_K", int, str)
_V = TypeVar("_V", int, str)


class Vehicle(msgspec.Struct, kw_only=True, frozen=True):
    """One vehicle."""

    number: int
    tenant: int
    vin: str
    model: str
    plate: str
    iccid: str
    labels: list[str]
    created: datetime


class VehicleFilter(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which vehicles; what is left out does not restrict."""

    vin_prefix: str = ""
    """How the VIN begins."""
    model: str = ""
    """The model, exactly."""
    label: str = ""
    """One of the labels, exactly."""
    registered_after: datetime | None = None
    """Registered at this time or later."""
    registered_before: datetime | None = None
    """Registered before this time."""
    q: str = ""
    """Text anywhere in VIN, plate or model, whatever its case."""


class VehiclePage(msgspec.Struct, kw_only=True, frozen=True):
    """Vehicles by number, and the cursor of the next page (null at the end)."""

    vehicles: list[Vehicle]
    cursor: str | None


class Vehicles(Part):
    """The registry's methods about vehicles that exist."""

    _clock: Clock
    _numbers: Believed[tuple[int, str], int]
    _vins: Believed[tuple[int, int], str]

    async def vehicles(
        self,
        tenant: int,
        where: VehicleFilter | None = None,
        *,
        cursor: str | None = None,
        limit: int = 100,
    ) -> VehiclePage:
        """A page of a tenant's vehicles; ``Invalid`` for a cursor nobody gave out."""
        async with self._store.tenant(tenant) as connection:
            return await _page(connection, where, cursor, limit, tenant)

    async def vehicle(self, tenant: int, vin: str) -> Vehicle:
        """The tenant's vehicle of this VIN; ``NotFound``."""
        async with self._store.tenant(tenant) as connection:
            row = await one(
                connection, _SELECT + " WHERE tenant = %s AND vin = %s", (tenant, vin.upper())
            )
        if row is None:
            raise NotFound(f"there is no vehicle {vin!r}")
        return _vehicle(row)

    async def remove_vehicle(self, tenant: int, vin: str) -> None:
        """Forget a vehicle; its number is never given out again. ``NotFound``."""
        async with self._store.tenant(tenant) as connection:
            row = await one(
                connection,
                "DELETE FROM vehicles WHERE tenant = %s AND vin = %s RETURNING number",
                (tenant, vin.upper()),
            )
        self._numbers.forget()
        self._vins.forget()
        if row is None:
            raise NotFound(f"there is no vehicle {vin!r}")

    async def count_vehicles(self, tenant: int) -> int:
        """How many vehicles the tenant has."""
        async with self._store.tenant(tenant) as connection:
            row = await one(
                connection, "SELECT count(*) FROM vehicles WHERE tenant = %s", (tenant,)
            )
        return int(row[0]) if row else 0

    async def numbers_of(self, tenant: int, vins: Sequence[str]) -> dict[str, int]:
        """VIN to vehicle number for those of ``vins`` that are the tenant's; believed for
        ``cache_s``."""
        # No VIN has a NUL, and one that did would have PostgreSQL refuse all the others with it.
        keys = [vin for vin in vins if "\0" not in vin]
        query = "SELECT vin, number FROM vehicles WHERE tenant = %s AND vin = ANY(%s)"
        return await self._looked_up(tenant, keys, self._numbers, query)

    async def vins_of(self, tenant: int, numbers: NDArray[Any] | Iterable[int]) -> dict[int, str]:
        """Vehicle number to VIN for those of ``numbers`` that are the tenant's; believed for
        ``cache_s``."""
        wanted = np.unique(np.fromiter(numbers, dtype=np.int64)).tolist()
        query = "SELECT number, vin FROM vehicles WHERE tenant = %s AND number = ANY(%s)"
        return await self._looked_up(tenant, wanted, self._vins, query)

    async def _looked_up(
        self, tenant: int, keys: Iterable[_K], believed: Believed[tuple[int, _K], _V], query: str
    ) -> dict[_K, _V]:
        """What is believed of ``keys``, and of the others what the registry says, in one round."""
        known = {key: believed.get((tenant, key)) for key in keys}
        found = {key: value[0] for key, value in known.items() if value}
        asked = [key for key, value in known.items() if value is None]
        if not asked:
            return found
        async with self._store.tenant(tenant) as connection:
            cursor = await connection.execute(query, (tenant, asked))
            for key, value in await cursor.fetchall():
                found[key] = value
                believed.put((tenant, key), value)
        return found


_SELECT: Final = "SELECT number, tenant, vin, model, plate, iccid, labels, created FROM vehicles"

_LIKE_SIGNS: Final = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def _vehicle(row: Sequence[Any]) -> Vehicle:
    names = ("number", "tenant", "vin", "model", "plate", "iccid", "labels", "created")
    return Vehicle(**dict(zip(names, row, strict=True)))


async def _page(
    connection: Connection,
    where: VehicleFilter | None,
    cursor: str | None,
    limit: int,
    tenant: int,
) -> VehiclePage:
    if limit < 1:
        raise Invalid("limit: at least 1")
    limit = min(limit, VEHICLES_PAGE_MAX)
    clauses, values = _conditions(where or VehicleFilter())
    clauses += ["tenant = %s", "number > %s"]
    values += [tenant, _after(cursor)]
    query = f"{_SELECT} WHERE {' AND '.join(clauses)} ORDER BY number LIMIT %s"
    answer = await connection.execute(query.encode(), [*values, limit + 1])
    rows = await answer.fetchall()
    found = [_vehicle(row) for row in rows[:limit]]
    return VehiclePage(
        vehicles=found, cursor=_cursor(found[-1].number) if len(rows) > limit else None
    )


def _conditions(where: VehicleFilter) -> tuple[list[str], list[Any]]:
    """SQL conditions and their values. A prefix is a range, because only comparisons are allowed
    to reach an index past row-level security."""
    found: list[tuple[str, Any]] = []
    if where.vin_prefix:
        prefix = where.vin_prefix.upper()
        found += [("vin >= %s", prefix), ("vin < %s", prefix + "~")]
    if where.model:
        found.append(("model = %s", where.model))
    if where.label:
        found.append(("labels @> ARRAY[%s]", where.label))
    if where.registered_after:
        found.append(("created >= %s", where.registered_after))
    if where.registered_before:
        found.append(("created < %s", where.registered_before))
    if len(where.q) == 17 and where.q.isalnum():
        found.append(("vin = %s", where.q.upper()))
    elif where.q:
        pattern = f"%{where.q.translate(_LIKE_SIGNS)}%"
        found.append(("concat_ws(' ', vin, plate, model) ILIKE %s", pattern))
    return [clause for clause, _ in found], [value for _, value in found]


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(8, "big").lstrip(b"\0")).decode().rstrip("=")


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("cursor: not one of ours") from error
    number = int.from_bytes(data, "big")
    if number >= 1 << 63 or _cursor(number) != cursor or number == 0:
        raise Invalid("cursor: not one of ours")
    return number
