"""``/``, ``/openapi.json`` and ``/metrics``."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import BaseRouteHandler
from litestar.response import Redirect

from motorcade.api.auth import PUBLIC, public
from motorcade.api.context import Context
from motorcade.api.metrics import MEDIA_TYPE, without_tenants
from motorcade.api.openapi import finished, route
from motorcade.errors import Forbidden

__all__ = ["routes"]


def routes(context: Context) -> list[BaseRouteHandler]:
    """Redirect, OpenAPI document and figures."""
    services = context.services
    document: list[bytes] = []

    @get("/", include_in_schema=False, **public())
    async def root() -> Redirect:
        """Send a browser to the documentation."""
        return Redirect("/docs")

    @get("/openapi.json", include_in_schema=False, **public())
    async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The OpenAPI 3.1 document."""
        if not document:
            document.append(msgspec.json.encode(finished(request.app)))
        return Response(document[0], media_type="application/json")

    @get(
        "/metrics",
        **route("Platform", "Figures for Prometheus", PUBLIC, str, media_type="text/plain"),
    )
    async def metrics(request: Request[Any, Any, Any]) -> Response[str]:
        """Counters and gauges of every process, in Prometheus' text format.

        Without a key: what names no tenant. With a platform key: everything.
        """
        caller = await context.access.peek(request.headers.get("authorization"))
        everything = caller is not None and caller.tenant is None
        if services.config.metrics == "platform" and not everything:
            raise Forbidden("Here the figures are for platform keys alone.")
        text = context.meters.text()
        if services.metrics is not None:
            text += await services.metrics()
        if not everything:
            text = without_tenants(text)
        return Response(text, media_type=MEDIA_TYPE)

    return [root, openapi, metrics]
