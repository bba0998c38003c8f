"""Who is calling and what they may do: Bearer keys to principals, and the guard of every route.

Roles: ``reader`` < ``operator`` < ``admin`` of one tenant, and ``platform`` over all tenants. A
route names the least role it needs (``**needs("operator")``); a route that names none is answered
to nobody. ``platform`` acts for a tenant by naming it: ``?tenant=``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler

from motorcade import limits
from motorcade.api.cache import Cache
from motorcade.clock import Clock
from motorcade.errors import CallerError, Forbidden, Invalid, NotFound, Unauthorized
from motorcade.fleet.keys import Principal
from motorcade.fleet.registry import Fleet

__all__ = ["PUBLIC", "ROLES", "Access", "Tenant", "needs", "public"]

PUBLIC: Final = "public"
ROLES: Final[Mapping[str, int]] = {"reader": 1, "operator": 2, "admin": 3, "platform": 4}
"""Role to rank; a higher rank may do all that a lower one may."""


class Tenant(msgspec.Struct, frozen=True):
    """The tenant a request is about; never 0."""

    number: int
    name: str


def needs(role: str) -> dict[str, Any]:
    """Handler arguments that declare the least role a route needs."""
    return {
        "opt": {"role": role},
        "security": [{"key": []}],
    }


def public() -> dict[str, Any]:
    """Handler arguments that declare a route open to everybody."""
    return {"opt": {"role": PUBLIC}, "security": [{}]}


class Access:
    """Keys to principals. Nothing is remembered here: ``Fleet.verify_key`` believes an answer for
    ``fleet.cache_s``, so a revoked key ends within it."""

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self._fleet = fleet
        self._clock = clock
        # A name and its number belong together for good; only the number of names is a worry.
        self._tenants: Cache[str, Tenant] = Cache(
            limits.API_TENANTS_CACHED_MAX, limits.API_VIN_CACHE_S
        )

    async def guard(
        self, connection: ASGIConnection[Any, Any, Any, Any], route: BaseRouteHandler
    ) -> None:
        """Let the caller through or raise; the principal is left in
        ``connection.scope['auth']``."""
        role = route.opt.get("role")
        if role == PUBLIC:
            return
        try:
            principal = await self.principal(connection.headers.get("authorization"))
            connection.scope["auth"] = principal
            self.demand(principal, role)
        except CallerError as error:
            if connection.scope["type"] == ScopeType.WEBSOCKET:
                # The framework closes a handshake with this status; a problem has no place in one.
                raise HTTPException(error.detail, status_code=error.status) from error
            raise

    @staticmethod
    def demand(principal: Principal, role: str | None) -> None:
        """Raise ``Forbidden`` unless ``principal`` has at least ``role``; ``None`` is nobody's."""
        least = ROLES.get(role or "")
        if least is None:
            raise Forbidden("This address is not open to any key.")
        if ROLES[principal.role] < least:
            raise Forbidden(f"This needs the role {role}; the key has {principal.role}.")

    async def principal(self, header: str | None) -> Principal:
        """The caller of an ``Authorization`` header; raises ``Unauthorized``."""
        if header is None:
            raise Unauthorized("Send the API key as `Authorization: Bearer KEY`.")
        scheme, _, secret = header.partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            raise Unauthorized("The Authorization header must read `Bearer KEY`.")
        found = await self._fleet.verify_key(secret)
        if found is None:
            raise Unauthorized("This API key is unknown or revoked.")
        return found

    async def peek(self, header: str | None) -> Principal | None:
        """Like ``principal``, with ``None`` for a missing or unknown key."""
        try:
            return await self.principal(header)
        except Unauthorized:
            return None

    async def tenant(self, principal: Principal, named: str | None) -> Tenant:
        """The tenant a request is about: the key's own, or for the platform the one it names.

        A tenant's key that names another tenant learns nothing of it: ``NotFound``.
        """
        if principal.tenant is not None and principal.tenant_name is not None:
            if named is not None and named != principal.tenant_name:
                raise NotFound(f"There is no tenant {named}.")
            return Tenant(principal.tenant, principal.tenant_name)
        if named is None:
            message = "A platform key has to name the tenant: add ?tenant=NAME."
            raise Invalid(message, errors=[{"field": "tenant", "message": message}])
        return await self.tenant_named(named)

    async def tenant_named(self, name: str) -> Tenant:
        """The tenant called ``name``; for platform callers only. Raises ``NotFound``."""
        now = self._clock.monotonic_s()
        tenant = self._tenants.get(name, now)
        if tenant is None:
            found = await self._fleet.tenant_named(name)
            tenant = Tenant(found.number, found.name)
            self._tenants.put(name, tenant, now)
        return tenant
