"""What simulated cars send: rounds of ready-made bytes, encoded ahead of sending.

In: cars, the connections they share, a clock of event times, how they speak. Out: one send (one
frame, or several of one car in a row) a connection and round. A thread encodes blocks of rounds
ahead, so that the thread that drives sockets does not stop for it; memory is bounded by the blocks
kept.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from motorcade.simulator.fleet import CarFleet
from motorcade.simulator.speech import Sends, Speech

__all__ = ["Schedule", "Traffic"]

_BLOCK_FRAMES: Final = 8_192
"""Frames encoded in one go: enough to spread a call's fixed cost, some 20 ms of work."""

_BLOCK_ROUNDS_MAX: Final = 64
_BLOCKS_KEPT: Final = 4
"""Blocks held for connections that lag; one that lags more skips ahead."""

Rows = NDArray[np.int64]


class Schedule(NamedTuple):
    """The event time of every send: ``start_us`` plus a step a round, plus a step a connection."""

    start_us: int
    round_us: float
    connection_us: float = 0.0

    def times(self, number: Rows, connection: Rows) -> Rows:
        """Event times of the sends of these rounds and connections, µs UTC."""
        passed = number * self.round_us + connection * self.connection_us
        return self.start_us + passed.astype(np.int64)


class Traffic:
    """The sends of the connections of ``fleet``, whose cars speak in turn; ``close`` it."""

    def __init__(
        self,
        fleet: CarFleet,
        schedule: Schedule,
        speech: Speech,
        frames_per_send: int = 1,
    ) -> None:
        self._starts = starts = fleet.starts
        self._schedule = schedule
        self._speech = speech
        per_round = max(1, frames_per_send * (len(starts) - 1))
        self._rounds = min(_BLOCK_ROUNDS_MAX, max(1, _BLOCK_FRAMES // per_round))
        self._ahead = ThreadPoolExecutor(1, "encode")
        self._blocks: dict[int, list[list[bytes]] | Future[list[list[bytes]]]] = {}
        self._oldest = 0

    @property
    def oldest(self) -> int:
        """The first round that is still held; earlier ones are gone."""
        return self._oldest * self._rounds

    def send(self, number: int, connection: int) -> bytes:
        """The bytes of round ``number`` (from ``oldest`` on) for a connection."""
        block, place = divmod(number, self._rounds)
        held = self._blocks.get(block)
        if not isinstance(held, list):
            held = self._advance(block, held)
        return held[place][connection]

    def close(self) -> None:
        """End the encoding thread."""
        self._ahead.shutdown(wait=False, cancel_futures=True)

    def _advance(self, block: int, pending: Future[list[list[bytes]]] | None) -> list[list[bytes]]:
        """Take a block over from the thread (or make it here), and have the next one begun."""
        made = pending.result() if pending is not None else self.encode(block)
        self._blocks[block] = made
        if block + 1 not in self._blocks:
            self._blocks[block + 1] = self._ahead.submit(self.encode, block + 1)
        self._oldest = max(self._oldest, block - _BLOCKS_KEPT + 1)
        for old in [key for key in self._blocks if key < self._oldest]:
            del self._blocks[old]
        return made

    def encode(self, block: int) -> list[list[bytes]]:
        """The sends of every round of a block, by round and connection."""
        connections = len(self._starts) - 1
        number, connection = np.divmod(
            np.arange(self._rounds * connections, dtype=np.int64), connections
        )
        number += block * self._rounds
        sizes = np.diff(self._starts)[connection]
        car = self._starts[connection] + number % sizes
        times = self._schedule.times(number, connection)
        sends = self._speech.encode(Sends(connection, car, times, number // sizes, number))
        return [sends[at : at + connections] for at in range(0, len(sends), connections)]
