"""What happened, durably: append, consume, trim, ask and answer, over NATS JetStream.

In: batches of a partition. Out: the same batches, in order, to any number of readers that keep
their own position. Nothing else in the platform speaks NATS.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from nats.aio.msg import Msg

from motorcade.clock import Clock, SystemClock
from motorcade.errors import MotorcadeError
from motorcade.log.appending import Appending
from motorcade.log.config import Config
from motorcade.log.connection import Connection, Subscription, wrapped
from motorcade.log.consuming import Consumer, Record
from motorcade.log.events import Event
from motorcade.log.posting import EventFollower, EventRecord, Posting
from motorcade.log.quarantine import Quarantine, Quarantined, QuarantinePage
from motorcade.log.requests import RequestHandler, Service, request
from motorcade.log.schemas import Schemas
from motorcade.log.spools import Spools
from motorcade.log.streams import ensure, events_stream, telemetry_stream
from motorcade.signals.batch import SignalBatch

__all__ = [
    "Bounds",
    "Config",
    "Consumer",
    "EventFollower",
    "EventRecord",
    "Log",
    "Quarantined",
    "QuarantinePage",
    "Record",
    "Service",
]


class Bounds(NamedTuple):
    """What a partition holds: sequences ``first`` to ``last``; nothing where last is first - 1.

    ``bytes_max``: how many bytes it may hold, 0 where there is no bound.
    """

    first: int
    last: int
    messages: int
    bytes: int
    bytes_max: int = 0


class Log:
    """This process's log. Build with ``await Log.connect(…)``; safe for any number of tasks."""

    def __init__(self, connection: Connection, config: Config, clock: Clock) -> None:
        self._connection = connection
        self._config = config
        self._schemas = Schemas(connection)
        self._appending = Appending(connection, config, clock, self._schemas)
        self._posting = Posting(self._appending, config, clock)
        self._quarantine = Quarantine(connection, config, clock)
        self.spools = Spools(connection, config, self._schemas)

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

    @property
    def connected(self) -> bool:
        """Whether the server can be spoken to right now."""
        return self._connection.connected

    async def close(self) -> None:
        """Close the connection; consumers end, waiting appends fail."""
        await self._connection.close()

    @property
    def partitions(self) -> int:
        """Number of partitions, 0 to ``partitions - 1``."""
        return self._config.partitions

    async def append(self, partition: int, batches: Sequence[SignalBatch], name: str = "") -> int:
        """Store batches; when this returns they are fsynced. Returns the last message's sequence.

        Batches share messages, and are split by rows, so that none is above 1 MiB. Raises
        ``CapacityError`` where log or disk is full, ``DependencyError`` where the server gave no
        answer for ``append_timeout_s`` (the batches may be stored, or in part: append them again
        and let readers drop the doubles), ``Invalid`` for a row no message can hold.

        ``name``: who appends the same batches again under the same name, within
        ``duplicate_window_s``, finds them stored once.
        """
        return await self._appending.append(partition, batches, name)

    def consume(self, partition: int, after: int) -> Consumer:
        """The partition's records with sequences above ``after`` (0: all), for ever."""
        return Consumer(self._connection, self._schemas, partition, after, self._config.heartbeat_s)

    async def post(self, partition: int, events: Sequence[Event], name: str = "") -> int:
        """Store events in order; when this returns they are fsynced. Returns the last message's
        sequence, 0 for no events.

        ``name``: where two processes may post the same events, or one may post them again after a
        failure, they are stored once if both give this name (within ``duplicate_window_s``).
        Raises ``CapacityError`` and ``DependencyError`` as ``append`` does, ``Invalid`` for an
        event above 1 MiB.
        """
        return await self._posting.post(partition, events, name)

    def follow(self, partition: int, after: int) -> EventFollower:
        """The partition's events with sequences above ``after`` (0: all), for ever."""
        return EventFollower(self._connection, partition, after, self._config.heartbeat_s)

    async def last_event(self, partition: int) -> int:
        """The newest sequence of a partition's events; 0 where there never was one."""
        return (await self._bounds(events_stream(partition))).last

    async def trim_events(self, partition: int, through: int) -> None:
        """Forget events up to and including ``through``; the very last message always stays."""
        await self._trim(events_stream(partition), through)

    async def bounds(self, partition: int) -> Bounds:
        """What a partition holds now."""
        return await self._bounds(telemetry_stream(partition))

    async def _bounds(self, stream: str) -> Bounds:
        with wrapped(f"look at {stream}"):
            info = await self._connection.jetstream().stream_info(stream)
        state = info.state
        bytes_max = max(info.config.max_bytes or 0, 0)
        return Bounds(state.first_seq, state.last_seq, state.messages, state.bytes, bytes_max)

    async def first_sequence(self, partition: int) -> int:
        """The oldest sequence kept."""
        return (await self.bounds(partition)).first

    async def last_sequence(self, partition: int) -> int:
        """The newest sequence stored; 0 for a partition nothing was ever appended to."""
        return (await self.bounds(partition)).last

    def check_disk(self) -> None:
        """Raises ``CapacityError`` while the store's disk has less room than its reserve."""
        self._appending.check_disk()

    async def tight(self, partition: int) -> bool:
        """Whether room is getting short: a partition more than half full, or a disk with less than
        twice its reserve. What is not needed should be trimmed and nothing be kept for comfort."""
        bounds = await self.bounds(partition)
        free = self._appending.free_bytes()
        return (0 < bounds.bytes_max < 2 * bounds.bytes) or (
            free is not None and free < 2 * self._config.disk_reserve_bytes
        )

    async def trim(self, partition: int, through: int) -> None:
        """Forget the records up to and including ``through``; the very last one always stays.

        (A stream that holds nothing has only its own word for how far it had counted.)
        """
        await self._trim(telemetry_stream(partition), through)

    async def _trim(self, stream: str, through: int) -> None:
        bounds = await self._bounds(stream)
        keep_from = min(through + 1, bounds.last)
        if keep_from <= bounds.first:
            return
        with wrapped(f"trim {stream}"):
            await self._connection.jetstream().purge_stream(stream, seq=keep_from)

    async def request(
        self, subject: str, payload: bytes = b"", timeout_s: float | None = None
    ) -> bytes:
        """The answer of whoever serves a subject.

        Raises the error its handler raised, or ``DependencyError`` where nobody serves the subject,
        or nobody answers in ``timeout_s`` (``request_timeout_s`` of the configuration).
        """
        wait_s = self._config.request_timeout_s if timeout_s is None else timeout_s
        return await request(self._connection, subject, payload, wait_s)

    async def serve(self, subject: str, handler: RequestHandler, queue: str = "serve") -> Service:
        """Answer requests with ``await handler(payload)``, up to ``serve_in_flight_max`` at once.

        Each request goes to one member of the queue. Close what this returns to stop.
        """
        service = Service(self._connection, subject, handler, self._config.serve_in_flight_max)
        await service.start(queue)
        return service

    async def publish(self, subject: str, payload: bytes = b"") -> bool:
        """Send a hint to whoever listens now; false, and no error, while disconnected."""
        if not self._connection.connected:
            return False
        await self._connection.publish(subject, payload)
        return True

    async def subscribe(
        self, subject: str, handler: Callable[[str, bytes], Awaitable[None]], queue: str = ""
    ) -> Subscription:
        """Call ``handler(subject, payload)`` for every hint, one at a time; close it to stop.

        Hints that come faster than they are handled are dropped once 4,096 of them, or 16 MiB,
        wait.
        """

        async def on_message(msg: Msg) -> None:
            await handler(msg.subject, msg.data)

        return await self._connection.subscribe(subject, on_message, queue, 4096, 16 << 20)

    async def quarantine(self, entries: Sequence[Quarantined]) -> int:
        """Keep unreadable pieces for people to look at; returns how many were kept.

        Entries above a tenant's rate are counted (``stats``) and dropped. Raises ``CapacityError``
        and ``DependencyError`` without a retry: the quarantine is no reason to hold up a vehicle.
        """
        self._appending.check_disk()
        return await self._quarantine.add(entries)

    async def quarantined(
        self, tenant: int | None, limit: int = 100, before: str | None = None
    ) -> QuarantinePage:
        """What was quarantined, newest first: of one tenant, or of all where ``None``.

        ``before`` is the ``next`` of the page before. Raises ``Invalid`` for another cursor.
        """
        return await self._quarantine.page(tenant, limit, before)

    def stats(self) -> dict[str, int]:
        """Counts of this process since it connected, for metrics."""
        return {
            "appended_messages": self._appending.messages,
            "appended_bytes": self._appending.bytes,
            "append_retries": self._appending.retries,
            "reconnects": self._connection.reconnects,
            "quarantine_dropped": sum(self._quarantine.dropped.values()),
        }

    async def health(self) -> dict[str, Any]:
        """What a health page shows; never raises.

        ``ok``: connected, every partition answers, and the disk has room. ``partitions``: bounds by
        partition number. ``trouble``: why not ok, for people.
        """
        facts: dict[str, Any] = {"ok": False, "connected": self._connection.connected}
        facts["partitions"] = {}
        try:
            facts["disk_free_bytes"] = self._appending.free_bytes()
            for partition in range(self.partitions):
                facts["partitions"][partition] = (await self.bounds(partition))._asdict()
            self._appending.check_disk()
        except MotorcadeError as error:
            facts["trouble"] = error.detail
        else:
            facts["ok"] = self._connection.connected
        return facts
