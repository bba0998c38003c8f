"""Append: batches into durable messages, retried until they are on disk or the time is up.

In: batches of a partition. Out: the sequence of the last message, after its fsync. Every message carries an id
under which JetStream takes it once, so sending it again after a lost answer is safe. A timed-out append may
still have been stored: its caller does not acknowledge, the vehicle sends again, and readers drop the double by
the record's identity.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Sequence

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

_BACKOFF_S = (0.02, 0.05, 0.1, 0.2, 0.5)
_STATVFS_EVERY_S = 0.2
_HEADERS_ROOM = 4096
"""Left free below the server's largest message, for headers."""


class _Ack(msgspec.Struct):
    """A publish answer of JetStream."""

    seq: int = 0
    error: dict[str, object] | None = None
    duplicate: bool = False


class Appending:
    """The write side of the log in this process."""

    def __init__(
        self, connection: Connection, config: Config, clock: Clock, schemas: Schemas
    ) -> None:
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
        self.retries = 0
        self.appended_messages = 0
        self.appended_bytes = 0

    async def append(self, partition: int, batches: Sequence[SignalBatch]) -> int:
        """See ``Log.append``."""
        async with self._slots:
            self.check_disk()
            deadline = self._clock.monotonic_s() + self._config.append_timeout_s
            named = []
            for batch in batches:
                if len(batch):
                    named.append((batch, await self._name(batch, deadline)))
            row_max = self._connection.client.max_payload - _HEADERS_ROOM
            messages = pack(named, row_bytes_max=row_max)
            last = 0
            for message in messages:
                last = await self._store(partition, message, deadline)
            return last

    def check_disk(self) -> None:
        """Raises ``CapacityError`` while the disk's free space is below the reserve."""
        if not self._config.directory:
            return
        now = self._clock.monotonic_s()
        if now - self._checked_s >= _STATVFS_EVERY_S:
            self._checked_s = now
            try:
                state = os.statvfs(self._config.directory)
            except OSError as error:
                raise DependencyError(f"the log's disk cannot be read: {error}") from error
            self._free_bytes = state.f_bavail * state.f_frsize
        if self._free_bytes is not None and self._free_bytes < self._config.disk_reserve_bytes:
            raise CapacityError(
                "the log's disk is full",
                free_bytes=self._free_bytes,
                reserve_bytes=self._config.disk_reserve_bytes,
            )

    async def _name(self, batch: SignalBatch, deadline: float) -> str:
        for attempt in range(1_000_000):
            try:
                return await self._schemas.name(batch.data.schema)
            except DependencyError as error:
                await self._pause(attempt, deadline, error)
        raise DependencyError("the schema registry never answered")

    async def _store(self, partition: int, message: bytes, deadline: float) -> int:
        """Publish one message until JetStream says it is stored."""
        self._count += 1
        headers = {
            "Nats-Msg-Id": f"{self._prefix}-{self._count}",
            "Nats-Expected-Stream": telemetry_stream(partition),
        }
        subject = telemetry_subject(partition)
        attempt = 0
        while True:
            try:
                sequence = await self._publish(subject, message, headers, deadline)
            except DependencyError as error:
                self.retries += 1
                await self._pause(attempt, deadline, error)
                attempt += 1
            else:
                self.appended_messages += 1
                self.appended_bytes += len(message)
                return sequence

    async def _publish(
        self, subject: str, message: bytes, headers: dict[str, str], deadline: float
    ) -> int:
        left = max(deadline - self._clock.monotonic_s(), 0.05)
        answer = await self._connection.ask(
            subject, message, min(self._config.publish_timeout_s, left), headers
        )
        if answer.headers and "Status" in answer.headers:
            raise DependencyError(f"the stream of {subject} does not answer")
        try:
            ack = self._decoder.decode(answer.data)
        except msgspec.DecodeError as error:
            raise DependencyError(f"JetStream gave an answer nobody can read: {error}") from error
        if ack.error is not None:
            raise refused(ack.error, "append")
        return ack.seq

    async def _pause(self, attempt: int, deadline: float, error: DependencyError) -> None:
        """Wait for the next attempt; raises the error where there is no time for one."""
        left = deadline - self._clock.monotonic_s()
        if left <= 0:
            raise error
        if self._connection.connected:
            await asyncio.sleep(min(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)], left))
        elif not await self._connection.wait_connected(left):
            raise error
