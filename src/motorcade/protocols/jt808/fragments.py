"""Sub-packages of one connection: gathered, asked for again, given up (2013: section 4.4.3).

Parts are told apart by message id and total, not by their serials alone: those of one message
should count up by one, but real terminals send others between. A part that comes again with another
content begins a new message. The message joined last can be given once more: when the part that
completed it comes again, what the terminal has freed of it is still here. Its other parts, when
they come again, begin nothing that would have to be asked for.

In: parts and the time. Out: joined bodies, 0x8003 for those missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from motorcade.limits import (
    JT808_FRAGMENT_ASKS_MAX,
    JT808_FRAGMENT_KEPT_S,
    JT808_FRAGMENT_WAIT_S,
    JT808_FRAGMENTED_BYTES_MAX,
    JT808_FRAGMENTED_MESSAGES_MAX,
)
from motorcade.protocols.frames import Reject
from motorcade.protocols.jt808.answers import say
from motorcade.protocols.jt808.heads import EDITION_2019
from motorcade.protocols.jt808.words import RESEND

__all__ = ["Fragments", "Part"]

_WAIT_US: Final = int(JT808_FRAGMENT_WAIT_S * 1e6)
_KEPT_US: Final = int(JT808_FRAGMENT_KEPT_S * 1e6)
_PART_BYTES: Final = 128
"""What a part weighs beside its body: an empty one takes room as well."""
_NAMED_MAX: Final = 250
"""Parts one 0x8003 names: 2013 counts them in a byte."""


@dataclass(frozen=True, slots=True)
class Part:
    """One sub-package: the frame it came in, and what its header says."""

    frame: bytes
    message: int
    layout: int
    serial: int
    total: int
    index: int
    body: bytes


@dataclass(slots=True)
class _Open:
    """A message that is not whole yet."""

    last: Part
    parts: dict[int, bytes] = field(default_factory=dict)
    first_serial: int = 0
    size: int = 0
    asked: int = 0
    due_us: int = 0


@dataclass(frozen=True, slots=True)
class _Joined:
    """A message that became whole, and the part that made it so."""

    last: Part
    parts: dict[int, bytes]
    until_us: int

    def has(self, part: Part) -> bool:
        """Whether this is one of its parts."""
        same = (part.message, part.total) == (self.last.message, self.last.total)
        return same and self.parts.get(part.index) == part.body

    def body(self) -> bytes:
        return b"".join(self.parts[index] for index in range(1, self.last.total + 1))


class Fragments:
    """The messages of one connection that are not whole yet."""

    __slots__ = ("_joined", "_open", "given_up")

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], _Open] = {}
        self._joined: _Joined | None = None
        self.given_up: list[Reject] = []
        """Rejects to hand over."""

    def add(self, part: Part, now: int) -> bytes | None:
        """Take a part in; the whole body where it was the last one missing."""
        if part.index > part.total:
            reason = f"This is sub-package {part.index} of {part.total}."
            self.given_up.append(Reject("fragments", reason, part.frame))
            return None
        key = (part.message, part.total)
        held = self._open.get(key)
        if held is not None and held.parts.get(part.index, part.body) != part.body:
            self._give_up(key, "Another message of as many sub-packages began.")
            held = None
        if held is None and self._joined is not None and self._joined.has(part):
            return self._joined.body() if part.index == self._joined.last.index else None
        if held is None:
            self._make_room()
            held = self._open[key] = _Open(part)
        held.last = part
        if part.index not in held.parts:
            held.parts[part.index] = part.body
            held.size += len(part.body) + _PART_BYTES
        if part.index == 1 or not held.first_serial:
            held.first_serial = (part.serial - part.index + 1) & 0xFFFF
        held.asked, held.due_us = 0, now + _WAIT_US
        if len(held.parts) < part.total:
            self._bound(key)
            return None
        del self._open[key]
        self._joined = _Joined(part, held.parts, now + _KEPT_US)
        return self._joined.body()

    def next_timer(self) -> int | None:
        """When ``ask`` wants to be called, µs UTC."""
        due = [held.due_us for held in self._open.values()]
        if self._joined is not None:
            due.append(self._joined.until_us)
        return min(due, default=None)

    def ask(self, now: int) -> bytes:
        """0x8003 for every message that has waited long enough; gives up those asked for often
        enough."""
        if self._joined is not None and self._joined.until_us <= now:
            self._joined = None
        said = []
        for key, held in list(self._open.items()):
            if held.due_us > now:
                continue
            if held.asked >= JT808_FRAGMENT_ASKS_MAX:
                self._give_up(key, "Sub-packages did not come, though asked for.")
                continue
            held.asked += 1
            held.due_us = now + _WAIT_US * (held.asked + 1)
            said.append(self._missing(held))
        return b"".join(said)

    @staticmethod
    def _missing(held: _Open) -> bytes:
        total = held.last.total
        # Those behind the last that came are first of all still on their way, but it is late.
        missing = [index for index in range(1, total + 1) if index not in held.parts][:_NAMED_MAX]
        width = 2 if held.last.layout == EDITION_2019 else 1
        body = held.first_serial.to_bytes(2, "big") + len(missing).to_bytes(width, "big")
        body += b"".join(index.to_bytes(2, "big") for index in missing)
        return say(held.last.frame, RESEND, body)

    def _make_room(self) -> None:
        while len(self._open) >= JT808_FRAGMENTED_MESSAGES_MAX:
            self._give_up(next(iter(self._open)), "Too many messages wait for sub-packages.")

    def _bound(self, key: tuple[int, int]) -> None:
        while sum(held.size for held in self._open.values()) > JT808_FRAGMENTED_BYTES_MAX:
            oldest = next(iter(self._open))
            self._give_up(oldest, "More sub-packages wait than one connection may have.")
            if oldest == key:
                return

    def _give_up(self, key: tuple[int, int], reason: str) -> None:
        held = self._open.pop(key)
        told = f"{reason} {len(held.parts)} of {held.last.total} were here."
        self.given_up.append(Reject("fragments", told, held.last.frame))
