"""Events, posted and followed: few and small, in order, fsynced like telemetry but apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import structlog

from motorcade.clock import Clock
from motorcade.errors import CorruptionError, Invalid
from motorcade.limits import LOG_MESSAGE_BYTES_MAX
from motorcade.log.appending import Appending
from motorcade.log.config import Config
from motorcade.log.connection import Connection
from motorcade.log.events import Event, pack_events, read_events
from motorcade.log.following import Follower, Place
from motorcade.log.streams import events_stream, events_subject

__all__ = ["EventFollower", "EventRecord", "Posting"]

_log = structlog.get_logger(__name__)

_EVENT_BYTES: Final = 150
"""What an event counts when records are taken together."""

_EVENTS_PER_MESSAGE: Final = 2048
"""Some 300 KB: so few that one message is fsynced and applied in milliseconds."""


class EventRecord(NamedTuple):
    """One message of events; ``time_us``: when the log took it, µs UTC by the log's own clock.

    ``gap``: sequences missing just before this one; ``fault``: why the message cannot be read,
    ``events`` is then empty; ``pending``: messages behind this one when the server sent it.
    """

    sequence: int
    time_us: int
    events: tuple[Event, ...]
    pending: int = 0
    gap: int = 0
    fault: CorruptionError | None = None


class EventFollower(Follower[EventRecord]):
    """A partition's events; see ``Follower``."""

    def __init__(
        self, connection: Connection, partition: int, after: int, heartbeat_s: float
    ) -> None:
        super().__init__(connection, events_stream(partition), after, heartbeat_s)
        self.partition = partition

    async def _read(self, place: Place, data: bytes) -> EventRecord:
        events: tuple[Event, ...] = ()
        fault = None
        try:
            events = tuple(read_events(data))
        except CorruptionError as error:
            _log.error("log events unreadable", stream=self._stream, sequence=place.sequence)
            fault = error
        return EventRecord(place.sequence, place.time_us, events, place.pending, place.gap, fault)

    def _size(self, record: EventRecord) -> int:
        return len(record.events) * _EVENT_BYTES


class Posting:
    """The write side of the events in this process."""

    def __init__(self, appending: Appending, config: Config, clock: Clock) -> None:
        self._appending = appending
        self._config = config
        self._clock = clock

    async def post(self, partition: int, events: Sequence[Event], name: str = "") -> int:
        """See ``Log.post``."""
        deadline = self._clock.monotonic_s() + self._config.append_timeout_s
        subject, stream = events_subject(partition), events_stream(partition)
        last = 0
        for number, message in enumerate(list(_messages(events))):
            last = await self._appending.put(
                subject, stream, message, deadline, f"{name}.{number}" if name else ""
            )
        return last


def _messages(events: Sequence[Event]) -> Iterator[bytes]:
    """Messages of bounded size."""
    for start in range(0, len(events), _EVENTS_PER_MESSAGE):
        yield from _halved(events[start : start + _EVENTS_PER_MESSAGE])


def _halved(events: Sequence[Event]) -> Iterator[bytes]:
    message = pack_events(events)
    if len(message) <= LOG_MESSAGE_BYTES_MAX:
        yield message
        return
    if len(events) == 1:
        raise Invalid(f"an event of {len(message)} bytes is more than a message may hold")
    middle = len(events) // 2
    yield from _halved(events[:middle])
    yield from _halved(events[middle:])
