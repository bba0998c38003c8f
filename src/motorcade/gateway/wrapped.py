"""Payloads that are whole frames of another protocol: a car that speaks GB/T 32960 over MQTT.

In: an outer protocol's frames, their vehicles known. Out: what the inner protocol makes of the
payloads, beside what the outer one made of the others. The inner frame must name the vehicle the
link belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorcade import protocols
from motorcade.errors import NotFound
from motorcade.gateway.directory import vin_text
from motorcade.protocols.frames import Cut, Decoded, Frames, Reject
from motorcade.signals.batch import SignalBatch

__all__ = ["unwrapped"]


def unwrapped(
    outer: ModuleType,
    frames: Frames,
    decoded: Decoded,
    ingest_time: int,
    settings: Mapping[int, Any],
) -> Decoded:
    """``decoded`` with the rows and rejects of the inner frames; ``frame`` and ``rows`` are the
    outer frames'."""
    batches, rows = list(decoded.batches), list(decoded.rows)
    rejects = list(decoded.rejects)
    for name, places in outer.inner(frames).items():
        try:
            inner = protocols.find(name)
        except NotFound as error:
            rejects += _all_refused(frames, places, "channel", error.detail)
            continue
        found = _read(inner, outer, frames, places, ingest_time, settings=settings)
        batches += found.batches
        rows += found.rows
        rejects += found.rejects
    return Decoded(batches, rows, rejects)


def _read(
    inner: ModuleType,
    outer: ModuleType,
    frames: Frames,
    places: NDArray[np.int64],
    ingest_time: int,
    *,
    settings: Mapping[int, Any],
) -> Decoded:
    """The inner frames of one protocol; a payload with anything wrong in it is refused whole."""
    payloads = [outer.payload(frames, row) for row in places.tolist()]
    cut: Cut = inner.cut(payloads)
    wrong: dict[int, tuple[str, str]] = {
        reject.peer: (reject.code, reject.reason) for reject in cut.rejects
    }
    for index in cut.remainder:
        wrong.setdefault(index, ("incomplete", "The payload ends inside a frame."))
    whole = set(cut.frames.peer.tolist())
    for index in range(len(payloads)):
        if index not in whole:
            wrong.setdefault(index, ("incomplete", "The payload holds no whole frame."))
    vehicle, tenant = frames.vehicle[places], frames.tenant[places]
    some = cut.frames.addressed(vehicle[cut.frames.peer], tenant[cut.frames.peer])
    for index in _others(inner, outer, frames, places, some):
        wrong.setdefault(index, ("vin_mismatch", "The frame inside names another vehicle."))
    some = some.take(~np.isin(some.peer, np.array(list(wrong), np.int64)))
    decoded: Decoded = inner.decode(some, ingest_time, settings)
    for reject in decoded.rejects:
        wrong.setdefault(int(some.peer[reject.frame]), (reject.code, reject.reason))
    batches: list[SignalBatch] = []
    rows: list[NDArray[np.int64]] = []
    for batch, index_of in zip(decoded.batches, decoded.rows, strict=True):
        batches.append(batch)
        rows.append(places[some.peer[index_of]])
    rejects = [
        Reject(code, reason, frames.bytes_of(int(places[i])), int(places[i]), -1)
        for i, (code, reason) in wrong.items()
    ]
    return Decoded(batches, rows, rejects)


def _others(
    inner: ModuleType,
    outer: ModuleType,
    frames: Frames,
    places: NDArray[np.int64],
    some: Frames,
) -> list[int]:
    """Payloads whose frames name another vehicle than the link's, where both name it by VIN."""
    if getattr(inner, "IDENTITY", "vin") != getattr(outer, "IDENTITY", "vin") or not len(some):
        return []
    own = [vin_text(name) for name in outer.vins(frames.take(places))]
    named = [vin_text(name) for name in inner.vins(some)]
    pairs = zip(some.peer.tolist(), named, strict=True)
    return [index for index, name in pairs if own[index] != name]


def _all_refused(frames: Frames, places: NDArray[np.int64], code: str, reason: str) -> list[Reject]:
    return [
        Reject(code, reason, frames.bytes_of(row), row, int(frames.peer[row]))
        for row in places.tolist()
    ]
