"""Datagrams of many devices to batches: reports, and answers to commands as events.

A record's identity is its body alone, the same over every bearer that carries the compact profile;
a datagram sent again is the same record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.compact.framing import is_record, kinds
from motorcade.protocols.compact.signing import BODY, OVERHEAD
from motorcade.protocols.frames import Decoded, Frames, Reject
from motorcade.signals.batch import SignalBatch
from motorcade.signals.quality import quality_codes
from motorcade.wire.compact.command import ANSWER, ANSWER_SIZE
from motorcade.wire.compact.report import REPORT, read_reports
from motorcade.wire.compact.signals import SOURCES, signal_columns, triples
from motorcade.wire.ragged import gather, hash64

__all__ = ["SIGNALS", "decode"]

SIGNALS: Final[Mapping[str, Any]] = SOURCES
"""Every signal a report may hold, and its part of the profile."""

_SECOND_US: Final = 1_000_000
_TIME_AT: Final = {REPORT: 3, ANSWER: 4}
"""Where the time stands in a body."""


def decode(frames: Frames, ingest_time: int, settings: Mapping[int, Any] | None = None) -> Decoded:
    """A batch of reports and one of events; ``ingest_time`` µs UTC. Reject code: ``time``, where a
    device does not know what time it is: nothing else in a datagram could tell."""
    record, kind = is_record(frames), kinds(frames)
    time_s = np.zeros(len(frames), np.int64)
    for first, place in _TIME_AT.items():
        here = np.flatnonzero(kind == first)
        digits = gather(frames.buffer, frames.offset[here] + BODY + place, 4).astype(np.int64)
        time_s[here] = digits @ (1 << np.array([24, 16, 8, 0], np.int64))
    timed = record & (time_s > 0)
    batches, used = [], []
    for first, word in ((REPORT, "report"), (ANSWER, "event")):
        rows = np.flatnonzero(timed & (kind == first))
        if len(rows):
            batches.append(_batch(word, frames.take(rows), time_s[rows], ingest_time))
            used.append(rows)
    rejects = [
        Reject("time", "The device says no time.", frames.bytes_of(row), row, int(frames.peer[row]))
        for row in np.flatnonzero(record & ~timed).tolist()
    ]
    return Decoded(batches, used, rejects)


def _batch(kind: str, frames: Frames, time_s: NDArray[np.int64], ingest_time: int) -> SignalBatch:
    rows = len(frames)
    start, length = frames.offset + BODY, frames.length - OVERHEAD
    meta: dict[str, Any] = {
        "tenant": frames.tenant,
        "vehicle": frames.vehicle,
        "event_time": time_s * _SECOND_US,
        "ingest_time": np.full(rows, ingest_time, np.int64),
        "record": hash64(frames.buffer, start, length),
        "reissued": np.zeros(rows, bool),
    }
    if kind == "event":
        bodies = gather(frames.buffer, start, ANSWER_SIZE)
        head = bytes([ANSWER]) + ANSWER_SIZE.to_bytes(2, "big")
        meta["raw"] = pa.array([head + body.tobytes() for body in bodies], pa.binary())
        return SignalBatch.build(kind, meta, {})
    reports = read_reports(frames.buffer, start, length)
    meta["quality"] = quality_codes(*triples(reports), rows)
    return SignalBatch.build(kind, meta, signal_columns(reports))
