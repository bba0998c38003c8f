"""Tenants and their settings.

In: names and settings from people. Out: tenant numbers, and what the gateway has to know of each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from motorcade.clock import Clock
from motorcade.errors import Conflict, Invalid, NotFound
from motorcade.fleet.settings import (
    TenantSettings,
    check_settings,
    settings_from_json,
    settings_to_json,
)
from motorcade.fleet.store import Connection, Part, moment, one, widened

__all__ = ["Tenant", "Tenants"]

_log = structlog.get_logger(__name__)

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Tenant(msgspec.Struct, kw_only=True, frozen=True):
    """One tenant: an automaker, a fleet operator."""

    number: int
    name: str
    settings: TenantSettings
    created: datetime


class Tenants(Part):
    """The registry's methods about tenants."""

    _clock: Clock

    async def create_tenant(self, name: str, settings: TenantSettings | None = None) -> Tenant:
        """A new tenant (platform scope); ``Conflict`` where the name is taken, ``Invalid``."""
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"{name!r} is no tenant name: small letters, digits and hyphens, 63 at most"
            )
        settings = settings or TenantSettings()
        check_settings(settings)
        created = moment(self._clock)
        async with self._store.platform(pipeline=False) as connection:
            if await one(connection, "SELECT 1 FROM tenants WHERE name = %s", (name,)):
                raise Conflict(f"there is a tenant {name!r} already")
            row = await one(
                connection,
                "UPDATE counters SET value = value + 1 WHERE name = 'tenant' RETURNING value",
            )
            number = int(row[0]) if row else 0
            await connection.execute(
                "INSERT INTO tenants (number, name, settings, created) VALUES (%s, %s, %s, %s)",
                (number, name, settings_to_json(settings), created),
            )
            await _stamp(connection)
            await _claim(connection, number, settings.auto_register_wmi)
        return Tenant(number=number, name=name, settings=settings, created=created)

    async def tenants(self) -> list[Tenant]:
        """Every tenant by number (platform scope)."""
        async with self._store.platform() as connection:
            cursor = await connection.execute(_SELECT + " ORDER BY number")
            return [_tenant(row) for row in await cursor.fetchall()]

    async def tenant(self, number: int) -> Tenant:
        """The tenant of this number, in its own scope; ``NotFound``."""
        async with self._store.tenant(number) as connection:
            row = await one(connection, _SELECT + " WHERE number = %s", (number,))
        if row is None:
            raise NotFound(f"there is no tenant number {number}")
        return _tenant(row)

    async def tenant_named(self, name: str) -> Tenant:
        """The tenant of this name (platform scope); ``NotFound``."""
        async with self._store.platform() as connection:
            row = await one(connection, _SELECT + " WHERE name = %s", (name,))
        if row is None:
            raise NotFound(f"there is no tenant {name!r}")
        return _tenant(row)

    async def update_settings(self, tenant: int, settings: TenantSettings) -> Tenant:
        """Replace a tenant's settings; ``Conflict`` where a prefix overlaps one that another
        tenant claims."""
        check_settings(settings)
        async with self._store.tenant(tenant, pipeline=False) as connection:
            row = await one(
                connection,
                "UPDATE tenants SET settings = %s WHERE number = %s"
                " RETURNING number, name, settings, created",
                (settings_to_json(settings), tenant),
            )
            if row is None:
                raise NotFound(f"there is no tenant number {tenant}")
            await _stamp(connection)
            await connection.execute("DELETE FROM wmi_claims WHERE tenant = %s", (tenant,))
            await _claim(connection, tenant, settings.auto_register_wmi)
        return _tenant(row)

    async def settings_stamp(self) -> int:
        """A number that grows whenever a tenant or its settings change: one cheap row."""
        async with self._store.unscoped() as connection:
            row = await one(connection, "SELECT value FROM counters WHERE name = 'settings'")
        return int(row[0]) if row else 0

    async def gateway_settings(self) -> dict[int, TenantSettings]:
        """Every tenant's settings by tenant number (platform scope).

        A tenant whose settings cannot be read is logged and left out, which is to say that what it
        wants is not known; the others' hold.
        """
        async with self._store.platform() as connection:
            cursor = await connection.execute(_SELECT + " ORDER BY number")
            rows = await cursor.fetchall()
        found = {}
        for row in rows:
            try:
                found[int(row[0])] = _tenant(row).settings
            except Invalid as error:
                _log.error("settings unreadable", tenant=row[0], detail=error.detail)
        return found


_SELECT: Final = "SELECT number, name, settings, created FROM tenants"


def _tenant(row: Sequence[Any]) -> Tenant:
    settings = settings_from_json(row[2], stored=True)
    return Tenant(number=row[0], name=row[1], settings=settings, created=row[3])


async def _claim(connection: Connection, tenant: int, prefixes: Sequence[str]) -> None:
    """Claim prefixes; ``Conflict`` where one begins, or begins with, another tenant's.

    Otherwise a longer claim would take another tenant's vehicles. ``_stamp`` comes before: its row
    lets one claim at a time look.
    """
    wanted = list(dict.fromkeys(prefixes))
    async with widened(connection):
        row = await one(
            connection,
            "SELECT p FROM unnest(%s::text[]) AS p JOIN wmi_claims c"
            " ON starts_with(c.prefix, p) OR starts_with(p, c.prefix)"
            " WHERE c.tenant <> %s LIMIT 1",
            (wanted, tenant),
        )
    if row is not None:
        raise Conflict(f"auto_register_wmi: another tenant registers {row[0]}, or a part of it")
    await connection.execute(
        "INSERT INTO wmi_claims (prefix, tenant) SELECT p, %s FROM unnest(%s::text[]) AS p",
        (tenant, wanted),
    )


async def _stamp(connection: Connection) -> None:
    await connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'settings'")
