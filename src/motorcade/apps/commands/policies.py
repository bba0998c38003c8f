"""The tenants' downlink policies in PostgreSQL, and what a process believes of them.

In: changes a tenant makes to the defaults. Out: whole policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from motorcade.apps.commands.policy import DEFAULT, Policy, merged
from motorcade.errors import Invalid
from motorcade.fleet.store import Store, one

__all__ = ["Policies"]

_log = structlog.get_logger(__name__)


class Policies:
    """Every tenant's policy; ``refresh`` reads them anew."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, tuple[int, Policy]] = {}

    def of(self, tenant: int) -> Policy:
        """The policy of a tenant as it was last read."""
        return self._known.get(tenant, (0, DEFAULT))[1]

    async def refresh(self) -> None:
        """Read what changed (platform scope)."""
        async with self._store.platform() as connection:
            cursor = await connection.execute("SELECT tenant, version, policy FROM tenant_policies")
            rows = await cursor.fetchall()
        known: dict[int, tuple[int, Policy]] = {}
        for tenant, version, changes in rows:
            before = self._known.get(tenant)
            if before is not None and before[0] == version:
                known[tenant] = before
                continue
            try:
                known[tenant] = (version, merged(changes))
            except Invalid as error:
                _log.error("a stored policy is not valid", tenant=tenant, detail=error.detail)
        self._known = known

    async def read(self, tenant: int) -> tuple[dict[str, Any], Policy]:
        """What a tenant changed, and its whole policy."""
        async with self._store.tenant(tenant) as connection:
            row = await one(
                connection, "SELECT policy FROM tenant_policies WHERE tenant = %s", (tenant,)
            )
        changes: dict[str, Any] = row[0] if row else {}
        return changes, merged(changes)

    async def write(self, tenant: int, changes: Mapping[str, Any]) -> Policy:
        """Replace a tenant's changes; ``Invalid``."""
        policy = merged(changes)
        async with self._store.tenant(tenant) as connection:
            await connection.execute(
                "INSERT INTO tenant_policies AS p (tenant, policy) VALUES (%s, %s::jsonb)"
                " ON CONFLICT (tenant) DO UPDATE SET policy = excluded.policy,"
                " version = p.version + 1",
                (tenant, msgspec.json.encode(changes).decode()),
            )
        return policy
