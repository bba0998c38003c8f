"""``/v1/forwarders/{name}/resume``: go on sending."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.handlers import BaseRouteHandler

from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import TenantName
from motorcade.api.v1.forwarders.views import EXAMPLE, TAG, ForwarderName, ForwarderView, view
from motorcade.apps.forwarding.store import Forwarders
from motorcade.fleet.keys import Principal

__all__ = ["routes"]


def routes(context: Context) -> list[BaseRouteHandler]:
    """Resume a forwarder."""
    store = Forwarders(context.services.fleet.store, context.services.clock)

    @post(
        "/v1/forwarders/{name:str}/resume",
        **route(
            TAG,
            "Resume a forwarder",
            "operator",
            ForwarderView,
            example=EXAMPLE,
            says="The forwarder, sending within a second.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def resume_forwarder(
        request: Request[Any, Any, Any], name: ForwarderName, tenant: TenantName = None
    ) -> ForwarderView:
        """Go on where it stopped."""
        principal: Principal = request.auth
        whose = await context.access.tenant(principal, tenant)
        await store.pause(whose.number, name, False)
        return view(*await store.forwarder(whose.number, name))

    return [resume_forwarder]
