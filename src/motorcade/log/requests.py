"""Ask and answer between processes, and hints that nobody waits for.

An answer longer than a part travels in several messages, each with the header ``Motorcade-Part:
i/n``. A handler that fails answers with ``Motorcade-Error: <code>`` and the error as msgpack; the
asker gets the same class of our error tree. Who answers is chosen by the server among all that
serve a subject under the same queue name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import msgspec
import structlog
from nats.aio.msg import Msg

from motorcade.errors import CapacityError, CorruptionError, DependencyError, MotorcadeError
from motorcade.limits import LOG_PART_BYTES_MAX, LOG_REPLY_BYTES_MAX
from motorcade.log.connection import Connection, Subscription
from motorcade.tasks import ended

__all__ = ["Service", "RequestHandler", "request"]

RequestHandler = Callable[[bytes], Awaitable[bytes]]

_log = structlog.get_logger(__name__)

_PART: Final = "Motorcade-Part"
_ERROR: Final = "Motorcade-Error"
_WAITING_PER_SLOT: Final = 4


class _Fault(msgspec.Struct):
    """An error on its way to the asker."""

    detail: str
    facts: dict[str, str | int | float | bool | None] = {}
    retry_after_s: float = 1.0


async def request(connection: Connection, subject: str, payload: bytes, timeout_s: float) -> bytes:
    """The answer to a request. Raises what the handler raised, or ``DependencyError`` where nobody
    serves the subject, or not in time."""
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    parts: dict[int, bytes] = {}

    def take(msg: Msg | None) -> None:
        if answer.done():
            return
        try:
            whole = _whole(msg, parts, subject)
        except MotorcadeError as error:
            answer.set_exception(error)
        else:
            if whole is not None:
                answer.set_result(whole)

    reply = connection.expect(take)
    try:
        await connection.publish(subject, payload, reply)
        async with asyncio.timeout(timeout_s):
            return await answer
    except TimeoutError as error:
        raise DependencyError(f"no answer on {subject} within {timeout_s:g} s") from error
    finally:
        connection.unexpect(reply)


class Service:
    """A handler at work on a subject; ``close`` it when done."""

    def __init__(
        self, connection: Connection, subject: str, handler: RequestHandler, in_flight_max: int
    ) -> None:
        self.refused = 0
        self._connection = connection
        self._subject = subject
        self._handler = handler
        self._slots = asyncio.Semaphore(in_flight_max)
        self._tasks_max = in_flight_max * (1 + _WAITING_PER_SLOT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: Subscription | None = None

    async def start(self, queue: str) -> None:
        """Begin to answer, as one of the queue's members."""
        self._subscription = await self._connection.subscribe(
            self._subject, self._on_request, queue
        )

    async def close(self) -> None:
        """Take no more requests; those at work are dropped, their askers see a timeout."""
        if self._subscription is not None:
            await self._subscription.close()
            await self._connection.flushed()  # who asks from now on learns that nobody is here
        tasks = list(self._tasks)
        await ended(*tasks)

    async def _on_request(self, msg: Msg) -> None:
        if not msg.reply:
            return
        if len(self._tasks) >= self._tasks_max:
            self.refused += 1
            await self._fail(msg, CapacityError(f"{self._subject} has too many requests"))
            return
        task = asyncio.get_running_loop().create_task(self._work(msg))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, msg: Msg) -> None:
        async with self._slots:
            try:
                answer = await self._handler(msg.data)
                if len(answer) > LOG_REPLY_BYTES_MAX:
                    raise CapacityError("the answer is too long; ask for less", bytes=len(answer))
                await self._reply(msg, answer)
            except MotorcadeError as error:
                await self._fail(msg, error)
            except Exception:
                await self._fail(msg, MotorcadeError("the handler failed; its log says why"))
                _log.exception("a request's handler failed", subject=self._subject)

    async def _reply(self, msg: Msg, answer: bytes) -> None:
        if len(answer) <= LOG_PART_BYTES_MAX:
            await self._connection.publish(msg.reply, answer)
            return
        starts = range(0, len(answer), LOG_PART_BYTES_MAX)
        for number, start in enumerate(starts, start=1):
            part = answer[start : start + LOG_PART_BYTES_MAX]
            headers = {_PART: f"{number}/{len(starts)}"}
            await self._connection.publish(msg.reply, part, headers=headers)

    async def _fail(self, msg: Msg, error: MotorcadeError) -> None:
        plain = (str, int, float, bool, type(None))
        fault = _Fault(
            error.detail,
            {key: v if isinstance(v, plain) else str(v) for key, v in error.facts.items()},
            error.retry_after_s if isinstance(error, CapacityError) else 1.0,
        )
        try:
            await self._connection.publish(
                msg.reply, msgspec.msgpack.encode(fault), headers={_ERROR: error.code}
            )
        except DependencyError as lost:
            _log.warning("an answer is lost", subject=self._subject, error=lost.detail)


def _whole(msg: Msg | None, parts: dict[int, bytes], subject: str) -> bytes | None:
    """The answer, once its last part is there; raises what the other side raised."""
    if msg is None:
        raise DependencyError("the connection to NATS broke during a request", subject=subject)
    headers = msg.headers or {}
    if headers.get("Status") == "503":
        raise DependencyError(f"nobody serves {subject}", subject=subject)
    if _ERROR in headers:
        raise _raised(headers[_ERROR], msg.data)
    if _PART not in headers:
        return msg.data
    number, _, count = headers[_PART].partition("/")
    parts[int(number)] = msg.data
    if len(parts) < int(count):
        return None
    return b"".join(parts[index] for index in sorted(parts))


def _raised(code: str, payload: bytes) -> MotorcadeError:
    try:
        fault = msgspec.msgpack.decode(payload, type=_Fault)
    except msgspec.DecodeError as error:
        return CorruptionError(f"an error answer cannot be read: {error}")
    kind = next((kind for kind in _tree(MotorcadeError) if kind.code == code), MotorcadeError)
    if issubclass(kind, CapacityError):
        return kind(fault.detail, fault.retry_after_s, **fault.facts)
    facts: dict[str, Any] = dict(fault.facts)
    return kind(fault.detail, **facts)


def _tree(kind: type[MotorcadeError]) -> Iterator[type[MotorcadeError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)
