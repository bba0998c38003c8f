"""Rows of kind ``link``: changes of links and presence as signals like any other.

In: rows of the rules. Out: a ``SignalBatch``, and bytes that keep rows until they are in the log. A
row's identity (vehicle, event time, kind, record) follows from the event it came of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.apps.sessions.sessions import BEARERS, Row
from motorcade.errors import CorruptionError
from motorcade.signals.batch import SignalBatch

__all__ = ["EVENTS", "KIND", "PATHS", "batch_of", "pack_rows", "read_rows"]

KIND: Final = "link"
EVENTS: Final = ("UP", "CHANGED", "DOWN", "OFFLINE")
"""The words of ``Vehicle.Connectivity.Link.Event`` in the order of their codes."""

_ROOT: Final = "Vehicle.Connectivity."
_US: Final = 1e6
_EVENT_CODES: Final = {word: code for code, word in enumerate(EVENTS)}
_BEARER_CODES: Final = {word: code for code, word in enumerate(BEARERS)}
_CODE: Final = pa.uint8()

_COLUMNS: Final[dict[str, tuple[pa.DataType, Callable[[Row], Any]]]] = {
    "IsOnline": (pa.bool_(), lambda row: row.online),
    "IsReachable": (pa.bool_(), lambda row: row.reachable),
    "LinkCount": (pa.uint8(), lambda row: min(row.links, 255)),
    "Bearer": (_CODE, lambda row: _BEARER_CODES[row.bearer]),
    "Link.Event": (_CODE, lambda row: _EVENT_CODES[row.event]),
    "Link.Name": (pa.string(), lambda row: row.link),
    "Link.Protocol": (pa.string(), lambda row: row.protocol),
    "Link.Bearer": (_CODE, lambda row: _code(row.link_bearer)),
    "Link.PreviousBearer": (_CODE, lambda row: _code(row.previous)),
    "Link.Address": (pa.string(), lambda row: row.address),
    "Link.Reason": (pa.string(), lambda row: row.reason),
    "Link.Duration": (pa.float64(), lambda row: _seconds(row.lasted_us)),
    "Link.Gap": (pa.float64(), lambda row: _seconds(row.gap_us)),
}

PATHS: Final = tuple(_ROOT + name for name in _COLUMNS)
"""The signals of a row."""

_DECODER: Final = msgspec.msgpack.Decoder(list[Row])


def batch_of(rows: Sequence[Row], ingest_us: int) -> SignalBatch:
    """Rows as a batch; every batch has the same columns, so that the log has one schema of them."""
    meta = {
        "tenant": np.array([row.tenant for row in rows], np.uint32),
        "vehicle": np.array([row.vehicle for row in rows], np.uint64),
        "event_time": np.array([row.time_us for row in rows], np.int64),
        "ingest_time": np.full(len(rows), ingest_us, np.int64),
        "record": _records(rows),
        "reissued": np.zeros(len(rows), np.bool_),
    }
    signals = {
        _ROOT + name: pa.array([value(row) for row in rows], kind)
        for name, (kind, value) in _COLUMNS.items()
    }
    return SignalBatch.build(KIND, meta, signals)


def pack_rows(rows: Sequence[Row]) -> bytes:
    """Rows as bytes."""
    return msgspec.msgpack.encode(rows)


def read_rows(data: bytes) -> list[Row]:
    """What ``pack_rows`` made. Raises ``CorruptionError``."""
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise CorruptionError(f"kept rows of links cannot be read: {error}") from error


def _records(rows: Sequence[Row]) -> NDArray[np.uint64]:
    hashes = b"".join(
        blake2b(f"{row.link} {row.event}".encode(), digest_size=8).digest() for row in rows
    )
    return np.frombuffer(hashes, "<u8").astype(np.uint64)


def _code(bearer: str | None) -> int | None:
    return None if bearer is None else _BEARER_CODES[bearer]


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / _US
