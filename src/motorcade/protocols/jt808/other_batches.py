"""Rows of messages that are no locations, gathered into a batch a kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.frames import Frames
from motorcade.protocols.jt808.heads import EDITION_2019, Heads
from motorcade.protocols.jt808.others import Row, columns_of, read_other
from motorcade.protocols.jt808.plan import plan
from motorcade.protocols.jt808.words import AUTH, DEREGISTER, MEDIA, PACKET, SHORT
from motorcade.signals.batch import SignalBatch
from motorcade.wire.ragged import hash64

__all__ = ["other_batches"]

_KINDS: Final = {
    AUTH: "login",
    DEREGISTER: "logout",
    MEDIA: "media",
    PACKET: "media",
    **dict.fromkeys(SHORT, "report"),
}
_PROTOCOL: Final = "Vehicle.Connectivity.Protocol"
_MESSAGE: Final = "Vehicle.Connectivity.MessageId"

Ints = NDArray[np.int64]


def other_batches(
    frames: Frames,
    heads: Heads,
    chosen: Ints,
    odd: Sequence[tuple[int, int, int]],
    ingest_time: int,
) -> Iterator[tuple[SignalBatch, Ints]]:
    """Batches of kinds ``event``, ``media``, ``login`` and ``logout``, each with its rows' frames.

    ``chosen`` are the messages to read; ``odd`` are pieces of location batches that are no
    locations (frame, start, end): they are kept as events.
    """
    found: dict[str, list[Row]] = {}
    for row in chosen.tolist():
        message = int(heads.message[row])
        edition = 2019 if int(heads.layout[row]) == EDITION_2019 else 2013
        made = read_other(row, message, heads.body_of(row), edition, ingest_time)
        found.setdefault(_KINDS.get(message, "event"), []).extend(made)
    for row, start, end in odd:
        piece = heads.buffer[start:end].tobytes()
        signals = {_MESSAGE: int(heads.message[row])}
        at = start - int(heads.body[row])
        found.setdefault("event", []).append(Row(row, None, signals, piece, at, end - start))
    for kind, rows in found.items():
        yield _batch(frames, heads, kind, rows, ingest_time)


def _batch(
    frames: Frames, heads: Heads, kind: str, rows: list[Row], ingest_time: int
) -> tuple[SignalBatch, Ints]:
    places = np.array([row.frame for row in rows], np.int64)
    signals = columns_of(rows)
    signal = plan().catalogue[_PROTOCOL]
    old, new = (signal.words.index(word) for word in ("JT808_2013", "JT808_2019"))
    editions = np.where(heads.layout[places] == EDITION_2019, new, old)
    signals[_PROTOCOL] = pa.array(editions, signal.arrow_type)
    start = heads.body[places] + np.array([row.at for row in rows], np.int64)
    size = np.array([row.size for row in rows], np.int64)
    times = [ingest_time if row.time is None else row.time for row in rows]
    meta = {
        "tenant": frames.tenant[places],
        "vehicle": frames.vehicle[places],
        "event_time": np.array(times, np.int64),
        "ingest_time": np.full(len(rows), ingest_time, np.int64),
        "record": hash64(heads.buffer, start, size),
        "reissued": pa.array(heads.message[places] == SHORT[1]),
        "raw": pa.array([_kept(kind, row.raw) for row in rows], pa.binary()),
    }
    return SignalBatch.build(kind, meta, signals), places


def _kept(kind: str, raw: bytes) -> bytes | None:
    """What a row keeps; a report's as an entry (``leftovers``) whose id is 0."""
    if kind == "report":
        return b"\0" + len(raw).to_bytes(2, "big") + raw
    return raw or None
