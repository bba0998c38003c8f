"""Mobile-originated messages of many vehicles to batches.

A record's identity comes from the message alone. Where the payload is a report of the compact
profile with a time of its own, it is that payload: a modem that sends it again under another
number, or another bearer that carries it too, brings the same record. Otherwise it is header and
payload: CDR number and MOMSN are the same however often Iridium's gateway delivers the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.protocols.frames import Decoded, Frames
from motorcade.protocols.iridium.elements import (
    MO_HEADER,
    MO_LOCATION,
    MO_PAYLOAD,
    Location,
    MoHeader,
    read_elements,
    read_location,
    read_mo_header,
)
from motorcade.protocols.iridium.framing import is_record
from motorcade.signals.batch import Quality, SignalBatch
from motorcade.signals.quality import quality_codes
from motorcade.wire.compact.command import read_answer
from motorcade.wire.compact.report import Fault, Reports, read_reports
from motorcade.wire.compact.signals import SOURCES, signal, signal_columns, triples
from motorcade.wire.ragged import hash64, starts_of

__all__ = ["SIGNALS", "decode"]

_SATELLITE: Final = "Vehicle.Connectivity.Satellite"
_LATITUDE: Final = f"{_SATELLITE}.Latitude"
_LONGITUDE: Final = f"{_SATELLITE}.Longitude"
_ACCURACY: Final = f"{_SATELLITE}.Accuracy"
_STATUS: Final = f"{_SATELLITE}.SessionStatus"
_NUMBER: Final = f"{_SATELLITE}.MessageNumber"

SIGNALS: Final[Mapping[str, Any]] = {
    **SOURCES,
    _LATITUDE: MO_LOCATION,
    _LONGITUDE: MO_LOCATION,
    _ACCURACY: MO_LOCATION,
    _STATUS: MO_HEADER,
    _NUMBER: MO_HEADER,
}
"""Every signal a message may report, and where it stands: a part of the compact profile or the
number of an element."""

_PAD: Final = bytes(8)
"""``hash64`` wants bytes before what it hashes."""
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _Message:
    """One message, read. ``has_location``: there was one; ``location``: it was good."""

    header: MoHeader
    named: bytes
    """The header's bytes."""
    payload: bytes
    location: Location | None
    has_location: bool
    elements: list[tuple[int, bytes]]


def decode(frames: Frames, ingest_time: int, settings: Mapping[int, Any] | None = None) -> Decoded:
    """A batch of reports, and one of answers to commands (kind ``event``); ``ingest_time`` µs UTC.

    Nothing is rejected: a payload nobody knows is kept in ``raw`` beside the header, and is a
    report of how its message came.
    """
    rows = np.flatnonzero(is_record(frames))
    messages = [_read(frames.bytes_of(row)) for row in rows.tolist()]
    answers = np.array([read_answer(one.payload) is not None for one in messages], bool)
    batches, used = [], []
    for kind, chosen in (("report", ~answers), ("event", answers)):
        if chosen.any():
            some = [messages[place] for place in np.flatnonzero(chosen).tolist()]
            batches.append(_batch(kind, frames.take(rows[chosen]), some, ingest_time))
            used.append(rows[chosen])
    return Decoded(batches, used)


def _batch(kind: str, frames: Frames, messages: list[_Message], ingest_time: int) -> SignalBatch:
    rows = len(frames)
    payloads, reports = _reports([message.payload for message in messages])
    known = (reports.fault == Fault.NONE) & (reports.time_s > 0)
    session_s = np.array([message.header.session_s for message in messages], np.int64)
    whole = _joined([message.named + message.payload for message in messages])
    meta = {
        "tenant": frames.tenant,
        "vehicle": frames.vehicle,
        "event_time": np.where(known, reports.time_s, session_s) * _SECOND_US,
        "ingest_time": np.full(rows, ingest_time, np.int64),
        "record": np.where(known, hash64(*payloads), hash64(*whole)),
        "reissued": np.zeros(rows, bool),
        "quality": _quality(messages, reports),
        "raw": pa.array(
            [
                _kept(message, fault == Fault.NONE)
                for message, fault in zip(messages, reports.fault.tolist(), strict=True)
            ],
            pa.binary(),
        ),
    }
    signals = {**signal_columns(reports), **_session_columns(messages)}
    return SignalBatch.build(kind, meta, signals)


def _read(frame: bytes) -> _Message:
    elements = read_elements(frame, 3)
    # Where an element comes twice, the first counts; all are kept.
    first = dict(reversed(elements))
    place = first.get(MO_LOCATION)
    return _Message(
        read_mo_header(first[MO_HEADER]),
        first[MO_HEADER],
        first.get(MO_PAYLOAD, b""),
        None if place is None else read_location(place),
        place is not None,
        elements,
    )


def _joined(
    pieces: list[bytes],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Pieces end to end behind some padding: buffer, offsets, lengths."""
    length = np.array([len(piece) for piece in pieces], np.int64)
    buffer = np.frombuffer(_PAD + b"".join(pieces), np.uint8)
    return buffer, starts_of(length)[:-1] + len(_PAD), length


def _reports(payloads: list[bytes]) -> tuple[Any, Reports]:
    joined = _joined(payloads)
    return joined, read_reports(*joined)


def _session_columns(messages: list[_Message]) -> dict[str, pa.Array]:
    """What the header and the location say."""
    columns: dict[str, list[Any]] = {
        _STATUS: [message.header.status for message in messages],
        _NUMBER: [message.header.momsn for message in messages],
    }
    places = [message.location for message in messages]
    if any(places):
        columns |= {
            _LATITUDE: [place and place.latitude for place in places],
            _LONGITUDE: [place and place.longitude for place in places],
            _ACCURACY: [place and min(place.radius_km * 1000, 0xFFFFFFFF) for place in places],
        }
    return {path: pa.array(values, signal(path).arrow_type) for path, values in columns.items()}


def _quality(messages: list[_Message], reports: Reports) -> pa.Array:
    at, numbers, kinds = triples(reports)
    lost = [row for row, one in enumerate(messages) if one.has_location and one.location is None]
    for path in (_LATITUDE, _LONGITUDE):
        at = np.concatenate([at, np.array(lost, np.int64)])
        numbers = np.concatenate([numbers, np.full(len(lost), signal(path).number, np.uint32)])
        kinds = np.concatenate([kinds, np.full(len(lost), Quality.ABNORMAL, np.uint8)])
    return quality_codes(at, numbers, kinds, len(messages))


def _kept(message: _Message, is_report: bool) -> bytes:
    """The elements as they came, less those that became signals."""
    read = set()
    if is_report:
        read.add(MO_PAYLOAD)
    if message.location is not None:
        read.add(MO_LOCATION)
    kept = b""
    for iei, value in message.elements:
        if iei in read:
            read.discard(iei)
            continue
        kept += bytes([iei]) + len(value).to_bytes(2, "big") + value
    return kept
