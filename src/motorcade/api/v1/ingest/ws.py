"""``/v1/ingest/ws``: records in the messages of a WebSocket."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler

from motorcade import limits
from motorcade.api.context import Context
from motorcade.api.ingest.bodies import ARROW
from motorcade.api.ingest.intake import Intake, Places, Result
from motorcade.api.parameters import TenantName
from motorcade.errors import CapacityError, DependencyError, Invalid, MotorcadeError, Unauthorized
from motorcade.fleet.keys import Principal
from motorcade.tasks import ended

__all__ = ["Answer", "routes"]

_ENDED: Final = 1008
"""Close code of RFC 6455 section 7.4.1: a policy is broken."""
_encode: Final = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What became of one message of a socket; ``seq`` counts its messages from 1. ``code`` and
    ``detail`` say why a message was not taken as a whole; with ``retry_after_s`` it is worth
    sending it again."""

    seq: int
    accepted: int | None = None
    rejected: int | None = None
    errors: list[Any] | None = None
    code: str | None = None
    detail: str | None = None
    retry_after_s: float | None = None


def routes(context: Context) -> list[BaseRouteHandler]:
    """Take in messages; what is at work is bounded apart from that of bodies."""
    return [_socket(context, Intake(context.services))]


def _socket(context: Context, intake: Intake) -> BaseRouteHandler:
    places = Places(
        limits.API_INGEST_SOCKETS_MAX,
        limits.API_INGEST_SOCKETS_PER_TENANT_MAX,
        "ingest sockets open",
    )

    @websocket("/v1/ingest/ws", opt={"role": "operator"})
    async def ingest_socket(socket: WebSocket[Any, Any, Any], tenant: TenantName = None) -> None:
        """The same over a WebSocket: a text message is JSON lines, a binary one an Arrow stream."""
        principal: Principal = socket.scope["auth"]
        try:
            whose = await context.access.tenant(principal, tenant)
            place = places.taken(whose.number)
            place.__enter__()
        except MotorcadeError as error:
            raise HTTPException(error.detail, status_code=error.status) from error
        try:
            await socket.accept()
            await _converse(context, intake, socket, whose.number)
        finally:
            place.__exit__(None, None, None)

    return ingest_socket


async def _converse(
    context: Context, intake: Intake, socket: WebSocket[Any, Any, Any], tenant: int
) -> None:
    """Message by message, each answered before the next is read: who sends faster waits. Ends when
    the peer leaves, does not read its answers, or its key no longer holds."""
    watch = asyncio.create_task(_revoked(context, socket.headers.get("authorization")))
    why = ""
    try:
        seq = 0
        while (message := await _heard(socket, watch)) is not None:
            seq += 1
            answer = await _answer(intake, tenant, seq, message)
            async with asyncio.timeout(limits.API_REQUEST_TIMEOUT_S):
                await socket.send_text(_encode(answer).decode())
        why = watch.result() if watch.done() else ""
    except TimeoutError:
        why = "The answers are not read."
    finally:
        watch.cancel()
    if why:
        await socket.close(_ENDED, why)


async def _heard(socket: WebSocket[Any, Any, Any], watch: asyncio.Task[str]) -> Any:
    """The next message; None where there is none, because the peer left or ``watch`` ended."""
    heard: asyncio.Future[Any] = asyncio.ensure_future(socket.receive())
    try:
        await asyncio.wait({heard, watch}, return_when=asyncio.FIRST_COMPLETED)
        message = None if watch.done() else heard.result()
    finally:
        # The server closes only a socket that nobody reads from.
        await ended(heard)
    if message is None or message["type"] == "websocket.disconnect":
        return None
    return message


async def _answer(intake: Intake, tenant: int, seq: int, message: Any) -> Answer:
    text, data = message.get("text"), message.get("bytes")
    kind = "application/x-ndjson" if text is not None else ARROW
    try:
        body = text.encode() if text is not None else bytes(data or b"")
        if len(body) > limits.API_INGEST_MESSAGE_BYTES_MAX:
            most = limits.API_INGEST_MESSAGE_BYTES_MAX
            raise Invalid(f"The message has {len(body)} bytes; {most} are allowed.")
        result = await _stored(intake, tenant, kind, body)
    except MotorcadeError as error:
        again = None
        if isinstance(error, DependencyError | CapacityError):
            again = getattr(error, "retry_after_s", 1.0)
        return Answer(seq=seq, code=error.code, detail=error.detail, retry_after_s=again)
    return Answer(
        seq=seq, accepted=result.accepted, rejected=result.rejected, errors=list(result.errors)
    )


async def _stored(intake: Intake, tenant: int, kind: str, body: bytes) -> Result:
    try:
        async with asyncio.timeout(limits.API_REQUEST_TIMEOUT_S), intake.places.awaited(tenant):
            return await intake.store(tenant, kind, body)
    except TimeoutError as error:
        raise DependencyError("The message took too long; send it again.") from error


async def _revoked(context: Context, header: str | None) -> str:
    """Returns why, when the key no longer holds."""
    while True:
        await asyncio.sleep(limits.API_STREAM_KEY_CHECK_S)
        try:
            await context.access.principal(header)
        except Unauthorized as error:
            return error.detail
        except Exception:
            # A registry that does not answer takes no revocations either: asked again.
            continue
