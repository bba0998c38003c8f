"""``Appender``: many small batches into one durable message.

For producers that have a few rows at a time and may wait some milliseconds: rows of equal kind and
schema are joined, one message is appended per linger or as soon as enough bytes are there, and
every waiter gets that message's sequence after its fsync.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from motorcade.errors import DependencyError
from motorcade.limits import LOG_MESSAGE_BYTES_MAX
from motorcade.log.log import Log
from motorcade.signals.batch import SignalBatch, concat

__all__ = ["Appender"]

_WAITING_FACTOR: Final = 4
"""Bytes that may wait, in messages; at the bound ``append`` waits for the next message to leave."""


class Appender:
    """The small producer's way into one partition; close it to write out what still waits."""

    def __init__(
        self,
        log: Log,
        partition: int,
        linger_ms: float = 5.0,
        bytes_max: int = LOG_MESSAGE_BYTES_MAX // 2,
    ) -> None:
        self._log = log
        self._partition = partition
        self._linger_s = linger_ms / 1000
        self._bytes_max = bytes_max
        self._waiting: list[tuple[SignalBatch, asyncio.Future[int]]] = []
        self._bytes = 0
        self._enough = asyncio.Event()
        self._room = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def append(self, batch: SignalBatch) -> int:
        """Store a batch; returns the sequence of its message, fsynced. Raises as ``Log.append``."""
        size = batch.data.nbytes
        async with self._room:
            await self._room.wait_for(lambda: self._closed or self._has_room(size))
        if self._closed:
            raise DependencyError("this appender is closed")
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, done))
        self._bytes += size
        if self._bytes >= self._bytes_max:
            self._enough.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return await done

    async def close(self) -> None:
        """Write out what waits, then stop."""
        self._closed = True
        self._enough.set()
        async with self._room:
            self._room.notify_all()
        if self._task is not None:
            await self._task

    def _has_room(self, size: int) -> bool:
        return not self._waiting or self._bytes + size <= self._bytes_max * _WAITING_FACTOR

    async def _run(self) -> None:
        """Works as long as something waits, then ends; the next ``append`` starts it again."""
        while self._waiting:
            if not self._enough.is_set() and self._linger_s > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._linger_s):
                        await self._enough.wait()
            waiting, self._waiting, self._bytes = self._waiting, [], 0
            if not self._closed:
                self._enough.clear()
            async with self._room:
                self._room.notify_all()
            await self._send(waiting)
        self._task = None

    async def _send(self, waiting: list[tuple[SignalBatch, asyncio.Future[int]]]) -> None:
        try:
            batches = _joined(batch for batch, _ in waiting)
            sequence = await self._log.append(self._partition, batches)
        except Exception as error:  # whatever it is belongs to those who wait
            for _, done in waiting:
                if not done.done():
                    done.set_exception(error)
            return
        for _, done in waiting:
            if not done.done():
                done.set_result(sequence)


def _joined(batches: Iterable[SignalBatch]) -> list[SignalBatch]:
    """Batches of equal kind and schema joined, in order of first appearance: no new schemas."""
    groups: list[tuple[str, pa.Schema, list[SignalBatch]]] = []
    for batch in batches:
        schema = batch.data.schema
        for kind, known, group in groups:
            if kind == batch.kind and known.equals(schema, check_metadata=True):
                group.append(batch)
                break
        else:
            groups.append((batch.kind, schema, [batch]))
    return [joined for _, _, group in groups for joined in concat(group)]
