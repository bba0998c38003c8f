"""The short way to a new command, around the framework, for the plain request that most are.

A ``POST /v1/vehicles/{vin}/commands`` without a query, by a tenant's operator, for a vehicle
there is, with a body that is in order, is answered here; everything else goes the long way, which
decides alone what is refused. Both ways write the same bytes
(``tests/api/test_hot_commands.py``)."""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from litestar.types.asgi_types import ReceiveMessage

from motorcade.api.command_views import NewCommand, asked_of, view_of
from motorcade.api.context import Context
from motorcade.api.problems import MEDIA_TYPE, problem_bytes
from motorcade.apps.commands.desk import Desk
from motorcade.errors import MotorcadeError

__all__ = ["HotCommand"]

_BEFORE: Final = "/v1/vehicles/"
_AFTER: Final = "/commands"
_ROUTE: Final = "/v1/vehicles/{vin:str}/commands"
_BODY_MAX: Final = 1 << 16
"""Bytes of a body that is taken in here; the framework's own limit is above it."""

_decode: Final = msgspec.json.Decoder(NewCommand).decode
_encode: Final = msgspec.json.Encoder().encode


class _Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    media: str


class HotCommand:
    """ASGI application around the framework's own."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context
        services = context.services
        self._desk = Desk(
            services.fleet.store, services.log, services.clock, services.log.partitions
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the plain request, hand on every other."""
        if scope["type"] == ScopeType.HTTP and scope["method"] == "POST":
            path = scope["path"]
            if path.endswith(_AFTER) and path.startswith(_BEFORE) and not scope["query_string"]:
                taken: deque[ReceiveMessage] = deque()
                if await self._answered(scope, receive, send, taken):
                    return
                receive = _again(taken, receive)
        await self._app(scope, receive, send)

    async def _answered(
        self, scope: HTTPScope, receive: Receive, send: Send, taken: deque[ReceiveMessage]
    ) -> bool:
        """Whether it was answered here; ``taken``: what else the long way needs."""
        clock, path = self._context.services.clock, scope["path"]
        limit_s, begun = self._context.services.config.request_timeout_s, clock.monotonic_s()
        try:
            async with asyncio.timeout(limit_s or None):
                answer = await self._made(scope, receive, taken)
        except Exception as error:
            # A command may have been made: the long way would make another.
            if not isinstance(error, MotorcadeError | TimeoutError):
                trace = "".join(traceback.format_exception(error))
                log = structlog.get_logger("motorcade.api")
                log.error("request failed", path=path, method="POST", trace=trace)
            answer = _Answer(*problem_bytes(error, path), MEDIA_TYPE)
        if answer is None:
            return False
        await _send(send, answer)
        took = clock.monotonic_s() - begun
        self._context.meters.request(_ROUTE, "POST", answer.status, took)
        return True

    async def _made(
        self, scope: HTTPScope, receive: Receive, taken: deque[ReceiveMessage]
    ) -> _Answer | None:
        """Make the command; None where the long way has to look."""
        named = list(scope["headers"])
        headers = dict(named)
        if len(headers) < len(named) or b"authorization" not in headers:
            return None
        context, services = self._context, self._context.services
        vin = scope["path"][len(_BEFORE) : -len(_AFTER)].upper()
        try:
            principal = await context.access.principal(headers[b"authorization"].decode("latin-1"))
            context.access.demand(principal, "operator")
            body = None if principal.tenant is None else await _taken(receive, taken)
            if body is None or principal.tenant is None:
                return None
            number = await context.vins.number(principal.tenant, vin)
            key = headers.get(b"idempotency-key")
            asked = asked_of(
                _decode(body),
                None if key is None else key.decode("latin-1"),
                services.catalogue,
                services.clock.now_us(),
                principal.key,
            )
        except (MotorcadeError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        row = await self._desk.add(principal.tenant, number, asked)
        where = {"location": f"{_BEFORE}{vin}{_AFTER}/{row.id.hex}"}
        return _Answer(202, _encode(view_of(row, {number: vin})), where, "application/json")


async def _send(send: Send, answer: _Answer) -> None:
    size = str(len(answer.body))
    written = {**answer.headers, "content-type": answer.media, "content-length": size}
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [
                (name.lower().encode(), value.encode("latin-1")) for name, value in written.items()
            ],
        }
    )
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _taken(receive: Receive, taken: deque[ReceiveMessage]) -> bytes | None:
    """A body, its messages put into ``taken``; None where it is no plain one."""
    parts: list[bytes] = []
    size = 0
    while size <= _BODY_MAX:
        message = await receive()
        taken.append(message)
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body"):
            return b"".join(parts)
    return None


def _again(taken: deque[ReceiveMessage], receive: Receive) -> Receive:
    """``receive``, with the messages that were taken already."""

    async def received() -> ReceiveMessage:
        return taken.popleft() if taken else await receive()

    return received
