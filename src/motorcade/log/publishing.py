"""A publisher to any NATS, ours or somebody else's: a message counts when the server has it.

In: a URL, subjects and payloads. Out: of each message whether the server has it: by JetStream's own
word where a stream takes the subject, else by a round trip behind the messages. What the server
will never take (no permission, too large for its stream) is told apart from what it may yet take.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from ssl import SSLContext
from typing import Any, Final

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from motorcade.errors import DependencyError, Forbidden, Invalid, MotorcadeError
from motorcade.log.connection import close_transport, refused, translated

__all__ = ["Message", "Publisher"]

_CLIENT_NAME: Final = "motorcade forwarder"
_TOO_LARGE: Final = frozenset({10054, 10097})
"""JetStream error codes: message and headers exceed what the stream takes. Source: nats-server
``server/errors.json``."""
_DENIED: Final = re.compile(r'permissions violation for publish to "(.*)"')

Message = tuple[str, bytes, Mapping[str, str]]
"""Subject, payload, headers."""


class Publisher:
    """One connection, made by ``await Publisher.open(…)``; it does not come back by itself."""

    def __init__(self, client: Client, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._inbox = ""
        self._token = 0
        self._waiting: dict[str, tuple[str, asyncio.Future[Msg]]] = {}
        """By token of the reply's subject: a message's subject, and the answer to come."""
        self._denied: set[str] = set()
        """Subjects the server did not let us publish to, in small letters as the client tells."""
        self._complaint = ""

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
        publisher = cls(client, timeout_s)
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
                    error_cb=publisher._on_error,
                    closed_cb=publisher._on_closed,
                    **options,
                )
                publisher._inbox = client.new_inbox()
                await client.subscribe(f"{publisher._inbox}.*", cb=publisher._on_answer)
        except (NatsError, OSError, TimeoutError) as error:
            close_transport(client)
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                await client.close()
            raise DependencyError(f"NATS: {str(error) or type(error).__name__}") from error
        return publisher

    @property
    def connected(self) -> bool:
        """Whether the server can still be spoken to."""
        return bool(self._client.is_connected)

    @property
    def payload_max(self) -> int:
        """The largest message the server takes, in bytes."""
        return int(self._client.max_payload)

    async def publish_all(
        self, messages: Sequence[Message], *, jetstream: bool
    ) -> list[MotorcadeError | None]:
        """Publish; return when the server has said of each message whether it has it.

        None where it has. ``Forbidden`` and ``Invalid`` where it never will: no permission, too
        large. Another error where it may yet, ``DependencyError`` where no answer came within
        ``timeout_s``. Raises ``DependencyError`` where nothing is known: some may have arrived.
        """
        self._denied.clear()
        self._complaint = ""
        try:
            if jetstream:
                return await self._stored(messages)
            async with asyncio.timeout(self._timeout_s):
                for subject, payload, headers in messages:
                    await self._client.publish(subject, payload, headers=dict(headers))
                # nats-py writes its PING past the queue what was published waits in: only the
                # second round trip is known to be behind it. Refusals come before its answer.
                for _ in range(2):
                    await self._client.flush(max(1, round(self._timeout_s)))
        except (NatsError, OSError, TimeoutError) as error:
            raise translated(error, "publish") from error
        return [
            _forbidden(subject) if subject.lower() in self._denied else None
            for subject, _, _ in messages
        ]

    async def _stored(self, messages: Sequence[Message]) -> list[MotorcadeError | None]:
        tokens: list[str] = []
        answers: list[asyncio.Future[Msg]] = []
        try:
            for subject, payload, headers in messages:
                self._token += 1
                tokens.append(str(self._token))
                answers.append(asyncio.get_running_loop().create_future())
                self._waiting[tokens[-1]] = (subject, answers[-1])
                reply = f"{self._inbox}.{self._token}"
                async with asyncio.timeout(self._timeout_s):
                    await self._client.publish(subject, payload, reply=reply, headers=dict(headers))
            if answers:
                await asyncio.wait(answers, timeout=self._timeout_s)
            return [
                self._outcome(subject, answer)
                for (subject, _, _), answer in zip(messages, answers, strict=True)
            ]
        finally:
            for token, answer in zip(tokens, answers, strict=True):
                self._waiting.pop(token, None)
                if not answer.cancel() and not answer.cancelled():
                    answer.exception()  # seen, also where nobody came to look

    def _outcome(self, subject: str, answer: asyncio.Future[Msg]) -> MotorcadeError | None:
        if not answer.done():
            said = self._complaint or f"no answer within {self._timeout_s:g} s"
            return DependencyError(f"publish to {subject}: {said}")
        error = answer.exception()
        if error is not None:
            return error if isinstance(error, MotorcadeError) else DependencyError(repr(error))
        message = answer.result()
        if message.headers and "Status" in message.headers:
            return DependencyError(f"no stream takes {subject}")
        told = msgspec.json.decode(message.data).get("error")
        if told is None:
            return None
        if told.get("err_code") in _TOO_LARGE:
            return Invalid(f"publish to {subject}: {told.get('description')}")
        return refused(told, f"publish to {subject}")

    async def _on_answer(self, message: Msg) -> None:
        _, answer = self._waiting.get(message.subject.rpartition(".")[2], ("", None))
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def _on_error(self, error: Exception) -> None:
        """What the server complains of without naming the message: permissions, above all."""
        self._complaint = str(error) or type(error).__name__
        denied = _DENIED.search(self._complaint)
        if denied is None:
            return
        self._denied.add(denied[1])
        for subject, answer in self._waiting.values():
            if subject.lower() == denied[1] and not answer.done():
                answer.set_exception(_forbidden(subject))

    async def _on_closed(self) -> None:
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(DependencyError("the connection to NATS broke"))

    async def close(self) -> None:
        """Close. Never raises."""
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            await self._client.close()


def _forbidden(subject: str) -> Forbidden:
    return Forbidden(f"the server does not let us publish to {subject}")
