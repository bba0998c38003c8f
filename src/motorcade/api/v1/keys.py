"""``/v1/keys``: who may ask on a tenant's behalf."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import TenantName, refuse
from motorcade.errors import NotFound
from motorcade.fleet.keys import Key, Principal, Role

__all__ = ["KeyView", "Keys", "NewKey", "NewKeyView", "routes"]

_TAG = "Tenants and keys"
_EXAMPLE = {
    "id": "4b1f0c9d2a37",
    "tenant": "northstar",
    "role": "reader",
    "name": "dashboard",
    "created": "2026-11-22T08:00:00Z",
    "revoked": None,
}
_SECRET = {**_EXAMPLE, "token": "mc_4b1f0c9d2a37_this-part-is-shown-once"}


class NewKey(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A key to create."""

    role: Annotated[Role, msgspec.Meta(description="What it may do.", examples=["reader"])]
    name: Annotated[
        str, msgspec.Meta(max_length=100, description="What it is for.", examples=["dashboard"])
    ] = ""
    tenant: Annotated[
        str | None,
        msgspec.Meta(description="Whose it is; for platform keys that make one for a tenant."),
    ] = None


class KeyView(msgspec.Struct, kw_only=True, frozen=True):
    """A key without its secret."""

    id: str
    tenant: str | None
    role: Role
    name: str
    created: datetime
    revoked: datetime | None


class NewKeyView(msgspec.Struct, kw_only=True, frozen=True):
    """A key just made; ``token`` is shown this once."""

    id: str
    tenant: str | None
    role: Role
    name: str
    created: datetime
    revoked: datetime | None
    token: str


class Keys(msgspec.Struct, kw_only=True, frozen=True):
    """A tenant's keys."""

    keys: list[KeyView]


def routes(context: Context) -> list[BaseRouteHandler]:
    """Create, list and revoke keys."""
    fleet = context.services.fleet

    @post(
        "/v1/keys",
        **route(
            _TAG,
            "Create a key",
            "admin",
            NewKeyView,
            status=201,
            example=_SECRET,
            says="The key, and its token this once.",
            fails=(400, 401, 403, 404, 413, 503),
        ),
    )
    async def create_key(request: Request[Any, Any, Any], data: JSONBody[NewKey]) -> NewKeyView:
        """A key for a person or a program. Keep the token: it is stored as a hash and not shown
        again.

        An admin makes keys of its own tenant. A platform key names the `tenant`, or asks for the
        role `platform`."""
        principal: Principal = request.auth
        if data.role == "platform":
            context.access.demand(principal, "platform")
            if data.tenant is not None:
                refuse("tenant", "a platform key belongs to no tenant")
            made = await fleet.create_platform_key(data.name)
            name = None
        else:
            tenant = await context.access.tenant(principal, data.tenant)
            made = await fleet.create_key(tenant.number, data.role, data.name)
            name = tenant.name
        view = _view(made.key, name)
        return NewKeyView(**msgspec.structs.asdict(view), token=made.token)

    @get(
        "/v1/keys",
        **route(
            _TAG,
            "List the keys",
            "admin",
            Keys,
            example={"keys": [_EXAMPLE]},
            says="The keys, the oldest first, revoked ones among them.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def list_keys(request: Request[Any, Any, Any], tenant: TenantName = None) -> Keys:
        """A tenant's keys; for a platform key that names no tenant, the platform's own."""
        principal: Principal = request.auth
        if principal.tenant is None and tenant is None:
            return Keys(keys=[_view(key, None) for key in await fleet.platform_keys()])
        whose = await context.access.tenant(principal, tenant)
        return Keys(keys=[_view(key, whose.name) for key in await fleet.keys(whose.number)])

    @delete(
        "/v1/keys/{key_id:str}",
        **route(
            _TAG,
            "Revoke a key",
            "admin",
            None,
            status=204,
            says="It is revoked.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def revoke_key(
        request: Request[Any, Any, Any],
        key_id: Annotated[
            str, PathParameter(description="The key's id: the part that may be shown.")
        ],
        tenant: TenantName = None,
    ) -> None:
        """The key works nowhere two seconds from now. A platform key that names no tenant revokes
        keys of the platform itself."""
        principal: Principal = request.auth
        if "\0" in key_id:
            raise NotFound("There is no such key.")
        if principal.tenant is None and tenant is None:
            await fleet.revoke_platform_key(key_id)
            return
        whose = await context.access.tenant(principal, tenant)
        await fleet.revoke_key(whose.number, key_id)

    return [create_key, list_keys, revoke_key]


def _view(key: Key, tenant: str | None) -> KeyView:
    return KeyView(
        id=key.id,
        tenant=tenant,
        role=key.role,
        name=key.name,
        created=key.created,
        revoked=key.revoked,
    )
