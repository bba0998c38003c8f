"""The short way to one vehicle's state, around the framework, for the plain request that most are.

A ``GET /v1/vehicles/{vin}/state`` without a query, of a tenant's key, for a vehicle whose number is
remembered, is answered here; everything else, every doubt and every failure goes the long way,
which decides alone what is refused. Both ways write the same bytes (``tests/api/test_hot.py``)."""

from __future__ import annotations

from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from motorcade.api.context import Context
from motorcade.api.states import encoded
from motorcade.errors import MotorcadeError

__all__ = ["HotState"]

_BEFORE: Final = "/v1/vehicles/"
_AFTER: Final = "/state"
_ROUTE: Final = "/v1/vehicles/{vin:str}/state"


class HotState:
    """ASGI application around the framework's own."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the plain request, hand on every other."""
        if scope["type"] == ScopeType.HTTP and scope["method"] == "GET":
            path = scope["path"]
            if path.endswith(_AFTER) and path.startswith(_BEFORE) and not scope["query_string"]:
                begun = self._context.services.clock.monotonic_s()
                body = await self._body(scope, path[len(_BEFORE) : -len(_AFTER)])
                if body is not None:
                    await _answer(send, body)
                    took = self._context.services.clock.monotonic_s() - begun
                    self._context.meters.request(_ROUTE, "GET", 200, took)
                    return
        await self._app(scope, receive, send)

    async def _body(self, scope: HTTPScope, vin: str) -> bytes | None:
        """The answer, or None where the long way has to look."""
        header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if header is None:
            return None
        services = self._context.services
        try:
            principal = await self._context.access.principal(header.decode("latin-1"))
            if principal.tenant is None:
                return None
            number = self._context.vins.known(principal.tenant, vin)
            if number is None:
                return None
            state = await services.twin.fetch(number, principal.tenant)
        except MotorcadeError:
            return None
        return None if state is None else encoded(vin, state, services.catalogue)


async def _answer(send: Send, body: bytes) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
