"""A publisher to any NATS, ours or somebody else's: a message counts when the server has it.

In: a URL, subjects and payloads. Out: nothing until the server has acknowledged: by JetStream where
a stream takes the subject, else by a round trip behind the messages.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from ssl import SSLContext
from typing import Any, Final

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from motorcade.errors import DependencyError, Invalid
from motorcade.log.connection import close_transport, refused, translated

__all__ = ["Publisher"]

_CLIENT_NAME: Final = "motorcade forwarder"


class Publisher:
    """One connection, made by ``await Publisher.open(…)``; it does not come back by itself."""

    def __init__(self, client: Client, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        timeout_s: float,
        user: str = "",
        password: str = "",
        token: str = "",
        tls: SSLContext | None = None,
        tls_hostname: str = "",
    ) -> Publisher:
        """Connect. Raises ``DependencyError``."""
        client = Client()
        options: dict[str, Any] = {}
        if user:
            options |= {"user": user, "password": password}
        if token:
            options["token"] = token
        if tls is not None:
            options |= {"tls": tls, "tls_hostname": tls_hostname}
        try:
            async with asyncio.timeout(timeout_s):
                await client.connect(
                    [url],
                    name=_CLIENT_NAME,
                    allow_reconnect=False,
                    max_reconnect_attempts=0,
                    connect_timeout=max(1, round(timeout_s)),
                    error_cb=_ignored,
                    **options,
                )
        except (NatsError, OSError, TimeoutError) as error:
            close_transport(client)
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                await client.close()
            raise DependencyError(f"NATS: {str(error) or type(error).__name__}") from error
        return cls(client, timeout_s)

    @property
    def connected(self) -> bool:
        """Whether the server can still be spoken to."""
        return bool(self._client.is_connected)

    @property
    def payload_max(self) -> int:
        """The largest message the server takes, in bytes."""
        return int(self._client.max_payload)

    async def publish_all(
        self, messages: Sequence[tuple[str, bytes, Mapping[str, str]]], *, jetstream: bool
    ) -> None:
        """Publish subjects, payloads and headers; return when the server has them all.

        Raises ``DependencyError`` where it has not within ``timeout_s``: some may have arrived.
        ``CapacityError`` or ``Invalid`` where a stream will not take them.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                if jetstream:
                    await self._stored(messages)
                    return
                for subject, payload, headers in messages:
                    await self._client.publish(subject, payload, headers=dict(headers))
                # nats-py writes its PING past the queue what was published waits in: only the
                # second round trip is known to be behind it.
                for _ in range(2):
                    await self._client.flush(max(1, round(self._timeout_s)))
        except (NatsError, OSError, TimeoutError) as error:
            raise translated(error, "publish") from error

    async def _stored(self, messages: Sequence[tuple[str, bytes, Mapping[str, str]]]) -> None:
        answers = await asyncio.gather(*(self._ask(*message) for message in messages))
        for answer in answers:
            if answer.headers and "Status" in answer.headers:
                raise Invalid("no stream takes this subject")
            error = msgspec.json.decode(answer.data).get("error")
            if error is not None:
                raise refused(error, "publish")

    async def _ask(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> Msg:
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, max_msgs=1)
        try:
            await self._client.publish(subject, payload, reply=inbox, headers=dict(headers))
            return await subscription.next_msg(self._timeout_s)
        finally:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()

    async def close(self) -> None:
        """Close. Never raises."""
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            await self._client.close()


async def _ignored(_: Exception) -> None:
    """Whoever publishes is told."""
