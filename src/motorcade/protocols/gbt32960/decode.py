"""Frames of many vehicles to batches: reports (02, 03), logins (01) and logouts (04), both editions
mixed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.frames import Decoded, Frames, Reject
from motorcade.protocols.gbt32960 import cipher
from motorcade.protocols.gbt32960.columns import collect, scalars
from motorcade.protocols.gbt32960.custom import collect_custom
from motorcade.protocols.gbt32960.framing import HEADER
from motorcade.protocols.gbt32960.leftovers import raw_column, set_aside
from motorcade.protocols.gbt32960.logins import login_batches
from motorcade.protocols.gbt32960.plan import plan
from motorcade.protocols.gbt32960.settings import TenantSettings
from motorcade.protocols.gbt32960.sink import Sink
from motorcade.protocols.gbt32960.times import read_times
from motorcade.protocols.gbt32960.walk import Bodies, walk
from motorcade.protocols.gbt32960.words import (
    AES128,
    CIPHERS,
    COMMAND,
    LOGIN,
    LOGOUT,
    PLAIN,
    REALTIME,
    REISSUE,
)
from motorcade.signals.batch import SignalBatch
from motorcade.signals.quality import quality_codes
from motorcade.wire.ragged import gather, hash64

__all__ = ["decode"]

_NO_SETTINGS: Final[Mapping[int, TenantSettings]] = {}
_STRUCTURE: Final = "The data unit ends inside an information item."
_SHORT: Final = "The data unit is too short for a time."
_TIME: Final = "The data unit begins with six bytes that are no time."

Ints = NDArray[np.int64]


class _Units:
    """Data units of ``n`` frames as columns: where they begin and end, their header, what is
    wrong."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.buffer = frames.buffer
        self.header = gather(frames.buffer, frames.offset, HEADER)
        self.start = frames.offset + HEADER
        self.end = frames.offset + frames.length - 1
        self.fault: dict[int, tuple[str, str]] = {}

    def refuse(self, rows: Ints, code: str, reason: str) -> None:
        """Note a fault; the first one of a frame counts."""
        for row in rows.tolist():
            self.fault.setdefault(row, (code, reason))

    def decrypt(self, settings: Mapping[int, TenantSettings]) -> None:
        """Put plain units behind the buffer for AES frames with a key; refuse all other ciphers."""
        kind = self.header[:, 21]
        hidden = np.flatnonzero(kind != PLAIN)
        extra: list[bytes] = []
        size = len(self.buffer)
        for row in hidden.tolist():
            known = settings.get(int(self.frames.tenant[row]))
            plain = None
            if kind[row] == AES128 and known is not None:
                plain = cipher.decrypt(self.frames.bytes_of(row)[HEADER:-1], known)
            if plain is None:
                self.fault[row] = ("cipher", _cipher_reason(int(kind[row]), known))
                continue
            # hash64 wants bytes before a unit.
            extra.append(bytes(8) + plain)
            self.start[row] = size + 8
            size += 8 + len(plain)
            self.end[row] = size
        if extra:
            self.buffer = np.concatenate([self.buffer, np.frombuffer(b"".join(extra), np.uint8)])


def decode(
    frames: Frames,
    ingest_time: int,
    settings: Mapping[int, TenantSettings] = _NO_SETTINGS,
) -> Decoded:
    """One batch per message kind, and a reject for every frame that could not be used; never
    raises.

    ``ingest_time`` µs UTC; ``settings`` by tenant number. Frames of other commands, and answers
    (flag not FE), are neither decoded nor rejected. Reject codes: ``cipher``, ``structure``,
    ``time``.
    """
    if len(frames) == 0:
        return Decoded((), ())
    units = _Units(frames)
    units.decrypt(settings)
    asked = units.header[:, 3] == COMMAND
    command = np.where(asked, units.header[:, 2], 0)
    ours = np.isin(command, (LOGIN, REALTIME, REISSUE, LOGOUT))
    short = ours & (units.end - units.start < 6)
    units.refuse(np.flatnonzero(short), "structure", _SHORT)
    timed = np.where(ours & ~short, units.start, frames.offset)
    event_time, good = read_times(units.buffer, timed)
    units.refuse(np.flatnonzero(ours & ~short & ~good), "time", _TIME)
    if units.fault:
        fine = np.ones(len(frames), bool)
        fine[list(units.fault)] = False
        command = np.where(fine, command, 0)
    batches: list[SignalBatch] = []
    rows: list[Ints] = []
    reports = np.flatnonzero((command == REALTIME) | (command == REISSUE))
    if len(reports):
        used, batch = _reports(units, reports, event_time, ingest_time, settings)
        if batch is not None:
            batches.append(batch)
            rows.append(used)
    for wanted in (LOGIN, LOGOUT):
        chosen = np.flatnonzero(command == wanted)
        if len(chosen):
            used, batch = _talks(units, wanted, chosen, event_time, ingest_time)
            if batch is not None:
                batches.append(batch)
                rows.append(used)
    rejects = [
        Reject(code, reason, frames.bytes_of(row), row, int(frames.peer[row]))
        for row, (code, reason) in sorted(units.fault.items())
        if ours[row]
    ]
    return Decoded(batches, rows, rejects)


def _reports(
    units: _Units,
    chosen: Ints,
    event_time: Ints,
    ingest_time: int,
    settings: Mapping[int, TenantSettings],
) -> tuple[Ints, SignalBatch | None]:
    tables = plan()
    chosen = _all_or(chosen, len(units.frames))
    edition = (units.header[:, 0] == 0x24).astype(np.int64)
    end = units.end[chosen]
    bodies = Bodies(units.buffer, edition[chosen], units.start[chosen] + 6, end)
    walked = walk(tables, bodies)
    index = np.arange(len(units.frames))[chosen]
    if len(walked.broken):
        units.refuse(index[walked.broken], "structure", _STRUCTURE)
        index = np.delete(index, walked.broken)
        if len(index) == 0:
            return index, None
        return _reports(units, index, event_time, ingest_time, settings)
    sink = Sink(tables, len(index))
    pieces = set_aside(tables, walked)
    collect(tables, units.buffer, walked.found, sink)
    scalars(
        units.frames.buffer,
        tables.link,
        np.arange(len(index)),
        units.frames.offset[chosen],
        size=1,
        sink=sink,
    )
    raw = raw_column(tables, units.buffer, end, walked, pieces=pieces, n=len(index))
    custom = walked.found.get(tables.custom)
    if custom is not None and settings:
        tenants = units.frames.tenant[chosen]
        collect_custom(tables, units.buffer, custom, tenants=tenants, settings=settings, sink=sink)
    meta = _meta(units, index, event_time, ingest_time)
    signals = sink.columns()
    triples = sink.triples()
    if len(triples[0]):
        meta["quality"] = quality_codes(*triples, len(index))
    meta["raw"] = raw
    return index, SignalBatch.build("report", meta, signals)


def _talks(
    units: _Units, command: int, chosen: Ints, event_time: Ints, ingest_time: int
) -> tuple[Ints, SignalBatch | None]:
    """Logins or logouts: few, and each is read by itself."""
    frames = [
        units.buffer[begin:end].tobytes()
        for begin, end in zip(units.start[chosen].tolist(), units.end[chosen].tolist(), strict=True)
    ]
    editions = np.where(units.header[chosen, 0] == 0x24, 2025, 2016).tolist()
    made = login_batches(plan().catalogue, command, frames, editions)
    for row, reason in made.faults.items():
        units.refuse(chosen[[row]], "structure", reason)
    used = chosen[made.rows]
    if len(used) == 0:
        return used, None
    meta = _meta(units, used, event_time, ingest_time)
    meta["raw"] = made.raw
    kind = "login" if command == LOGIN else "logout"
    return used, SignalBatch.build(kind, meta, made.signals)


def _meta(units: _Units, rows: Ints, event_time: Ints, ingest_time: int) -> dict[str, Any]:
    start = units.start[rows]
    return {
        "tenant": units.frames.tenant[rows],
        "vehicle": units.frames.vehicle[rows],
        "event_time": event_time[rows],
        "ingest_time": np.full(len(rows), ingest_time, np.int64),
        "record": hash64(units.buffer, start, units.end[rows] - start),
        "reissued": pa.array(units.header[rows, 2] == REISSUE),
    }


def _all_or(rows: Ints, n: int) -> Any:
    """All rows as a slice, which copies nothing."""
    return slice(None) if len(rows) == n else rows


def _cipher_reason(kind: int, known: TenantSettings | None) -> str:
    if kind == AES128:
        if known is None or known.aes_key is None:
            return "The data unit is AES-128 and the tenant has no key for it."
        return "The data unit does not open with the tenant's AES-128 key."
    name = CIPHERS.get(kind, f"{kind:02X}")
    return f"Data units may be plain or AES-128; this one's encryption is {name}."
