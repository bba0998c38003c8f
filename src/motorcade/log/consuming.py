"""Consume: a partition's telemetry in order, once, from a position, whatever happens."""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

import structlog

from motorcade.errors import CorruptionError, DependencyError
from motorcade.log.connection import Connection
from motorcade.log.envelope import open_message, read_segment
from motorcade.log.following import Follower, Place
from motorcade.log.schemas import Schemas
from motorcade.log.streams import telemetry_stream
from motorcade.signals.batch import SignalBatch

__all__ = ["Consumer", "Record"]

_log = structlog.get_logger(__name__)

_RETRY_S: Final = 0.2


class Record(NamedTuple):
    """One message of the log.

    ``gap``: sequences that are missing just before this one, 0 when all is well: the reader asked
    for records the log has already trimmed, or the store lost some. ``fault``: why the message
    cannot be read; ``batches`` is then empty, and the reader decides (count it, show it, go on).
    ``data``: the message as it is stored, where it cannot be read; else empty.
    ``pending``: messages of the partition behind this one when the server sent it.
    """

    sequence: int
    time_us: int
    batches: tuple[SignalBatch, ...]
    pending: int = 0
    gap: int = 0
    fault: CorruptionError | None = None
    data: bytes = b""


class Consumer(Follower[Record]):
    """A partition's records; see ``Follower``."""

    def __init__(
        self,
        connection: Connection,
        schemas: Schemas,
        partition: int,
        after: int,
        heartbeat_s: float,
    ) -> None:
        super().__init__(connection, telemetry_stream(partition), after, heartbeat_s)
        self.partition = partition
        self._schemas = schemas

    async def _read(self, place: Place, data: bytes) -> Record:
        batches: list[SignalBatch] = []
        fault = None
        try:
            for segment in open_message(data):
                batches.append(read_segment(segment, await self._schema(segment.schema)))
        except CorruptionError as error:
            _log.error("log record unreadable", stream=self._stream, sequence=place.sequence)
            batches, fault = [], error
        kept = bytes(data) if fault is not None else b""
        return Record(
            place.sequence, place.time_us, tuple(batches), place.pending, place.gap, fault, kept
        )

    def _size(self, record: Record) -> int:
        return sum(batch.data.nbytes for batch in record.batches)

    async def _schema(self, name: str) -> Any:
        known = self._schemas.cached(name)
        while known is None:
            try:
                known = await self._schemas.fetch(name)
            except DependencyError as error:
                _log.warning("schema not to be had", schema=name, error=error.detail)
                await asyncio.sleep(_RETRY_S)
        return known
