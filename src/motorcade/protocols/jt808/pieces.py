"""Sub-packages as rows of kind ``event``: a terminal is answered for each, so each is on disk.

``raw`` is the sub-package from its message id to its body's end, escapes undone. It has no time of
its own. So that one that is sent again is the same record, its event time is the full hour (UTC) it
came in, and its hash is over serial, total, index and body.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.frames import Frames, frames_from
from motorcade.protocols.jt808.encode import escaped
from motorcade.protocols.jt808.fragments import Fragments, Part
from motorcade.protocols.jt808.heads import EDITION_2019, SHORT_SERIAL, Heads, read_heads
from motorcade.protocols.jt808.plan import plan
from motorcade.protocols.jt808.sink import binary_column
from motorcade.protocols.jt808.tables import LINK
from motorcade.protocols.jt808.words import RECORDS
from motorcade.signals.batch import SignalBatch
from motorcade.wire.ragged import hash64, ranges

__all__ = ["are_pieces", "join_pieces", "piece_batch"]

_HOUR_US: Final = 3_600_000_000
_NUMBERED: Final = 6
"""Bytes of serial, total and index, which stand right before the body in every edition."""

_RECORD: Final = np.zeros(1 << 16, bool)
_RECORD[list(RECORDS)] = True

Ints = NDArray[np.int64]


def are_pieces(heads: Heads) -> NDArray[np.bool_]:
    """Which messages are sub-packages of records: bool (n). Joined ones are none."""
    parts = (heads.total > 0) & (heads.index > 0) & (heads.layout != SHORT_SERIAL)
    pieces: NDArray[np.bool_] = parts & _RECORD[heads.message]
    return pieces


def piece_batch(frames: Frames, heads: Heads, rows: Ints, ingest_time: int) -> SignalBatch:
    """The sub-packages at ``rows`` as a batch of kind ``event``; ``ingest_time`` µs UTC."""
    many = len(rows)
    start, body, end = heads.start[rows], heads.body[rows], heads.end[rows]
    protocol = plan().catalogue[f"{LINK}.Protocol"]
    old, new = (protocol.words.index(word) for word in ("JT808_2013", "JT808_2019"))
    signals = {
        f"{LINK}.MessageId": heads.message[rows],
        f"{LINK}.MessagePart": heads.index[rows],
        f"{LINK}.MessageParts": heads.total[rows],
        f"{LINK}.Protocol": np.where(heads.layout[rows] == EDITION_2019, new, old),
    }
    kept = heads.buffer[ranges(start, end - start)]
    meta = {
        "tenant": frames.tenant[rows],
        "vehicle": frames.vehicle[rows],
        "event_time": np.full(many, ingest_time - ingest_time % _HOUR_US, np.int64),
        "ingest_time": np.full(many, ingest_time, np.int64),
        "record": hash64(heads.buffer, body - _NUMBERED, end - body + _NUMBERED),
        "reissued": pa.array(np.zeros(many, bool)),
        "raw": binary_column(kept, end - start, np.ones(many, bool)),
    }
    catalogue = plan().catalogue
    columns = {
        path: pa.array(values, catalogue[path].arrow_type) for path, values in signals.items()
    }
    return SignalBatch.build("event", meta, columns)


def join_pieces(raws: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """Whole messages, id and body, of the ``raw`` of rows of one vehicle, oldest first. Pieces
    whose others are not among them are left out."""
    heads = read_heads(frames_from([escaped(raw) for raw in raws]))
    gathered = Fragments()
    found = []
    for row in np.flatnonzero(are_pieces(heads)).tolist():
        message, total, index = (int(of[row]) for of in (heads.message, heads.total, heads.index))
        layout, serial = int(heads.layout[row]), int(heads.serial[row])
        whole = gathered.add(
            Part(b"", message, layout, serial, total, index, heads.body_of(row)), 0
        )
        if whole is not None:
            found.append((message, whole))
    return found
