"""What every protocol module hands the gateway and takes from it: frames, decoded batches, rejects.

In: bytes of many peers. Out: columns. No I/O, no clock: time is an argument (microseconds UTC).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorcade.signals.batch import SignalBatch

__all__ = ["Frames", "Cut", "Heard", "Reject", "Decoded", "Answers", "frames_from"]


@dataclass(frozen=True, slots=True)
class Reject:
    """One piece of input that could not be used, and why.

    ``frame`` is the row in the ``Frames`` it came with, ``-1`` where no frame could be cut;
    ``peer`` the caller's index of the chunk or connection. ``code`` is stable and machine-readable
    (``checksum``, ``length``, ``garbage``, ``structure``, ``cipher``, …), ``reason`` a sentence for
    people, ``data`` the bytes themselves.
    """

    code: str
    reason: str
    data: bytes
    frame: int = -1
    peer: int = -1


@dataclass(frozen=True, slots=True)
class Frames:
    """``n`` complete frames in one buffer, as columns; peers' frames are contiguous and in order.

    ``buffer`` uint8 (bytes), ``offset`` and ``length`` int64 (n), ``peer`` int64 (n; the index of
    the chunk or connection), ``vehicle`` uint64 (n; dense vehicle number, 0 unknown), ``tenant``
    uint32 (n; tenant number, 0 unknown). ``notes``: what a protocol has read of the frames' bytes,
    kept so that it is read once a tick; each note has ``take(rows)``.
    """

    buffer: NDArray[np.uint8]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    peer: NDArray[np.int64]
    vehicle: NDArray[np.uint64]
    tenant: NDArray[np.uint32]
    notes: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.offset)

    def bytes_of(self, row: int) -> bytes:
        """Frame ``row`` as bytes."""
        start = int(self.offset[row])
        return self.buffer[start : start + int(self.length[row])].tobytes()

    def take(self, rows: NDArray[Any]) -> Frames:
        """The frames at ``rows`` (indices or a mask); the buffer is shared, not copied."""
        return Frames(
            self.buffer,
            self.offset[rows],
            self.length[rows],
            self.peer[rows],
            self.vehicle[rows],
            self.tenant[rows],
            {word: note.take(rows) for word, note in self.notes.items()},
        )

    def addressed(self, vehicle: NDArray[np.uint64], tenant: NDArray[np.uint32]) -> Frames:
        """The same frames with their vehicles and tenants filled in."""
        return Frames(self.buffer, self.offset, self.length, self.peer, vehicle, tenant, self.notes)


@dataclass(frozen=True, slots=True)
class Cut:
    """The complete frames of many chunks (one chunk per peer) cut in one go.

    ``frames.peer`` is the chunk's index. ``remainder`` maps a chunk's index to its unfinished tail,
    to be put before that peer's next bytes. ``rejects`` holds what was skipped to find the next
    start.
    """

    frames: Frames
    remainder: Mapping[int, bytes]
    rejects: Sequence[Reject]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the peers' sessions made of cut frames: frames that need no session any more.

    ``frames`` in the order of their peers, each peer's in order; it may hold fewer rows than were
    cut (a sub-package waits for the others) and other bytes (an alias resolved). ``rejects`` tell a
    ``peer`` and no frame. ``replies`` are owed whatever becomes of the frames: (peer, bytes).
    """

    frames: Frames
    rejects: Sequence[Reject] = field(default_factory=tuple)
    replies: Sequence[tuple[int, bytes]] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What ``decode`` made of frames: batches, one per message kind, and rejects.

    ``rows[i]`` is an int64 array: for every row of ``batches[i]`` the index of its frame.
    ``repaired`` counts frames that break their standard and were read all the same, by what is
    wrong with them.
    """

    batches: Sequence[SignalBatch]
    rows: Sequence[NDArray[np.int64]]
    rejects: Sequence[Reject] = field(default_factory=tuple)
    repaired: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """Replies to frames, built as one array: ``offset`` and ``length`` int64 (n) into
    ``buffer``."""

    buffer: bytes
    offset: NDArray[np.int64]
    length: NDArray[np.int64]


def frames_from(parts: Sequence[bytes]) -> Frames:
    """Frames laid end to end; each is its own peer."""
    length = np.fromiter(map(len, parts), np.int64, len(parts))
    offset = np.cumsum(length) - length
    rows = len(parts)
    return Frames(
        np.frombuffer(b"".join(parts), np.uint8),
        offset,
        length,
        np.arange(rows),
        np.zeros(rows, np.uint64),
        np.zeros(rows, np.uint32),
    )
