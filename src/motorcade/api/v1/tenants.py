"""``/v1/tenants``: who there is on the platform, and what each has set for itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.errors import Forbidden, NotFound
from motorcade.fleet.settings import TenantSettings, settings_from_json
from motorcade.fleet.tenants import Tenant

__all__ = ["NewTenant", "TenantView", "Tenants", "routes"]

_TAG = "Tenants and keys"
_EXAMPLE = {
    "name": "northstar",
    "created": "2026-11-22T08:00:00Z",
    "settings": {"vin_check_digit": True, "auto_register_wmi": ["LNS"]},
}


class NewTenant(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A tenant to create."""

    name: Annotated[
        str,
        msgspec.Meta(
            pattern="^[a-z0-9][a-z0-9-]{0,62}$",
            description="Small letters, digits and hyphens, 63 at most; for good.",
            examples=["northstar"],
        ),
    ]
    settings: TenantSettings = TenantSettings()


class TenantView(msgspec.Struct, kw_only=True, frozen=True):
    """A tenant as callers see it; a secret that is set reads ``set``."""

    name: str
    created: datetime
    settings: TenantSettings


class Tenants(msgspec.Struct, kw_only=True, frozen=True):
    """Every tenant."""

    tenants: list[TenantView]


Name = Annotated[str, PathParameter(description="The tenant's name.")]


def routes(context: Context) -> list[BaseRouteHandler]:
    """Create, list, look at and change tenants."""
    return [*_of_the_platform(context), *_of_one(context)]


def _of_the_platform(context: Context) -> list[BaseRouteHandler]:
    fleet = context.services.fleet

    @post(
        "/v1/tenants",
        **route(
            _TAG,
            "Create a tenant",
            "platform",
            TenantView,
            status=201,
            example=_EXAMPLE,
            says="The new tenant.",
            fails=(400, 401, 403, 409, 413, 503),
        ),
    )
    async def create_tenant(data: JSONBody[NewTenant]) -> TenantView:
        """Make room for an automaker. Its vehicles, its keys and its history are its own from here
        on."""
        return _view(await fleet.create_tenant(data.name, data.settings))

    @get(
        "/v1/tenants",
        **route(
            _TAG,
            "List the tenants",
            "platform",
            Tenants,
            example={"tenants": [_EXAMPLE]},
            says="Every tenant, the oldest first.",
            fails=(401, 403, 503),
        ),
    )
    async def list_tenants() -> Tenants:
        """Every tenant of the platform, with its settings."""
        return Tenants(tenants=[_view(tenant) for tenant in await fleet.tenants()])

    return [create_tenant, list_tenants]


def _of_one(context: Context) -> list[BaseRouteHandler]:
    fleet = context.services.fleet

    @get(
        "/v1/tenants/{name:str}",
        **route(
            _TAG,
            "Look at a tenant",
            "admin",
            TenantView,
            example=_EXAMPLE,
            says="The tenant.",
            fails=(401, 403, 404, 503),
        ),
    )
    async def get_tenant(request: Request[Any, Any, Any], name: Name) -> TenantView:
        """One tenant's settings: its own for an admin, any for the platform."""
        return _view(await fleet.tenant(await _own(context, request, name)))

    @patch(
        "/v1/tenants/{name:str}",
        **route(
            _TAG,
            "Change a tenant's settings",
            "admin",
            TenantView,
            example=_EXAMPLE,
            says="The tenant as it is now.",
            fails=(400, 401, 403, 404, 409, 413, 503),
            bodies={
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/TenantSettings"},
                    "example": {"vin_check_digit": True},
                }
            },
        ),
    )
    async def change_tenant(
        request: Request[Any, Any, Any], name: Name, data: JSONBody[dict[str, Any]]
    ) -> TenantView:
        """The keys in the body replace those of the settings; the others stay as they are. Gateways
        follow within seconds. ``auto_register_wmi`` takes a platform key."""
        number = await _own(context, request, name)
        if "auto_register_wmi" in data and request.auth.tenant is not None:
            raise Forbidden("auto_register_wmi: only the platform decides whose VINs these are.")
        before = msgspec.to_builtins((await fleet.tenant(number)).settings)
        return _view(await fleet.update_settings(number, settings_from_json(_merged(before, data))))

    return [get_tenant, change_tenant]


async def _own(context: Context, request: Request[Any, Any, Any], name: str) -> int:
    """The number of a tenant the caller may know of; another's is as unknown as none."""
    principal = request.auth
    if principal.tenant is None:
        return (await context.access.tenant_named(name)).number
    if principal.tenant_name != name:
        raise NotFound(f"There is no tenant {name}.")
    return int(principal.tenant)


def _merged(before: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``changes`` laid over ``before``, objects key by key (RFC 7396, without its removal by
    null)."""
    merged = dict(before)
    for name, value in changes.items():
        inner = merged.get(name)
        if isinstance(inner, dict) and isinstance(value, dict):
            merged[name] = _merged(inner, value)
        else:
            merged[name] = value
    return merged


def _view(tenant: Tenant) -> TenantView:
    return TenantView(name=tenant.name, created=tenant.created, settings=tenant.settings.redacted())
