"""Heard frames of many vehicles to batches: readings as JSON or CBOR, logins and logouts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.errors import Invalid
from motorcade.protocols.frames import Decoded, Frames, Reject
from motorcade.protocols.mqtt.layout import Layout, layout, types
from motorcade.protocols.mqtt.rows import inner_rows, is_record
from motorcade.protocols.mqtt.words import CONNECT, DISCONNECT
from motorcade.signals.batch import Quality, SignalBatch
from motorcade.signals.catalogue import Catalogue, load_catalogue
from motorcade.signals.objects import Columns, columns_of, readings, timestamps
from motorcade.signals.payloads import read_payload, read_texts
from motorcade.signals.quality import quality_codes
from motorcade.wire.ragged import hash64

__all__ = ["decode"]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FAULTS_TOLD_MAX: Final = 5
"""Faults of one message that its reject lists; the rest are counted."""

_PROTOCOL: Final = "Vehicle.Connectivity.Protocol"
_OLD: Final = "MQTT_3_1_1"

_QUALITY: Final = {"type": Quality.INVALID, "word": Quality.INVALID, "range": Quality.ABNORMAL}

Ints = NDArray[np.int64]


class _Readings:
    """What was read of the messages: one entry per reading. ``row`` its frame, ``place`` its number
    in the message; ``faults`` by frame, the fatal ones (code, reason) and the partial ones."""

    def __init__(self) -> None:
        self.row: list[int] = []
        self.place: list[int] = []
        self.time: list[Any] = []
        self.signals: list[Mapping[str, Any]] = []
        self.reissued: list[bool] = []
        self.refused: dict[int, tuple[str, str]] = {}
        self.partly: dict[int, list[str]] = {}


def decode(frames: Frames, ingest_time: int, settings: Mapping[int, Any] | None = None) -> Decoded:
    """One batch per message kind, and a reject for every message that could not be used or lost
    values; never raises.

    ``ingest_time`` µs UTC. Frames that are neither publishes of readings nor CONNECT nor
    DISCONNECT, and publishes of other protocols' frames, are neither decoded nor rejected. Reject
    codes: ``payload`` (no JSON or CBOR of the right shape, or nothing in it can be used), ``time``,
    and ``value``: the frame's row stands without the values it names.
    """
    batches: list[SignalBatch] = []
    rows: list[Ints] = []
    rejects: list[Reject] = []
    records = np.flatnonzero(is_record(frames))
    if len(records):
        others = inner_rows(_some(frames, records))
        if others.any():
            records = records[~others]
    if len(records):
        found = _read(frames, records, layout(_some(frames, records)))
        used, batch = _reports(frames, found, ingest_time)
        if batch is not None:
            batches.append(batch)
            rows.append(used)
        rejects = _rejects(frames, found)
    kind = types(frames)
    for wanted, name in ((CONNECT, "login"), (DISCONNECT, "logout")):
        chosen = np.flatnonzero(kind == wanted)
        if len(chosen):
            signals = _versions(frames, chosen) if wanted == CONNECT else {}
            batches.append(_plain(frames, chosen, ingest_time, name, signals))
            rows.append(chosen)
    return Decoded(batches, rows, rejects)


def _some(frames: Frames, rows: Ints) -> Frames:
    """The frames at ``rows``; all of them as they are."""
    whole = len(rows) == len(frames) and bool((rows == np.arange(len(rows))).all())
    return frames if whole else frames.take(rows)


def _read(frames: Frames, records: Ints, found: Layout) -> _Readings:
    """The readings of all messages: at once where each is a JSON text of one reading, as nearly all
    ticks are; else one message after the other."""
    begin = found.payload_at
    end = begin + found.payload_len
    if found.good.all():
        data = frames.buffer.tobytes()
        spans = zip(begin.tolist(), end.tolist(), strict=True)
        messages = read_texts([data[start:stop] for start, stop in spans])
        if messages is not None:
            read = _alike(records, messages)
            if read is not None:
                return read
    return _one_by_one(frames, records, found)


def _alike(records: Ints, messages: list[Any]) -> _Readings | None:
    """The readings of messages that are one each, with its signals apart; None where some are
    not. Without the two objects a reading otherwise costs."""
    if set(map(type, messages)) != {dict}:
        return None
    signals = [message.get("signals") for message in messages]
    if set(map(type, signals)) != {dict} or not all(signals):
        return None
    read = _Readings()
    read.row = records.tolist()
    read.place = [0] * len(messages)
    read.time = [message.get("ts") for message in messages]
    read.signals = signals
    read.reissued = [message.get("reissued") is True for message in messages]
    return read


def _one_by_one(frames: Frames, records: Ints, found: Layout) -> _Readings:
    """The readings of messages of any shape, and what is wrong with those that have none."""
    read = _Readings()
    view = frames.buffer.data
    spans = zip(
        records.tolist(),
        found.payload_at.tolist(),
        (found.payload_at + found.payload_len).tolist(),
        found.good.tolist(),
        strict=True,
    )
    for frame, begin, end, good in spans:
        try:
            if not good:
                raise Invalid("the PUBLISH reaches beyond its end")
            message = read_payload(view[begin:end])
            for number, one in enumerate(readings(message)):
                read.row.append(frame)
                read.place.append(number)
                read.time.append(one.time)
                read.signals.append(one.signals)
                read.reissued.append(one.reissued)
            if not message:
                raise Invalid("the message holds no reading")
        except Invalid as error:
            read.refused[frame] = ("payload", error.detail)
    return read


def _reports(frames: Frames, read: _Readings, ingest_time: int) -> tuple[Ints, SignalBatch | None]:
    """The rows that have a time and a value, as one batch."""
    row = np.array(read.row, np.int64)
    event_time, bad = _times(read.time, ingest_time)
    columns = columns_of(_catalogue(), read.signals)
    valued = _valued(columns, len(row))
    good = valued.copy()
    if bad:
        good[list(bad)] = False
    _blame(read, columns, bad, valued, good)
    if read.refused:
        good &= ~np.isin(row, list(read.refused))
    used = row[good]
    if not len(used):
        return used, None
    meta = {
        **_meta(frames, used, ingest_time),
        "event_time": event_time[good],
        "record": _records(frames, used, np.array(read.place, np.uint64)[good]),
        "reissued": pa.array(np.array(read.reissued, bool)[good]),
    }
    signals = columns.signals
    if not good.all():
        keep = pa.array(good)
        signals = {path: array.filter(keep) for path, array in signals.items()}
        signals = {p: array for p, array in signals.items() if array.null_count < len(array)}
    quality = _quality(columns, good)
    if quality is not None:
        meta["quality"] = quality
    return used, SignalBatch.build("report", meta, signals)


def _valued(columns: Columns, rows: int) -> NDArray[np.bool_]:
    """Which readings have a value: bool (n)."""
    if any(array.null_count == 0 for array in columns.signals.values()):
        return np.ones(rows, bool)
    valued = np.zeros(rows, bool)
    for array in columns.signals.values():
        valued |= array.is_valid().to_numpy(zero_copy_only=False)
    return valued


def _times(values: list[Any], ingest_time: int) -> tuple[Ints, dict[int, str]]:
    """Event times; a reading without one has that of its arrival."""
    if None not in values:
        return timestamps(values)
    told = [place for place, value in enumerate(values) if value is not None]
    event_time = np.full(len(values), ingest_time, np.int64)
    known, bad = timestamps([values[place] for place in told])
    event_time[told] = known
    return event_time, {told[place]: reason for place, reason in bad.items()}


def _blame(
    read: _Readings,
    columns: Columns,
    bad: Mapping[int, str],
    valued: NDArray[np.bool_],
    good: NDArray[np.bool_],
) -> None:
    """Note per frame what was wrong in it, and refuse those of which nothing is left."""
    if not bad and not columns.faults and valued.all():
        return
    row = read.row
    kept = {row[place] for place in np.flatnonzero(good).tolist()}
    for place in np.flatnonzero(~good).tolist():
        code, reason = "payload", "no signal with a value"
        if place in bad:
            code, reason = "time", bad[place]
        elif place in columns.faults:
            reason = _told([f"{f.path}: {f.reason}" for f in columns.faults[place]])
        if row[place] in kept:
            read.partly.setdefault(row[place], []).append(f"reading {read.place[place]}: {reason}")
        else:
            read.refused.setdefault(row[place], (code, reason))
    for place, faults in columns.faults.items():
        if good[place]:
            read.partly.setdefault(row[place], []).extend(f"{f.path}: {f.reason}" for f in faults)


def _rejects(frames: Frames, read: _Readings) -> list[Reject]:
    found = {row: ("value", _told(reasons)) for row, reasons in read.partly.items()}
    found.update(read.refused)
    return [
        Reject(code, reason, frames.bytes_of(row), row, int(frames.peer[row]))
        for row, (code, reason) in sorted(found.items())
    ]


def _told(reasons: list[str]) -> str:
    some = "; ".join(reasons[:_FAULTS_TOLD_MAX])
    more = len(reasons) - _FAULTS_TOLD_MAX
    return f"{some}; and {more} more" if more > 0 else some


def _records(frames: Frames, used: Ints, place: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The hash of each reading: of its message's payload and its place in that."""
    found = layout(_some(frames, used))
    hashes = hash64(frames.buffer, found.payload_at, found.payload_len)
    return hashes ^ (place * _GOLDEN)


def _quality(columns: Columns, good: NDArray[np.bool_]) -> pa.Array | None:
    """Which signals of a row were reported wrong: known ones, of rows that stand."""
    if not columns.faults:
        return None
    catalogue = _catalogue()
    to = np.cumsum(good) - 1
    triples = [
        (int(to[place]), catalogue[fault.path].number, int(_QUALITY[fault.code]))
        for place, faults in columns.faults.items()
        if good[place]
        for fault in faults
        if fault.code in _QUALITY
    ]
    if not triples:
        return None
    rows, numbers, kinds = zip(*triples, strict=True)
    return quality_codes(rows, numbers, kinds, int(good.sum()))


def _versions(frames: Frames, rows: Ints) -> dict[str, pa.Array]:
    """The version each CONNECT speaks; its byte stands behind the name ``MQTT``."""
    words = _catalogue()[_PROTOCOL].words
    codes = [
        words.index("MQTT_5") if b"MQTT\x05" in frames.bytes_of(row)[:13] else words.index(_OLD)
        for row in rows.tolist()
    ]
    return {_PROTOCOL: pa.array(codes, pa.uint8())}


def _plain(
    frames: Frames, rows: Ints, ingest_time: int, kind: str, signals: dict[str, pa.Array]
) -> SignalBatch:
    """Logins or logouts."""
    meta = _meta(frames, rows, ingest_time)
    meta["event_time"] = meta["ingest_time"]
    # A CONNECT of a few bytes stands at the very beginning of its buffer; hashing wants room
    # before.
    room = np.concatenate([np.zeros(8, np.uint8), frames.buffer])
    meta["record"] = hash64(room, frames.offset[rows] + 8, frames.length[rows])
    meta["reissued"] = pa.array(np.zeros(len(rows), bool))
    return SignalBatch.build(kind, meta, signals)


def _meta(frames: Frames, rows: Ints, ingest_time: int) -> dict[str, Any]:
    return {
        "tenant": frames.tenant[rows],
        "vehicle": frames.vehicle[rows],
        "ingest_time": np.full(len(rows), ingest_time, np.int64),
    }


@lru_cache(maxsize=1)
def _catalogue() -> Catalogue:
    """The catalogue, read once."""
    return load_catalogue()
