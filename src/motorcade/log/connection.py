"""One process's connection to NATS: it comes back by itself, and it speaks our errors.

In: URLs. Out: subscriptions that outlive the server, one reply inbox for every kind of answer, and
``wrapped``, which turns the client's exceptions into ours. The client library reconnects on its
own; where it gives up (the server refused us once, or an answer it does not know), a new client
takes its place and every subscription is made again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import APIError

from motorcade.errors import CapacityError, DependencyError, MotorcadeError, NotFound

__all__ = ["Connection", "Subscription", "wrapped", "translated", "refused", "Handler"]

Handler = Callable[[Msg], Awaitable[None]]

_log = structlog.get_logger(__name__)

_FULL: Final = frozenset({10077, 10047, 10023, 10122, 10028})
"""JetStream error codes that mean "no room": the stream's limit or the disk, storage resources,
account resources, and memory. Source: nats-server ``server/errors.json``."""

_RECONNECT_WAIT_S: Final = 0.1
"""Between two attempts: a restart of the server costs producers little more than the restart."""

_FLUSH_S: Final = 2
"""How long ``subscribe`` waits for the server's nod."""

_COMPLAINT_EVERY_S: Final = 10.0
"""An unreachable server is logged once, then at this distance."""


class Connection:
    """A NATS connection of this process. Build with ``await Connection.open(…)``."""

    def __init__(self, urls: list[str], url_file: str, name: str) -> None:
        self._urls = urls
        self._url_file = url_file
        self._name = name
        self._client = Client()
        self._subscriptions: set[Subscription] = set()
        self._waiting: dict[str, Callable[[Msg | None], None]] = {}
        self._watchers: set[Callable[[], None]] = set()
        self._inbox: Subscription | None = None
        self._inbox_prefix = ""
        self._token = 0
        self._connected = asyncio.Event()
        self._closing = False
        self._revival: asyncio.Task[None] | None = None
        self._last_complaint_s = -_COMPLAINT_EVERY_S
        self.reconnects = 0

    @classmethod
    async def open(cls, urls: list[str], url_file: str, name: str, timeout_s: float) -> Connection:
        """Connect. Raises ``DependencyError`` where no server answers within ``timeout_s``."""
        connection = cls(urls, url_file, name)
        try:
            async with asyncio.timeout(timeout_s):
                await connection._connect()
                connection._connected.set()
        except (NatsError, OSError, TimeoutError) as error:
            detail = connection._client.last_error or error
            await connection.close()
            raise DependencyError(f"no NATS server answers: {detail or type(detail)}") from error
        return connection

    async def close(self) -> None:
        """Close; waiting requests fail. Safe to call twice."""
        self._closing = True
        if self._revival is not None:
            self._revival.cancel()
        self._drop_waiting()
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            await self._client.close()

    @property
    def connected(self) -> bool:
        """Whether the server can be spoken to right now."""
        return self._connected.is_set()

    @property
    def client(self) -> Client:
        """The client of the moment. Another one may take its place; do not keep it."""
        return self._client

    def jetstream(self, timeout_s: float = 5.0) -> JetStreamContext:
        """JetStream's management calls, on the client of the moment.

        Raises ``DependencyError`` while disconnected, where they would only wait in vain.
        """
        if not self.connected:
            raise DependencyError("NATS is not connected")
        return self._client.jetstream(timeout=timeout_s)

    async def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the server can be spoken to; false when it could not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected.wait()
        except TimeoutError:
            return False
        return True

    async def subscribe(
        self,
        subject: str,
        handler: Handler,
        queue: str = "",
        messages_max: int = 65_536,
        bytes_max: int = 128 << 20,
    ) -> Subscription:
        """Call ``handler`` for every message, one at a time, until the subscription is closed.

        When this returns the server knows of it, or will as soon as it is there again.
        """
        limits: dict[str, Any] = {
            "pending_msgs_limit": messages_max,
            "pending_bytes_limit": bytes_max,
        }
        subscription = Subscription(self, subject, handler, queue, limits)
        self._subscriptions.add(subscription)
        try:
            with wrapped(f"subscribe to {subject}"):
                await subscription.attach(self._client)
        except MotorcadeError:
            self._subscriptions.discard(subscription)
            raise
        await self.flushed()
        return subscription

    async def flushed(self) -> None:
        """Wait until the server has what was sent before, if it is there. Never raises."""
        if self._client.is_connected:
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                # nats-py writes its PING past the queue the SUB waits in: only the second flush
                # is known to be behind it.
                await self._client.flush(_FLUSH_S)
                await self._client.flush(_FLUSH_S)

    def forget(self, subscription: Subscription) -> None:
        """A closed subscription is not made again."""
        self._subscriptions.discard(subscription)

    async def publish(
        self, subject: str, payload: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send a message and do not wait. Raises ``DependencyError`` while disconnected."""
        if not self.connected:
            raise DependencyError("NATS is not connected")
        with wrapped(f"publish to {subject}"):
            await self._client.publish(subject, payload, reply=reply, headers=headers)

    def expect(self, on_answer: Callable[[Msg | None], None]) -> str:
        """A reply subject whose every answer goes to ``on_answer``, until ``unexpect``.

        ``on_answer(None)`` says that the connection broke: an answer may never come.
        """
        self._token += 1
        token = str(self._token)
        self._waiting[token] = on_answer
        return f"{self._inbox_prefix}.{token}"

    def unexpect(self, reply: str) -> None:
        """Take no more answers on a subject from ``expect``."""
        self._waiting.pop(reply.rpartition(".")[2], None)

    async def ask(
        self, subject: str, payload: bytes, timeout_s: float, headers: dict[str, str] | None = None
    ) -> Msg:
        """One request, one answer, whatever it says.

        Raises ``DependencyError`` when none came in time, or the connection broke meanwhile.
        """
        answer: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()

        def take(msg: Msg | None) -> None:
            if answer.done():
                return
            if msg is None:
                answer.set_exception(DependencyError("the connection to NATS broke"))
            else:
                answer.set_result(msg)

        reply = self.expect(take)
        try:
            await self.publish(subject, payload, reply, headers)
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as error:
            raise DependencyError(f"no answer on {subject} within {timeout_s:g} s") from error
        finally:
            self.unexpect(reply)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` whenever the connection has come back."""
        self._watchers.add(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """The opposite of ``watch``."""
        self._watchers.discard(watcher)

    async def _connect(self) -> None:
        client = self._client
        # nats-py says int for what it hands to asyncio.sleep, which takes fractions.
        options: dict[str, Any] = {"reconnect_time_wait": _RECONNECT_WAIT_S}
        await client.connect(
            self._servers(),
            name=self._name,
            max_reconnect_attempts=-1,
            connect_timeout=5,
            ping_interval=5,
            max_outstanding_pings=3,
            pending_size=8 << 20,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_closed,
            **options,
        )
        if self._inbox is None:
            self._inbox_prefix = client.new_inbox()
            self._inbox = await self.subscribe(f"{self._inbox_prefix}.*", self._on_answer)

    def _servers(self) -> list[str]:
        if not self._url_file:
            return self._urls
        try:
            return [Path(self._url_file).read_text().strip()]
        except OSError as error:
            raise DependencyError(f"no NATS address in {self._url_file}") from error

    async def _on_answer(self, msg: Msg) -> None:
        take = self._waiting.get(msg.subject.rpartition(".")[2])
        if take is not None:
            take(msg)

    def _drop_waiting(self) -> None:
        for take in list(self._waiting.values()):
            take(None)

    async def _on_disconnected(self) -> None:
        self._connected.clear()
        self._drop_waiting()
        if not self._closing:
            _log.warning("nats disconnected", client=self._name)

    async def _on_reconnected(self) -> None:
        self._back()
        _log.info("nats reconnected", client=self._name)

    def _back(self) -> None:
        self.reconnects += 1
        self._connected.set()
        for watcher in list(self._watchers):
            watcher()

    async def _on_error(self, error: Exception) -> None:
        """Complain now and then; look whether the server has moved to another port."""
        now = asyncio.get_running_loop().time()
        if now - self._last_complaint_s >= _COMPLAINT_EVERY_S and not self._closing:
            self._last_complaint_s = now
            _log.warning("nats error", client=self._name, error=str(error) or repr(error))
        if not self._client.is_connected:
            close_transport(self._client)
        if self._url_file and not self._client.is_closed and not self.connected:
            with contextlib.suppress(DependencyError, NatsError):
                servers = self._servers()
                if servers != [uri.geturl() for uri in self._client.servers]:
                    self._client.set_server_pool(servers)

    async def _on_closed(self) -> None:
        """The library gave up, or we closed: where it was not us, start over."""
        self._connected.clear()
        self._drop_waiting()
        if not self._closing and (self._revival is None or self._revival.done()):
            self._revival = asyncio.get_running_loop().create_task(self._revive())

    async def _revive(self) -> None:
        _log.warning("nats connection given up by its client; connecting anew", client=self._name)
        while not self._closing:
            await asyncio.sleep(_RECONNECT_WAIT_S * 5)
            self._client = Client()
            try:
                async with asyncio.timeout(10):
                    await self._connect()
                    for subscription in list(self._subscriptions):
                        await subscription.attach(self._client)
            except (NatsError, OSError, TimeoutError, DependencyError) as error:
                await self._on_error(error)
                with contextlib.suppress(NatsError, OSError):
                    await self._client.close()
                continue
            self._back()
            return


class Subscription:
    """A subscription that is made again with every new client."""

    def __init__(
        self,
        connection: Connection,
        subject: str,
        handler: Handler,
        queue: str,
        limits: dict[str, Any],
    ) -> None:
        self.subject = subject
        self._connection = connection
        self._handler = handler
        self._queue = queue
        self._limits = limits
        self._current: NatsSubscription | None = None

    async def attach(self, client: Client) -> None:
        """Subscribe on this client."""
        self._current = await client.subscribe(
            self.subject, queue=self._queue, cb=self._handler, **self._limits
        )

    async def close(self) -> None:
        """Stop; messages still waiting are dropped. Never raises, safe to call twice."""
        self._connection.forget(self)
        current, self._current = self._current, None
        if current is not None:
            with contextlib.suppress(NatsError, OSError):
                await current.unsubscribe()


def close_transport(client: Client) -> None:
    """Close the socket of a failed attempt to connect; nats-py 2.16 would leave that to the
    garbage collector."""
    transport = getattr(client, "_transport", None)
    if transport:
        transport.close()


def refused(error: Mapping[str, Any], doing: str) -> MotorcadeError:
    """Our error for the ``error`` object of a JetStream answer."""
    return translated(APIError(**error), doing)


def translated(error: Exception, doing: str) -> MotorcadeError:
    """Our error for one of the client library's, raised while ``doing`` something."""
    said = f"{doing}: {str(error) or type(error).__name__}"
    if isinstance(error, APIError):
        if error.err_code in _FULL:
            return CapacityError(said, jetstream_code=error.err_code)
        if error.code == 404:
            return NotFound(said, jetstream_code=error.err_code)
        return DependencyError(said, jetstream_code=error.err_code)
    return DependencyError(said)


@contextlib.contextmanager
def wrapped(doing: str) -> Iterator[None]:
    """Turn the client library's exceptions into ours."""
    try:
        yield
    except (NatsError, OSError, TimeoutError) as error:
        raise translated(error, doing) from error
