"""Append: batches into durable messages, retried until they are on disk or the time is up.

In: batches of a partition. Out: the sequence of the last message, after its fsync. Every message
carries an id under which JetStream takes it once, so sending it again after a lost answer is safe.
A timed-out append may still have been stored: its caller does not acknowledge, the vehicle sends
again, and readers drop the double by the record's identity.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from motorcade.clock import Clock
from motorcade.errors import CapacityError, DependencyError
from motorcade.limits import LOG_APPENDS_IN_FLIGHT_MAX
from motorcade.log.config import Config
from motorcade.log.connection import Connection, refused
from motorcade.log.envelope import pack
from motorcade.log.schemas import Schemas
from motorcade.log.streams import telemetry_stream, telemetry_subject
from motorcade.signals.batch import SignalBatch

__all__ = ["Appending"]

T = TypeVar("T")

_BACKOFF_S: Final = (0.02, 0.05, 0.1, 0.2, 0.5)
_STATVFS_EVERY_S: Final = 0.2
_HEADERS_ROOM: Final = 4096
"""Left free below the server's largest message, for headers."""


class _Ack(msgspec.Struct):
    """A publish answer of JetStream."""

    seq: int = 0
    error: dict[str, Any] | None = None
    duplicate: bool = False


class Appending:
    """The write side of the log in this process."""

    def __init__(
        self, connection: Connection, config: Config, clock: Clock, schemas: Schemas
    ) -> None:
        self.retries = 0
        self.messages = 0
        self.bytes = 0
        self._connection = connection
        self._config = config
        self._clock = clock
        self._schemas = schemas
        self._slots = asyncio.Semaphore(LOG_APPENDS_IN_FLIGHT_MAX)
        self._prefix = secrets.token_hex(8)
        self._count = 0
        self._decoder = msgspec.json.Decoder(_Ack)
        self._checked_s = -_STATVFS_EVERY_S
        self._free_bytes: int | None = None

    async def append(self, partition: int, batches: Sequence[SignalBatch], name: str = "") -> int:
        """See ``Log.append``."""
        deadline = self._clock.monotonic_s() + self._config.append_timeout_s
        self.check_disk()
        await self._slot()
        try:
            named = []
            for batch in batches:
                if len(batch):
                    named.append((batch, await self._name(batch, deadline)))
            row_max = self._connection.client.max_payload - _HEADERS_ROOM
            last = 0
            subject, stream = telemetry_subject(partition), telemetry_stream(partition)
            for number, message in enumerate(pack(named, row_bytes_max=row_max)):
                one = f"{name}.{number}" if name else ""
                last = await self.put(subject, stream, message, deadline, one)
            return last
        finally:
            self._slots.release()

    async def store(self, partition: int, message: bytes, deadline: float) -> int:
        """Publish one message until it is stored; ``deadline`` in monotonic seconds."""
        return await self.put(
            telemetry_subject(partition), telemetry_stream(partition), message, deadline
        )

    async def put(
        self, subject: str, stream: str, message: bytes, deadline: float, name: str = ""
    ) -> int:
        """Publish one message into a stream until it is stored. A ``name`` of the caller's: of all
        messages of that name, whoever sends them, the stream takes one per duplicate window."""
        self._count += 1
        headers = {
            "Nats-Msg-Id": name or f"{self._prefix}-{self._count}",
            "Nats-Expected-Stream": stream,
        }

        async def attempt() -> int:
            self.check_disk()
            left = max(deadline - self._clock.monotonic_s(), 0.05)
            timeout_s = min(self._config.publish_timeout_s, left)
            return await self._publish(subject, message, headers, timeout_s)

        sequence = await self._until(deadline, attempt)
        self.messages += 1
        self.bytes += len(message)
        return sequence

    def free_bytes(self) -> int | None:
        """Free space of the store's disk, as of 0.2 s ago; none where it is not ours."""
        if not self._config.directory:
            return None
        now = self._clock.monotonic_s()
        if now - self._checked_s >= _STATVFS_EVERY_S:
            try:
                state = os.statvfs(self._config.directory)
            except OSError as error:
                raise DependencyError(f"the log's disk cannot be read: {error}") from error
            self._checked_s = now
            self._free_bytes = state.f_bavail * state.f_frsize
        return self._free_bytes

    def check_disk(self) -> None:
        """Raises ``CapacityError`` while the disk's free space is below the reserve."""
        free = self.free_bytes()
        if free is not None and free < self._config.disk_reserve_bytes:
            raise CapacityError(
                f"disk has {free >> 20} MiB free, under log.disk_reserve_bytes: nothing is stored"
                " until there is room again",
                free_bytes=free,
                reserve_bytes=self._config.disk_reserve_bytes,
            )

    async def _slot(self) -> None:
        try:
            async with asyncio.timeout(self._config.append_timeout_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise DependencyError("the log is too slow for what is appended to it") from error

    async def _name(self, batch: SignalBatch, deadline: float) -> str:
        return await self._until(deadline, lambda: self._schemas.name(batch.data.schema))

    async def _publish(
        self, subject: str, message: bytes, headers: dict[str, str], timeout_s: float
    ) -> int:
        answer = await self._connection.ask(subject, message, timeout_s, headers)
        if answer.headers and "Status" in answer.headers:
            raise DependencyError(f"the stream of {subject} does not answer")
        try:
            ack = self._decoder.decode(answer.data)
        except msgspec.DecodeError as error:
            raise DependencyError(f"JetStream gave an answer nobody can read: {error}") from error
        if ack.error is not None:
            raise refused(ack.error, "append")
        return ack.seq

    async def _until(self, deadline: float, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works; raises the last ``DependencyError`` when the time is up."""
        for pause_s in _pauses():
            try:
                return await attempt()
            except DependencyError:
                left = deadline - self._clock.monotonic_s()
                if left <= 0:
                    raise
                self.retries += 1
                if self._connection.connected:
                    await asyncio.sleep(min(pause_s, left))
                elif not await self._connection.wait_connected(left):
                    raise
        raise DependencyError("the log never answered")


def _pauses() -> Iterator[float]:
    yield from _BACKOFF_S
    while True:
        yield _BACKOFF_S[-1]
