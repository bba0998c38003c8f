"""Frames of many vehicles to batches: reports, events, media, logins and logouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.frames import Decoded, Frames, Reject
from motorcade.protocols.jt808.bodies import BASIC_BYTES, Bodies, find_bodies
from motorcade.protocols.jt808.columns import collect, put_fields
from motorcade.protocols.jt808.heads import EDITION_2019, SHORT_SERIAL, Heads, read_heads
from motorcade.protocols.jt808.leftovers import Leftovers
from motorcade.protocols.jt808.other_batches import other_batches
from motorcade.protocols.jt808.pieces import are_pieces, piece_batch
from motorcade.protocols.jt808.plan import NESTED, Plan, plan
from motorcade.protocols.jt808.repaired import repaired
from motorcade.protocols.jt808.sink import Sink
from motorcade.protocols.jt808.tables import LINK, LOCATION
from motorcade.protocols.jt808.walk import Found, walk, walk_words
from motorcade.protocols.jt808.words import (
    AUTH,
    BATCHES,
    DEREGISTER,
    ENCRYPTED,
    EVENTS,
    MEDIA,
    MEDIA_HEAD_BYTES,
    PACKET,
    POSITIONS,
    RECORDS,
    STATE,
    STATE_BYTES,
)
from motorcade.signals.batch import Quality, SignalBatch
from motorcade.signals.quality import quality_codes
from motorcade.wire.bcd import read_bcd_times
from motorcade.wire.ragged import gather, hash64

__all__ = ["decode"]

_NO_SETTINGS: Final[Mapping[int, Any]] = {}
_LOCATED: Final = np.zeros(1 << 16, bool)
_LOCATED[[*POSITIONS, *BATCHES]] = True
_OTHERS: Final = np.zeros(1 << 16, bool)
_OTHERS[[*EVENTS, MEDIA, PACKET, AUTH, DEREGISTER]] = True
_BASIC: Final = np.dtype(
    [("alarm", ">u4"), ("status", ">u4"), ("latitude", ">u4"), ("longitude", ">u4")]
)
_SOUTH, _WEST = 4, 8

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def decode(
    frames: Frames,
    ingest_time: int,
    settings: Mapping[int, Any] = _NO_SETTINGS,
) -> Decoded:
    """One batch per message kind, and a reject for every frame that could not be used; never
    raises.

    ``ingest_time`` µs UTC; it stands in for the time of messages that have none, and of location
    bodies whose time is none (``Vehicle.CurrentLocation.Timestamp`` is then marked invalid). Frames
    of other messages are neither decoded nor rejected. Reject codes: ``cipher``, ``structure``.
    """
    if len(frames) == 0:
        return Decoded((), ())
    heads = read_heads(frames)
    fault: dict[int, tuple[str, str]] = {}
    usable = _readable(heads, fault)
    batches: list[SignalBatch] = []
    rows: list[Ints] = []
    pieces = are_pieces(heads) & usable
    if pieces.any():
        usable &= ~pieces
        rows.append(np.flatnonzero(pieces))
        batches.append(piece_batch(frames, heads, rows[0], ingest_time))
    odd: list[tuple[int, int, int]] = []
    short = (heads.message == STATE) & (heads.end - heads.body == STATE_BYTES)
    if _LOCATED[heads.message].any():
        bodies = find_bodies(heads, usable & ~short)
        odd = bodies.odd
        for row in bodies.broken.tolist():
            fault[row] = ("structure", "The body is too short for a location.")
        if len(bodies.frame):
            batches.append(_reports(frames, heads, bodies, ingest_time))
            rows.append(bodies.frame)
    cut_off = (heads.message == MEDIA) & (heads.end - heads.body < MEDIA_HEAD_BYTES) & usable
    for row in np.flatnonzero(cut_off).tolist():
        fault[row] = ("structure", "The body is too short for multimedia.")
    others = np.flatnonzero(usable & ~cut_off & (_OTHERS[heads.message] | short))
    if len(others) or odd:
        for batch, places in other_batches(frames, heads, others, odd, ingest_time):
            batches.append(batch)
            rows.append(places)
    rejects = [
        Reject(code, reason, frames.bytes_of(row), row, int(frames.peer[row]))
        for row, (code, reason) in sorted(fault.items())
    ]
    return Decoded(batches, rows, rejects, repaired(heads))


def _readable(heads: Heads, fault: dict[int, tuple[str, str]]) -> Flags:
    """Which bodies are not encrypted; of the others, ``fault`` gets those that are ours."""
    # The maker's short header has other things in these bits.
    hidden: Flags = ((heads.attributes & ENCRYPTED) != 0) & (heads.layout != SHORT_SERIAL)
    if hidden.any():
        ours = np.isin(heads.message, (*RECORDS, AUTH, DEREGISTER))
        for row in np.flatnonzero(hidden & ours).tolist():
            fault[row] = ("cipher", "The body is encrypted; no key was agreed on.")
    return ~hidden


def _reports(frames: Frames, heads: Heads, bodies: Bodies, ingest_time: int) -> SignalBatch:
    """Location bodies as rows of kind ``report``."""
    tables = plan()
    sink = Sink(len(bodies.frame))
    event_time = _basic(tables, heads, bodies, ingest_time, sink)
    raw = _items(tables, heads, bodies, sink)
    signal = tables.catalogue[f"{LINK}.Protocol"]
    old, new = (signal.words.index(word) for word in ("JT808_2013", "JT808_2019"))
    editions = np.where(heads.layout[bodies.frame] == EDITION_2019, new, old)
    sink.put(signal, None, editions.astype(np.uint8))
    meta = {
        "tenant": frames.tenant[bodies.frame],
        "vehicle": frames.vehicle[bodies.frame],
        "event_time": event_time,
        "ingest_time": np.full(len(bodies.frame), ingest_time, np.int64),
        "record": hash64(heads.buffer, bodies.start, bodies.end - bodies.start),
        "reissued": pa.array(bodies.reissued),
        "raw": raw,
    }
    signals = sink.columns()
    triples = sink.triples()
    if len(triples[0]):
        meta["quality"] = quality_codes(*triples, len(bodies.frame))
    return SignalBatch.build("report", meta, signals)


def _basic(tables: Plan, heads: Heads, bodies: Bodies, ingest_time: int, sink: Sink) -> Ints:
    """The basic 28 bytes; gives the times."""
    buffer, start = heads.buffer, bodies.start
    put_fields(buffer, tables.basic, start, BASIC_BYTES, rows=None, sink=sink)
    basic = gather(buffer, start, _BASIC.itemsize).view(_BASIC).ravel()
    status = basic["status"].astype(np.uint32)
    for name, path, bit in (("latitude", "Latitude", _SOUTH), ("longitude", "Longitude", _WEST)):
        signal = tables.catalogue[f"{LOCATION}.{path}"]
        degrees = basic[name] / 1e6
        degrees[(status & bit) != 0] *= -1.0
        limit = 90.0 if name == "latitude" else 180.0
        beyond = np.abs(degrees) > limit
        quality = None
        if beyond.any():
            quality = np.where(beyond, np.uint8(Quality.INVALID), np.uint8(Quality.VALID))
        sink.put(signal, None, degrees, quality)
    event_time, good = read_bcd_times(buffer, start + 22)
    if not good.all():
        event_time = np.where(good, event_time, ingest_time)
        sink.mark(np.flatnonzero(~good), tables.catalogue[f"{LOCATION}.Timestamp"])
    return event_time


def _items(tables: Plan, heads: Heads, bodies: Bodies, sink: Sink) -> pa.Array | None:
    """Additional items; gives the ``raw`` column."""
    buffer = heads.buffer
    walked = walk(buffer, bodies.start + BASIC_BYTES, bodies.end)
    left = Leftovers(sink.n)
    for (number, size), found in walked.found.items():
        first, again = found.once()
        if again is not None:
            left.keep(number, again, size)
        if number == NESTED:
            unknown = _nested(tables, buffer, first, size, sink)
        else:
            unknown = _item(tables, buffer, (number, size), first, sink)
        if unknown is None:
            left.keep(number, first, size)
        elif unknown.any():
            left.keep(number, first.take(unknown), size)
    rows, at = walked.rest
    left.keep_rest(buffer, rows, at, bodies.end[rows])
    return left.column(buffer)


def _item(
    tables: Plan, buffer: NDArray[np.uint8], key: tuple[int, int], found: Found, sink: Sink
) -> Flags | None:
    """Read the items of one id and length. Gives which of them are to be kept as bytes, too; None:
    all."""
    entries = tables.tables(*key)
    if not entries:
        return None
    unknown = np.ones(len(found.rows), bool)
    for entry in entries:
        chosen = np.flatnonzero(unknown)
        if entry.item.when is not None:
            place, byte = entry.item.when
            chosen = chosen[buffer[found.at[chosen] + place] == byte]
        if len(chosen) == 0:
            continue
        unknown[chosen] = False
        odd = collect(tables, buffer, entry, found.take(chosen), key[1], sink=sink)
        if odd is not None:
            unknown[chosen[odd]] = True
        if not unknown.any():
            break
    return unknown


def _nested(
    tables: Plan, buffer: NDArray[np.uint8], found: Found, size: int, sink: Sink
) -> Flags | None:
    """Items inside item 0xEB; the whole is kept as bytes where one of them is unknown."""
    inner = walk_words(buffer, found.at, found.at + size)
    unknown = np.zeros(len(found.rows), bool)
    unknown[inner.rest[0]] = True
    for (number, length), one in inner.found.items():
        first, again = one.once()
        if again is not None:
            unknown[again.rows] = True
        key = (NESTED << 16 | number, length)
        placed = Found(found.rows[first.rows], first.at, first.turn)
        strange = _item(tables, buffer, key, placed, sink)
        unknown[first.rows if strange is None else first.rows[strange]] = True
    return unknown
