"""A stream reader's place: taken, held for as long as its key is good, and given back whatever
comes.

In: a subscriber of the hub and the key it came with. Out: its events as server-sent events or
WebSocket messages, and at the end why there are no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar import Request, WebSocket
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Receive, Scope, Send

from motorcade import limits
from motorcade.api.context import Context
from motorcade.api.hub import Filter, Predicate
from motorcade.api.subscribers import Subscriber
from motorcade.errors import MotorcadeError, Unauthorized
from motorcade.tasks import ended

__all__ = ["EVENT_STREAM", "EventStream", "Seat", "send_messages"]

EVENT_STREAM: Final = "text/event-stream"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_REVOKED: Final = 1008
_STOPPING: Final = 1001
"""Close codes of RFC 6455 section 7.4.1: a policy is broken, the server goes away."""

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One subscriber's place at the hub."""

    context: Context
    wanted: Filter
    subscriber: Subscriber
    header: str | None
    """The ``Authorization`` header it was taken with."""
    check_s: float = limits.API_STREAM_KEY_CHECK_S
    grace_s: float = limits.API_STOP_S
    """How long a reader whose key has ended may take to hear of it."""

    @classmethod
    async def taken(
        cls, context: Context, wanted: Filter, chooses: Predicate | None, header: str | None
    ) -> Seat:
        """Subscribe; raises what ``Hub.subscribe`` does."""
        subscriber = await context.hub.subscribe(wanted, chooses)
        return cls(context=context, wanted=wanted, subscriber=subscriber, header=header)

    @property
    def heartbeat_s(self) -> float:
        """Silence after which the reader is sent a sign of life."""
        return self.context.services.config.stream_heartbeat_s

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Everything that is sent is sent in here: the place is given back at the end, and when the
        key no longer holds the subscriber is closed, or cut off where it does not read."""
        watch: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(None) as bound:
                watch = asyncio.create_task(self._watch(bound))
                yield
        except TimeoutError:
            if not bound.expired():
                raise
        finally:
            self.context.hub.unsubscribe(self.wanted, self.subscriber)
            if watch is not None:
                watch.cancel()

    async def _watch(self, bound: asyncio.Timeout) -> None:
        while True:
            await asyncio.sleep(self.check_s)
            try:
                await self.context.access.principal(self.header)
            except Unauthorized as error:
                self.subscriber.close(error)
                bound.reschedule(asyncio.get_running_loop().time() + self.grace_s)
                return
            except Exception:
                # A registry that does not answer takes no revocations either: asked again.
                continue


class EventStream(Stream):
    """A seat's events as ``text/event-stream``."""

    def __init__(self, seat: Seat) -> None:
        super().__init__((), media_type=EVENT_STREAM)
        self._seat = seat

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **_: Any) -> ASGIResponse:
        """What sends it."""
        return _Sending(self._seat)


class _Sending(ASGIStreamingResponse):
    """Head and events: a reader that is gone before the head leaves no place taken."""

    def __init__(self, seat: Seat) -> None:
        super().__init__(
            iterator=_events(seat), media_type=EVENT_STREAM, headers=_HEADERS, status_code=200
        )
        self._seat = seat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._seat.held():
            await super().__call__(scope, receive, send)


async def _events(seat: Seat) -> AsyncIterator[bytes]:
    subscriber, meters = seat.subscriber, seat.context.meters
    yield b": ready\n\n"
    while not subscriber.closed:
        missed, items = await subscriber.take(seat.heartbeat_s)
        if isinstance(subscriber.error, Unauthorized):
            break
        pieces = [b"data: " + item + b"\n\n" for item in items]
        if missed:
            meters.missed.inc(missed)
            pieces.insert(0, b'event: missed\ndata: {"missed":%d}\n\n' % missed)
        yield b"".join(pieces) or b": here\n\n"
    if isinstance(subscriber.error, MotorcadeError):
        why = {"code": subscriber.error.code, "detail": subscriber.error.detail}
        yield b"event: end\ndata: %b\n\n" % _encode(why)


async def send_messages(socket: WebSocket[Any, Any, Any], seat: Seat) -> None:
    """Send until the peer leaves, which only reading from it tells, or its key or the server ends:
    then close with the reason."""
    tasks = [asyncio.create_task(_send(socket, seat)), asyncio.create_task(_until_gone(socket))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        here = not tasks[1].done()
    finally:
        await ended(*tasks)
    error = seat.subscriber.error
    if here and isinstance(error, MotorcadeError):
        code = _REVOKED if isinstance(error, Unauthorized) else _STOPPING
        await socket.close(code, error.detail)


async def _send(socket: WebSocket[Any, Any, Any], seat: Seat) -> None:
    await socket.send_text('{"ready":true}')
    while not seat.subscriber.closed:
        missed, items = await seat.subscriber.take(seat.heartbeat_s)
        if isinstance(seat.subscriber.error, Unauthorized):
            return
        if missed:
            seat.context.meters.missed.inc(missed)
            await socket.send_text(f'{{"missed":{missed}}}')
        for item in items:
            await socket.send_text(item.decode())
        if not missed and not items:
            await socket.send_text('{"heartbeat":true}')


async def _until_gone(socket: WebSocket[Any, Any, Any]) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
