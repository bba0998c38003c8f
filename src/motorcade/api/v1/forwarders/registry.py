"""``/v1/forwarders``: made, listed, looked at, changed and deleted."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import TenantName, refuse
from motorcade.api.v1.forwarders.views import (
    EXAMPLE,
    TAG,
    ForwarderChange,
    ForwarderList,
    ForwarderName,
    ForwarderView,
    NewForwarder,
    view,
)
from motorcade.apps.forwarding.rules import Rule, check_moved, check_rule, split
from motorcade.apps.forwarding.store import Forwarders, State
from motorcade.fleet.keys import Principal

__all__ = ["routes"]


def routes(context: Context) -> list[BaseRouteHandler]:
    """Create, list, look at, change and delete forwarders."""
    store = Forwarders(context.services.fleet.store, context.services.clock)
    return [*_of_all(context, store), *_of_one(context, store)]


def _of_all(context: Context, store: Forwarders) -> list[BaseRouteHandler]:
    services = context.services

    @post(
        "/v1/forwarders",
        **route(
            TAG,
            "Create a forwarder",
            "admin",
            ForwarderView,
            status=201,
            example=EXAMPLE,
            says="The forwarder; records stored from now on are sent.",
            fails=(400, 401, 403, 404, 409, 413, 503),
        ),
    )
    async def create_forwarder(
        request: Request[Any, Any, Any], data: JSONBody[NewForwarder], tenant: TenantName = None
    ) -> ForwarderView:
        """Send the tenant's records to another platform, in the protocol it wants, from now on.

        The page `docs/forwarding.md` has the settings of each kind. Records are sent at least once
        and in the order of the log; those the peer has not acknowledged are kept up to the
        bounds."""
        principal: Principal = request.auth
        whose = await context.access.tenant(principal, tenant)
        asked = {name: getattr(data, name) for name in Rule.__struct_fields__}
        rule, secrets = split(Rule(**asked))
        check_rule(rule, secrets, services.catalogue, services.forwarding)
        made = await store.create(whose.number, data.name, rule, secrets, paused=data.paused)
        return view(made, State(status="paused" if data.paused else "new"))

    @get(
        "/v1/forwarders",
        **route(
            TAG,
            "List the forwarders",
            "operator",
            ForwarderList,
            example={"forwarders": [EXAMPLE]},
            says="The forwarders by name, each with its state.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def list_forwarders(
        request: Request[Any, Any, Any], tenant: TenantName = None
    ) -> ForwarderList:
        """A tenant's forwarders and how each is doing."""
        principal: Principal = request.auth
        whose = await context.access.tenant(principal, tenant)
        found = await store.forwarders(whose.number)
        return ForwarderList(forwarders=[view(one, state) for one, state in found])

    return [create_forwarder, list_forwarders]


def _of_one(context: Context, store: Forwarders) -> list[BaseRouteHandler]:
    services = context.services

    @get(
        "/v1/forwarders/{name:str}",
        **route(
            TAG,
            "Look at a forwarder",
            "operator",
            ForwarderView,
            example=EXAMPLE,
            says="The forwarder with its state.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def get_forwarder(
        request: Request[Any, Any, Any], name: ForwarderName, tenant: TenantName = None
    ) -> ForwarderView:
        """One forwarder: its rule, how far behind it is, what failed last."""
        principal: Principal = request.auth
        whose = await context.access.tenant(principal, tenant)
        return view(*await store.forwarder(whose.number, name))

    @patch(
        "/v1/forwarders/{name:str}",
        **route(
            TAG,
            "Change a forwarder",
            "admin",
            ForwarderView,
            example=EXAMPLE,
            says="The forwarder as it is now; what it had not sent is sent by the new rule.",
            fails=(400, 401, 403, 404, 413, 503),
        ),
    )
    async def change_forwarder(
        request: Request[Any, Any, Any],
        name: ForwarderName,
        data: JSONBody[ForwarderChange],
        tenant: TenantName = None,
    ) -> ForwarderView:
        """Change what the body names. A secret that is left out, or reads `set`, stays as it is;
        with another address it has to be said anew."""
        principal: Principal = request.auth
        whose = await context.access.tenant(principal, tenant)
        before, state = await store.forwarder(whose.number, name)
        changes = {key: value for key, value in _given(data).items() if value is not None}
        if data.target is not None:
            changes["target"] = {**before.rule.target, **data.target}
        changed = msgspec.structs.replace(before.rule, **changes)
        check_moved(before.rule, changed, data.target or {}, before.secrets)
        rule, secrets = split(changed, before.secrets)
        check_rule(rule, secrets, services.catalogue, services.forwarding)
        return view(await store.change(whose.number, name, rule, secrets), state)

    @delete(
        "/v1/forwarders/{name:str}",
        **route(
            TAG,
            "Delete a forwarder",
            "admin",
            None,
            status=204,
            says="It is gone, and with it what it had not sent.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def delete_forwarder(
        request: Request[Any, Any, Any], name: ForwarderName, tenant: TenantName = None
    ) -> None:
        """Stop sending and forget what was not yet sent."""
        principal: Principal = request.auth
        whose = await context.access.tenant(principal, tenant)
        await store.remove(whose.number, name)

    return [get_forwarder, change_forwarder, delete_forwarder]


def _given(data: ForwarderChange) -> dict[str, Any]:
    given = msgspec.structs.asdict(data)
    if all(value is None for value in given.values()):
        refuse("body", "names nothing to change")
    return given
