"""Spools: what a forwarder has still to send, a bounded stream for each, beside the telemetry log.

``FORWARD-<id>`` on ``forward.<id>.<partition>``. A message holds the chosen rows of one or more
records of a partition, in the log's own envelope; its headers say how far in the log it reaches and
how many rows of the partition came before it, so that a reader can tell what was lost at the bound.
At the bound (bytes, age) the oldest go. The reader keeps its own position, as with the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StoreCompression,
    StreamConfig,
)
from nats.js.errors import BadRequestError
from nats.js.errors import NotFoundError as NoStream

from motorcade.errors import CorruptionError, DependencyError
from motorcade.limits import LOG_MESSAGE_BYTES_MAX
from motorcade.log.config import Config
from motorcade.log.connection import Connection, Subscription, refused, wrapped
from motorcade.log.envelope import open_message, pack, read_segment
from motorcade.log.schemas import Schemas
from motorcade.signals.batch import SignalBatch

__all__ = ["Put", "Spooled", "Spools", "SpoolBounds", "Stuck"]

_TIMEOUT_S: Final = 5.0
_THROUGH: Final = "Motorcade-Through"
_ROWS: Final = "Motorcade-Rows"
_TIME: Final = "Motorcade-Time"
_HEADERS_ROOM: Final = 4096
_NAME_TAKEN: Final = 10058
"""JetStream: another process has just made it, with other bounds."""


class Put(NamedTuple):
    """What one partition has put into a spool: through which of its records, and how many rows."""

    through: int = 0
    rows: int = 0


class Stuck(NamedTuple):
    """Why a partition's rows cannot be put on a spool, at least how many, and when the log stored
    the oldest of them (µs UTC)."""

    reason: str
    rows: int
    time_us: int


class SpoolBounds(NamedTuple):
    """Sequences a spool holds, ``last`` is ``first - 1`` where it is empty; its size in bytes."""

    first: int
    last: int
    bytes: int


class Spooled(NamedTuple):
    """One message of a spool. ``before`` rows of the partition were put ahead of it; ``time_us`` is
    when the log stored the oldest of its records. A message that cannot be read has no batches
    and tells a ``fault``."""

    sequence: int
    partition: int
    before: int
    rows: int
    time_us: int
    batches: tuple[SignalBatch, ...]
    fault: str = ""


class Spools:
    """All spools of this log; ``Log.spools``."""

    def __init__(self, connection: Connection, config: Config, schemas: Schemas) -> None:
        self._connection = connection
        self._config = config
        self._schemas = schemas

    async def ensure(self, spool: int, bytes_max: int, age_s: float) -> None:
        """Make the spool, or move its bounds. ``DependencyError``, ``CapacityError``."""
        wanted = StreamConfig(
            name=_stream(spool),
            subjects=[f"forward.{spool}.*"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.OLD,
            max_bytes=bytes_max,
            max_age=age_s,
            duplicate_window=min(self._config.duplicate_window_s, age_s),
            compression=StoreCompression.S2,
            allow_direct=True,
            num_replicas=self._config.replicas,
        )
        with wrapped(f"set up spool {spool}"):
            await _made(self._connection.jetstream(), wanted)

    async def remove(self, spool: int) -> None:
        """Forget the spool and what is in it; nothing happens where there is none."""
        with wrapped(f"remove spool {spool}"):
            try:
                await self._connection.jetstream().delete_stream(_stream(spool))
            except NoStream:
                return

    async def names(self) -> set[int]:
        """The spools there are."""
        prefix = _stream(0)[:-1]
        found: set[int] = set()
        with wrapped("list the spools"):
            seen = 0
            while page := await self._connection.jetstream().streams_info(seen):
                seen += len(page)
                for info in page:
                    name = info.config.name or ""
                    if name.startswith(prefix) and name[len(prefix) :].isdigit():
                        found.add(int(name[len(prefix) :]))
        return found

    async def bounds(self, spool: int) -> SpoolBounds:
        """What the spool holds now."""
        with wrapped(f"look at spool {spool}"):
            state = (await self._connection.jetstream().stream_info(_stream(spool))).state
        return SpoolBounds(state.first_seq, state.last_seq, state.bytes)

    async def last_put(self, spool: int, partition: int) -> Put:
        """How far a partition has come in the spool; zeros where nothing of it is left there."""
        with wrapped(f"look at spool {spool}"):
            try:
                found = await self._connection.jetstream().get_last_msg(
                    _stream(spool), f"forward.{spool}.{partition}"
                )
            except NoStream:
                return Put()
        through, before, rows, _ = _read_headers(found.headers or {})
        return Put(through, before + rows)

    async def put(
        self,
        spool: int,
        partition: int,
        batches: Sequence[SignalBatch],
        *,
        through: int,
        after: Put,
        time_us: int,
    ) -> Put:
        """Store rows of a partition's records up to ``through``, behind what ``after`` says.

        The same rows put again are taken once while the server remembers (``duplicate_window_s``);
        later, ``last_put`` tells what not to put. Returns where the partition is now.
        """
        named = [(batch, await self._schemas.name(batch.data.schema)) for batch in batches]
        room = self._connection.client.max_payload - _HEADERS_ROOM
        messages = pack(named, LOG_MESSAGE_BYTES_MAX, room)
        before = after.rows
        for place, message in enumerate(messages, 1):
            rows = sum(segment.rows for segment in open_message(message))
            # Only the last part says that the records are there as a whole.
            reached = through if place == len(messages) else after.through
            headers = {
                "Nats-Msg-Id": f"{partition}-{through}-{place}",
                "Nats-Expected-Stream": _stream(spool),
                _THROUGH: str(reached),
                _ROWS: f"{before},{rows}",
                _TIME: str(time_us),
            }
            await self._store(f"forward.{spool}.{partition}", message, headers)
            before += rows
        put = Put(through, before)
        await self._tell(spool, partition, put)
        return put

    async def read(
        self, spool: int, after: int, messages_max: int = 64, bytes_max: int = 1 << 20
    ) -> list[Spooled]:
        """The next messages with sequences above ``after``, oldest first, up to the bounds; empty
        where there are none. At least one comes, however large."""
        found = [
            await self._spooled(headers, data)
            for headers, data in await self._fetch(spool, after + 1, messages_max, bytes_max)
        ]
        return [one for one in found if one.sequence > after]

    async def trim(self, spool: int, through: int) -> None:
        """Forget what has been sent, up to and including ``through``."""
        with wrapped(f"trim spool {spool}"):
            await self._connection.jetstream().purge_stream(_stream(spool), seq=through + 1)

    async def watch(self, heard: Callable[[int, int, Put], Awaitable[None]]) -> Subscription:
        """Call ``heard(spool, partition, put)`` whenever something was put anywhere."""

        async def on_message(msg: Msg) -> None:
            spool, partition = (int(part) for part in msg.subject.split(".")[2:4])
            await heard(spool, partition, Put(*msgspec.json.decode(msg.data)))

        return await self._connection.subscribe("hints.forward.*.*", on_message, "", 4096, 4 << 20)

    async def watch_stuck(
        self, heard: Callable[[int, int, Stuck], Awaitable[None]]
    ) -> Subscription:
        """Call ``heard(spool, partition, stuck)`` again and again while something cannot be put."""

        async def on_message(msg: Msg) -> None:
            spool, partition = (int(part) for part in msg.subject.split(".")[2:4])
            await heard(spool, partition, Stuck(*msgspec.json.decode(msg.data)))

        return await self._connection.subscribe("hints.stuck.*.*", on_message, "", 4096, 4 << 20)

    async def tell_stuck(self, spool: int, partition: int, stuck: Stuck) -> None:
        """Tell those that watch. Raises ``DependencyError`` while disconnected."""
        short = stuck._replace(reason=stuck.reason[:500])
        await self._connection.publish(
            f"hints.stuck.{spool}.{partition}", msgspec.json.encode(short)
        )

    async def _tell(self, spool: int, partition: int, put: Put) -> None:
        if self._connection.connected:
            await self._connection.publish(
                f"hints.forward.{spool}.{partition}", msgspec.json.encode(put)
            )

    async def _store(self, subject: str, message: bytes, headers: dict[str, str]) -> None:
        answer = await self._connection.ask(subject, message, _TIMEOUT_S, headers)
        if answer.headers and "Status" in answer.headers:
            raise DependencyError(f"the stream of {subject} does not answer")
        error = msgspec.json.decode(answer.data).get("error")
        if error is not None:
            raise refused(error, "spool")

    async def _fetch(
        self, spool: int, low: int, messages_max: int, bytes_max: int
    ) -> list[tuple[dict[str, Any], bytes]]:
        """One batched direct get (NATS ADR-31)."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        messages: list[tuple[dict[str, Any], bytes]] = []

        def take(msg: Msg | None) -> None:
            if done.done():
                return
            headers: dict[str, Any] = dict(msg.headers or {}) if msg is not None else {}
            if msg is None or headers.get("Status") not in (None, "204", "404"):
                done.set_exception(DependencyError("the spool does not answer"))
            elif "Status" in headers:
                done.set_result(None)
            else:
                messages.append((headers, msg.data))

        wanted = {
            "seq": low,
            "next_by_subj": f"forward.{spool}.*",
            "batch": messages_max,
            "max_bytes": bytes_max,
        }
        reply = self._connection.expect(take)
        try:
            subject = f"$JS.API.DIRECT.GET.{_stream(spool)}"
            await self._connection.publish(subject, msgspec.json.encode(wanted), reply)
            async with asyncio.timeout(_TIMEOUT_S):
                await done
        except TimeoutError as error:
            raise DependencyError("the spool does not answer") from error
        finally:
            self._connection.unexpect(reply)
        return messages

    async def _spooled(self, headers: dict[str, Any], data: bytes) -> Spooled:
        sequence = int(headers["Nats-Sequence"])
        partition = int(headers["Nats-Subject"].rpartition(".")[2])
        fault = ""
        batches: list[SignalBatch] = []
        try:
            _, before, rows, time_us = _read_headers(headers)
            for segment in open_message(data):
                schema = await self._schemas.fetch(segment.schema)
                batches.append(read_segment(segment, schema))
        except CorruptionError as error:
            fault, batches = error.detail, []
        return Spooled(sequence, partition, before, rows, time_us, tuple(batches), fault)


async def _made(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    """Make a stream, or move its bounds where there is one."""
    try:
        found = (await jetstream.stream_info(wanted.name or "")).config
    except NoStream:
        try:
            await jetstream.add_stream(wanted)
            return
        except BadRequestError as error:
            if error.err_code != _NAME_TAKEN:
                raise
            found = (await jetstream.stream_info(wanted.name or "")).config
    if (found.max_bytes, found.max_age) != (wanted.max_bytes, wanted.max_age):
        await jetstream.update_stream(wanted)


def _stream(spool: int) -> str:
    return f"FORWARD-{spool}"


def _read_headers(headers: dict[str, Any]) -> tuple[int, int, int, int]:
    """Through, rows before, rows, time; zeros where a message is none of ours."""
    try:
        before, _, rows = headers[_ROWS].partition(",")
        return int(headers[_THROUGH]), int(before), int(rows), int(headers[_TIME])
    except (KeyError, ValueError):
        return 0, 0, 0, 0
