"""What happened, durably: append, consume, trim, ask and answer, over NATS JetStream.

In: batches of a partition. Out: the same batches, in order, to any number of readers that keep their own
position. Nothing else in the platform speaks NATS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from motorcade.clock import Clock, SystemClock
from motorcade.errors import MotorcadeError
from motorcade.log.appending import Appending
from motorcade.log.config import Config
from motorcade.log.connection import Connection, wrapped
from motorcade.log.consuming import Consumer, Record
from motorcade.log.schemas import Schemas
from motorcade.log.streams import BUCKET, ensure, telemetry_stream
from motorcade.signals.batch import SignalBatch

__all__ = ["Config", "Log", "Record", "Bounds"]


class Bounds(NamedTuple):
    """What a partition holds: sequences ``first`` to ``last`` (``last`` = ``first`` - 1: nothing)."""

    first: int
    last: int
    messages: int
    bytes: int


class Log:
    """This process's log. Build with ``await Log.connect(…)``; safe for any number of tasks."""

    def __init__(self, connection: Connection, config: Config, clock: Clock) -> None:
        self._connection = connection
        self._config = config
        self._schemas = Schemas(connection)
        self._appending = Appending(connection, config, clock, self._schemas)

    @classmethod
    async def connect(cls, config: Config, clock: Clock | None = None) -> Log:
        """Connect and make missing streams.

        Raises ``DependencyError`` where no server answers in ``connect_timeout_s``, ``Conflict``
        where the log was made with another number of partitions.
        """
        urls = [url.strip() for url in config.url.split(",") if url.strip()]
        connection = await Connection.open(
            urls, config.url_file, config.name, config.connect_timeout_s
        )
        try:
            await ensure(connection, config)
        except MotorcadeError:
            await connection.close()
            raise
        return cls(connection, config, clock or SystemClock())

    async def close(self) -> None:
        """Close the connection; consumers end, waiting appends fail."""
        await self._connection.close()

    @property
    def partitions(self) -> int:
        """Number of partitions, 0 to ``partitions - 1``."""
        return self._config.partitions

    async def append(self, partition: int, batches: Sequence[SignalBatch]) -> int:
        """Store batches; when this returns they are fsynced. Returns the last message's sequence.

        Batches share messages, and are split by rows, so that none is above 1 MiB. Raises
        ``CapacityError`` where log or disk is full, ``DependencyError`` where the server gave no
        answer for ``append_timeout_s`` (the batches may be stored, or in part: append them again
        and let readers drop the doubles), ``Invalid`` for a row no message can hold.
        """
        return await self._appending.append(partition, batches)

    def consume(self, partition: int, after: int) -> Consumer:
        """The partition's records with sequences above ``after`` (0: from the beginning), for ever."""
        return Consumer(self._connection, self._schemas, partition, after, self._config.heartbeat_s)

    async def bounds(self, partition: int) -> Bounds:
        """What a partition holds now."""
        with wrapped(f"look at partition {partition}"):
            info = await self._connection.jetstream().stream_info(telemetry_stream(partition))
        state = info.state
        return Bounds(state.first_seq, state.last_seq, state.messages, state.bytes)

    async def first_sequence(self, partition: int) -> int:
        """The oldest sequence kept."""
        return (await self.bounds(partition)).first

    async def last_sequence(self, partition: int) -> int:
        """The newest sequence stored; 0 for a partition nothing was ever appended to."""
        return (await self.bounds(partition)).last

    async def trim(self, partition: int, through: int) -> None:
        """Forget the records up to and including ``through``; the very last one always stays.

        (A stream that holds nothing has only its own word for how far it had counted.)
        """
        bounds = await self.bounds(partition)
        keep_from = min(through + 1, bounds.last)
        if keep_from <= bounds.first:
            return
        with wrapped(f"trim partition {partition}"):
            await self._connection.jetstream().purge_stream(
                telemetry_stream(partition), seq=keep_from
            )
