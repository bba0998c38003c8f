"""What simulated cars say and hear, one module per protocol.

In: rows of sends as arrays, bytes that came back. Out: ready-made bytes of whole rounds, and what
an answer means: logged in, stored, refused, or a command to obey.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Heard", "Obeyed", "Rows", "Sends", "Speech", "pieces"]

Rows = NDArray[np.int64]


class Sends(NamedTuple):
    """One element a send: its ``connection``, the ``car`` that speaks, its event ``time_us`` (of
    its last frame), the ``turn`` of the car and the ``number`` of the send (how often the car and
    the connection spoke before)."""

    connection: Rows
    car: Rows
    time_us: Rows
    turn: Rows
    number: Rows

    def take(self, rows: Rows) -> Sends:
        """The sends at ``rows``."""
        return Sends(*(values[rows] for values in self))


class Heard(NamedTuple):
    """What bytes from the platform meant. ``used``: those that were whole messages; ``answers`` to
    frames, ``refused`` of them; ``greeted``: the car is logged in now; ``rejected``: it is not let
    in; ``reply``: what it says to that at once."""

    used: int = 0
    answers: int = 0
    refused: int = 0
    greeted: bool = False
    rejected: bool = False
    reply: bytes = b""


class Speech(Protocol):
    """How the cars of a process speak. ``commands`` were obeyed, ``repeated`` heard again and not
    obeyed twice."""

    @property
    def commands(self) -> int:
        """Commands obeyed."""

    @property
    def repeated(self) -> int:
        """Commands heard again."""

    def address(self, connection: int) -> tuple[str, int, bool]:
        """Host, port, and whether it is UDP."""

    def hello(self, connection: int) -> bytes:
        """The first bytes of a fresh connection; empty where there is no login."""

    def hear(self, connection: int, data: bytes, *, greeted: bool) -> Heard:
        """What the platform's bytes mean to a car that is logged in, or not yet."""

    def hop(self, connection: int) -> bool:
        """Change to another access network at the next connecting; whether it can."""

    def encode(self, sends: Sends) -> list[bytes]:
        """The bytes of every send."""


class Obeyed:
    """Which commands the cars have obeyed: the last ones of each connection's car."""

    def __init__(self) -> None:
        self._done: dict[int, deque[Hashable]] = {}
        self.commands = 0
        self.repeated = 0

    def once(self, connection: int, command: Hashable) -> bool:
        """Whether this command was not obeyed before; counts it either way."""
        done = self._done.setdefault(connection, deque(maxlen=_REMEMBERED))
        if command in done:
            self.repeated += 1
            return False
        done.append(command)
        self.commands += 1
        return True


_REMEMBERED: Final = 64
"""Commands a car remembers: more than are open for one at a time."""


def pieces(buffer: NDArray[np.uint8], sizes: Rows) -> Iterator[bytes]:
    """A buffer of messages end to end, cut into them."""
    data = buffer.tobytes()
    ends: Sequence[int] = np.cumsum(sizes).tolist()
    start = 0
    for end in ends:
        yield data[start:end]
        start = end
