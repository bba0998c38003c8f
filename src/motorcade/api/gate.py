"""Around every route: the time it may take, and what is counted of it."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from motorcade import limits
from motorcade.api.metrics import Meters
from motorcade.clock import Clock

__all__ = ["Gate"]


class Gate:
    """ASGI middleware; a route's ``opt["timeout_s"]`` replaces ``timeout_s``, 0 is without end."""

    def __init__(self, meters: Meters, clock: Clock, timeout_s: float) -> None:
        self._meters = meters
        self._clock = clock
        self._timeout_s = timeout_s

    def __call__(self, app: ASGIApp, **_: Any) -> ASGIApp:
        """The route ``app`` with the gate around it (Litestar calls this once per route)."""

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            method, template = scope.get("method", ""), scope["path_template"]
            limit_s = scope["route_handler"].opt.get("timeout_s", self._timeout_s)
            begun = self._clock.monotonic_s()
            status: int = HTTPStatus.INTERNAL_SERVER_ERROR

            async def noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                        await _drain(receive)
                await send(message)

            try:
                async with asyncio.timeout(limit_s or None):
                    await app(scope, receive, noted)
            except TimeoutError:
                status = HTTPStatus.SERVICE_UNAVAILABLE
                raise
            finally:
                if limit_s:
                    took = self._clock.monotonic_s() - begun
                    self._meters.request(template, method, int(status), took)

        return gated


async def _drain(receive: Receive) -> None:
    """Take in what a refused body still sends, to a bound: a client that is cut off while it writes
    sees a broken connection instead of the answer."""
    left = limits.API_BODY_BYTES_MAX
    while left > 0:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return
        left -= len(message.get("body", b""))
