"""Follow a stream: its messages in order, once, from a position, whatever happens to the server.

An ephemeral push consumer (its state in the server's memory, nothing acknowledged) delivers to an
inbox of ours. JetStream numbers what it delivers: a hole in those numbers, a missing heartbeat or a
new connection make a new consumer that starts after the last record handed over. Flow-control marks
are answered when they are read, behind the records before them, so a slow reader stops the server
instead of filling memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any, Final, Generic, NamedTuple, Protocol, Self, TypeVar

import msgspec
import structlog
from nats.aio.msg import Msg

from motorcade.errors import CapacityError, CorruptionError, DependencyError, MotorcadeError
from motorcade.log.connection import Connection, Subscription, refused

__all__ = ["Followed", "Follower", "Place"]

_log = structlog.get_logger(__name__)

_QUEUE_MAX: Final = 16
"""Messages read ahead of the reader; what is beyond waits in the client and then in the server."""

_HEARTBEATS_MISSED_MAX: Final = 3
_API_TIMEOUT_S: Final = 5.0
_RETRY_S: Final = 0.2
_FORGOTTEN_AFTER_S: Final = 10
_NS: Final = 1_000_000_000


class Followed(Protocol):
    """What a follower hands over."""

    @property
    def sequence(self) -> int: ...


R = TypeVar("R", bound=Followed)


class Place(NamedTuple):
    """Where a delivered message stands; ``gap`` sequences are missing just before it."""

    sequence: int
    delivered: int
    time_us: int
    pending: int
    gap: int = 0


class Follower(AsyncIterator[R], Generic[R]):
    """Iterate it, or take records in groups with ``take``; close it when done. A kind of stream
    says by ``_read`` what a message is and by ``_size`` how much of ``take``'s bytes it counts."""

    def __init__(self, connection: Connection, stream: str, after: int, heartbeat_s: float) -> None:
        self.position = after
        self.restarts = 0
        self._connection = connection
        self._heartbeat_s = heartbeat_s
        self._stream = stream
        self._queue: asyncio.Queue[Msg | None] = asyncio.Queue(_QUEUE_MAX)
        self._subscription: Subscription | None = None
        self._name = ""
        self._delivered = 0
        self._reconnects = -1
        self._broken = ""
        self._decoding: Msg | None = None
        self._closed = False
        connection.watch(self._wake)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        """The next record, as soon as there is one. Cancelling it loses nothing.

        Raises ``CorruptionError`` where the log ends before the position asked for: it is not the
        log this position came from.
        """
        while not self._closed:
            if self._decoding is None:
                self._decoding = await self._next_message()
            if self._decoding is not None:
                record = await self._record(self._decoding)
                self._decoding = None
                self.position = record.sequence
                return record
        raise StopAsyncIteration

    async def take(self, records_max: int = 64, bytes_max: int = 8 << 20) -> list[R]:
        """At least one record, and with it what has already arrived, up to the bounds.

        Cancelling it loses nothing. Raises as ``__anext__``.
        """
        before = self.position
        try:
            records = [await anext(self)]
            size = self._size(records[0])
            while len(records) < records_max and size < bytes_max and not self._queue.empty():
                self._decoding = await self._sorted(self._queue.get_nowait())
                if self._decoding is not None:
                    records.append(await anext(self))
                    size += self._size(records[-1])
                elif self._broken:
                    break
        except asyncio.CancelledError:
            if self.position != before:
                self.position, self._decoding, self._broken = before, None, "a read was cancelled"
            raise
        return records

    async def close(self) -> None:
        """Stop and let the server forget the consumer. Never raises."""
        if self._closed:
            return
        self._closed = True
        self._connection.unwatch(self._wake)
        await self._drop()
        with contextlib.suppress(MotorcadeError):
            subject = f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}"
            await self._connection.ask(subject, b"", 1.0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _next_message(self) -> Msg | None:
        """A record's message, or none when something else happened."""
        if self._broken or self._reconnects != self._connection.reconnects:
            await self._restart()
        try:
            async with asyncio.timeout(self._heartbeat_s * _HEARTBEATS_MISSED_MAX):
                msg = await self._queue.get()
        except TimeoutError:
            self._broken = "heartbeats are missing"
            return None
        return await self._sorted(msg)

    async def _sorted(self, msg: Msg | None) -> Msg | None:
        """A record's message that is next in turn; control messages are answered, holes noted."""
        if msg is None:
            return None
        headers = msg.headers or {}
        if headers.get("Status") == "100":
            if headers.get("Description", "").startswith("Flow"):
                await self._answer(msg.reply)
                return None
            if int(headers.get("Nats-Last-Consumer", self._delivered)) != self._delivered:
                self._broken = "messages are missing before a heartbeat"
            await self._answer(headers.get("Nats-Consumer-Stalled", ""))
            return None
        if "Status" in headers:
            self._broken = f"the server said {headers['Status']}"
            return None
        place = _place(msg)
        if place.delivered != self._delivered + 1:
            self._broken = "messages are missing"
            return None
        self._delivered = place.delivered
        return msg

    async def _record(self, msg: Msg) -> R:
        place = _place(msg)
        gap = place.sequence - self.position - 1
        if gap:
            _log.error("log records missing", stream=self._stream, before=place.sequence, gap=gap)
        return await self._read(place._replace(gap=gap), msg.data)

    @abstractmethod
    async def _read(self, place: Place, data: bytes) -> R:
        """The record of a message; what cannot be read is told in the record."""

    def _size(self, record: R) -> int:
        return 0

    def _wake(self) -> None:
        """The connection came back: look up from an empty queue, which nothing fills any more."""
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    async def _answer(self, subject: str) -> None:
        """An empty message; where it is lost, the server's next heartbeat asks again."""
        if subject:
            with contextlib.suppress(DependencyError):
                await self._connection.publish(subject, b"")

    async def _restart(self) -> None:
        """A consumer from the position on; tries until there is one or the log contradicts it."""
        if self._broken:
            _log.warning(
                "log consumer restarts",
                stream=self._stream,
                after=self.position,
                why=self._broken,
            )
        while not self._closed:
            reconnects = self._connection.reconnects
            await self._drop()
            try:
                await self._start()
            except (DependencyError, CapacityError) as error:
                _log.warning("log consumer waits", stream=self._stream, error=error.detail)
                await asyncio.sleep(_RETRY_S)
                await self._connection.wait_connected(_API_TIMEOUT_S)
                continue
            self.restarts += 1
            self._broken = ""
            self._reconnects = reconnects
            return

    async def _start(self) -> None:
        last = await self._last_sequence()
        if self.position > last:
            raise CorruptionError(
                f"{self._stream} ends at {last}, before the reader's position {self.position}",
                stream=self._stream,
                last=last,
                position=self.position,
            )
        queue: asyncio.Queue[Msg | None] = asyncio.Queue(_QUEUE_MAX)

        async def deliver(msg: Msg) -> None:
            await queue.put(msg)

        inbox = self._connection.client.new_inbox()
        self._queue, self._delivered = queue, 0
        self._subscription = await self._connection.subscribe(inbox, deliver)
        created = await self._api(f"CONSUMER.CREATE.{self._stream}", self._settings(inbox))
        self._name = created["name"]

    async def _drop(self) -> None:
        """The server forgets a consumer whose inbox nobody listens to."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.close()

    def _settings(self, inbox: str) -> dict[str, Any]:
        return {
            "stream_name": self._stream,
            "config": {
                "deliver_subject": inbox,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": self.position + 1,
                "ack_policy": "none",
                "max_deliver": 1,
                "replay_policy": "instant",
                "flow_control": True,
                "idle_heartbeat": round(self._heartbeat_s * _NS),
                "inactive_threshold": _FORGOTTEN_AFTER_S * _NS,
                "mem_storage": True,
                "num_replicas": 1,
            },
        }

    async def _last_sequence(self) -> int:
        info = await self._api(f"STREAM.INFO.{self._stream}", {})
        return int(info["state"]["last_seq"])

    async def _api(self, call: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = await self._connection.ask(
            f"$JS.API.{call}", msgspec.json.encode(payload), _API_TIMEOUT_S
        )
        if answer.headers and "Status" in answer.headers:
            raise DependencyError("JetStream does not answer", call=call)
        result: dict[str, Any] = msgspec.json.decode(answer.data)
        if "error" in result:
            raise refused(result["error"], call)
        return result


def _place(msg: Msg) -> Place:
    """``$JS.ACK.<stream>.<consumer>.<times>.<sequence>.<delivered>.<time>.<pending>``, or with
    domain and account after ``ACK`` and a token at the end (NATS ADR-15)."""
    parts = msg.reply.split(".")
    start = 5 if len(parts) == 9 else 7
    try:
        sequence, delivered, time_ns, pending = (int(part) for part in parts[start : start + 4])
    except ValueError as error:
        raise CorruptionError(f"a message's place cannot be read: {msg.reply}") from error
    return Place(sequence, delivered, time_ns // 1000, pending)
