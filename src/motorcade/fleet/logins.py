"""Who logs in: VINs to vehicles for the gateway, a batch at a time, new ones registered if allowed.

In: VINs as they came over the air. Out: vehicle and tenant numbers of those who may come in. Known
vehicles cost one transaction; only VINs that a tenant claims by prefix and nobody has registered
cost a second one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg import errors, sql

from motorcade.clock import Clock
from motorcade.errors import DependencyError
from motorcade.fleet.arrays import texts
from motorcade.fleet.cache import Believed
from motorcade.fleet.settings import settings_from_json
from motorcade.fleet.store import Connection, Part, moment, one
from motorcade.fleet.vin import faults

__all__ = ["Claim", "Known", "Logins"]


class Known(msgspec.Struct, frozen=True):
    """A registered vehicle: its number, its tenant's number, its VIN."""

    vehicle: int
    tenant: int
    vin: str


class Claim(msgspec.Struct, frozen=True):
    """A tenant registers every VIN that begins so; with or without a right check digit."""

    prefix: str
    tenant: int
    check_digit: bool


class Logins(Part):
    """The registry's methods for vehicles that knock."""

    _clock: Clock
    _claims: Believed[str, list[Claim]]

    async def resolve(self, vins: Sequence[str], *, register: bool = True) -> dict[str, Known]:
        """The vehicles behind ``vins`` (platform scope); who is not in the answer is unknown.

        With ``register``, VINs that a tenant claims by prefix are registered. Several gateways may
        do so at once. While an import runs, a registration waits ``register_wait_s`` and then
        leaves the vehicle unknown: it will knock again.
        """
        async with self._store.platform() as connection:
            found = await _select(connection, list(dict.fromkeys(vins)))
        unknown = [vin for vin in dict.fromkeys(vins) if vin not in found]
        return found | await self._register_claimed(unknown) if unknown and register else found

    async def _register_claimed(self, unknown: Sequence[str]) -> dict[str, Known]:
        """Register those of the VINs that a tenant claims; returns who they are now."""
        wanted = _claimed(unknown, await self._current_claims())
        return await self._register(wanted) if wanted else {}

    async def _current_claims(self) -> list[Claim]:
        believed = self._claims.get("")
        if believed is not None:
            return believed[0]
        async with self._store.platform() as connection:
            cursor = await connection.execute(
                "SELECT c.prefix, c.tenant, t.settings FROM wmi_claims c"
                " JOIN tenants t ON t.number = c.tenant"
            )
            claims = [
                Claim(row[0], row[1], settings_from_json(row[2], stored=True).vin_check_digit)
                for row in await cursor.fetchall()
            ]
        self._claims.put("", claims)
        return claims

    async def _register(self, wanted: dict[str, int]) -> dict[str, Known]:
        try:
            async with self._store.platform(pipeline=False) as connection:
                wait_ms = round(self._store.config.register_wait_s * 1000)
                await connection.execute(
                    sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(wait_ms))
                )
                return await _insert(connection, wanted, moment(self._clock))
        except DependencyError as error:
            if isinstance(error.__cause__, errors.LockNotAvailable):
                return {}
            raise


def _claimed(vins: Sequence[str], claims: Sequence[Claim]) -> dict[str, int]:
    """VIN to tenant for well-formed VINs that a tenant claims; the longest prefix decides."""
    by_prefix = {claim.prefix: claim for claim in claims}
    sizes = sorted({len(prefix) for prefix in by_prefix}, reverse=True)
    owners = [
        next((by_prefix[vin[:size]] for size in sizes if vin[:size] in by_prefix), None)
        for vin in vins
    ]
    candidates = [(vin, owner) for vin, owner in zip(vins, owners, strict=True) if owner]
    lax = faults([vin for vin, _ in candidates])
    strict = faults([vin for vin, _ in candidates], check=True)
    return {
        vin: owner.tenant
        for (vin, owner), bad, worse in zip(candidates, lax, strict, strict=True)
        if not (worse if owner.check_digit else bad)
    }


async def _select(connection: Connection, vins: list[str]) -> dict[str, Known]:
    cursor = await connection.execute(
        "SELECT vin, number, tenant FROM vehicles WHERE vin = ANY(%s::text[])",
        (texts(vin for vin in vins if "\0" not in vin),),
    )
    return {row[0]: Known(row[1], row[2], row[0]) for row in await cursor.fetchall()}


async def _insert(connection: Connection, wanted: dict[str, int], created: Any) -> dict[str, Known]:
    """Register what is still missing once the counter is ours; numbers without a gap."""
    row = await one(connection, "SELECT value FROM counters WHERE name = 'vehicle' FOR UPDATE")
    last = int(row[0]) if row else 0
    found = await _select(connection, list(wanted))
    missing = [vin for vin in wanted if vin not in found]
    if not missing:
        return found
    numbers = list(range(last + 1, last + 1 + len(missing)))
    tenants = [wanted[vin] for vin in missing]
    await connection.execute(
        "INSERT INTO vehicles (number, tenant, vin, created)"
        " SELECT n, t, v, %s FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS r (n, t, v)",
        (created, numbers, tenants, missing),
    )
    await connection.execute(
        "UPDATE counters SET value = %s WHERE name = 'vehicle'", (numbers[-1],)
    )
    for vin, number, tenant in zip(missing, numbers, tenants, strict=True):
        found[vin] = Known(number, tenant, vin)
    return found
