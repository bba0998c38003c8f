"""Vehicles' answers on their way from the events' log into a turn, partition by partition in order.

An answer may come before the gateway has said that it sent the command: it waits for that, and
whatever stands behind it in its partition with it, so that a position never passes over an answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from motorcade.log.events import CommandAnswered
from motorcade.log.posting import EventRecord

__all__ = ["Entry", "Inbox"]

ANSWERS_MAX: Final = 5_000
"""Answers of one turn, and those that may wait for it."""


class Entry(NamedTuple):
    """The answers up to a sequence."""

    partition: int
    sequence: int
    answers: Sequence[CommandAnswered]


class Inbox:
    """Answers of some partitions."""

    def __init__(self, partitions: Iterable[int]) -> None:
        self._queues: dict[int, deque[Entry]] = {one: deque() for one in partitions}
        self._taken = dict.fromkeys(self._queues, 0)
        self._size = 0

    @property
    def full(self) -> bool:
        """Whether there are so many that more should wait in the log."""
        return self._size >= ANSWERS_MAX

    def add(self, partition: int, records: Sequence[EventRecord]) -> None:
        """Take records in; those taken before are passed over."""
        taken = self._taken[partition]
        answers = [
            event
            for record in records
            if record.sequence > taken
            for event in record.events
            if isinstance(event, CommandAnswered)
        ]
        if records and records[-1].sequence > taken:
            self._taken[partition] = records[-1].sequence
            self._queues[partition].append(Entry(partition, records[-1].sequence, answers))
            self._size += len(answers)

    def ready(self, unsure: Callable[[int], bool]) -> list[Entry]:
        """Take out what can be accounted for: up to the first vehicle whose gateway is ``unsure``
        yet."""
        found: list[Entry] = []
        room = ANSWERS_MAX
        for queue in self._queues.values():
            while queue and room > 0 and not any(unsure(one.vehicle) for one in queue[0].answers):
                found.append(queue.popleft())
                room -= len(found[-1].answers)
        self._size -= ANSWERS_MAX - room
        return found

    def has_ready(self, unsure: Callable[[int], bool]) -> bool:
        """Whether there are answers that ``ready`` would give."""
        return any(
            any(entry.answers for entry in queue)
            and not any(unsure(one.vehicle) for one in queue[0].answers)
            for queue in self._queues.values()
        )

    def put_back(self, entries: Sequence[Entry]) -> None:
        """The turn failed: they are first again."""
        for entry in reversed(entries):
            self._queues[entry.partition].appendleft(entry)
            self._size += len(entry.answers)

    @staticmethod
    def sequences(entries: Sequence[Entry]) -> Mapping[int, int]:
        """How far each partition is once they are accounted for."""
        return {entry.partition: entry.sequence for entry in entries}
