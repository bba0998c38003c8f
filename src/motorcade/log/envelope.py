"""The bytes of one log message: a header and Arrow IPC bodies without their schemas.

All numbers little-endian::

    0   4  magic "MCL1"
    4   2  number of segments n
    6   2  flags, 0
    8   4  length of the whole message
    then n times, 24 bytes each:
        0   8  schema id (64 bits of the name in ``signals.batch.schema_id``)
        8   4  offset of the body from the message's start, a multiple of 64
        12  4  length of the body
        16  4  rows
        20  1  kind: 1 report, 2 login, 3 logout, 4 link, 5 event, 6 media
        21  3  0
    then the bodies: one Arrow IPC record-batch message each (Arrow columnar format 1.5,
    "Encapsulated message format"), padded with zeros so that Arrow reads the columns where they
    are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import pyarrow as pa

from motorcade.errors import CorruptionError, Invalid
from motorcade.limits import LOG_MESSAGE_BYTES_MAX
from motorcade.signals.batch import SignalBatch

__all__ = ["Segment", "seal", "open_message", "read_segment", "pack"]

_MAGIC: Final = b"MCL1"
_HEAD: Final = struct.Struct("<4sHHI")
_ENTRY: Final = struct.Struct("<QIIIB3x")
_ALIGN: Final = 64
_KINDS: Final = ("report", "login", "logout", "link", "event", "media")
_KIND_NUMBERS: Final = {kind: number for number, kind in enumerate(_KINDS, start=1)}
_SEGMENTS_MAX: Final = 65_535


class Segment(NamedTuple):
    """One batch in a message: ``schema`` is its id, ``body`` the IPC message, ``rows`` its rows."""

    kind: str
    schema: str
    rows: int
    body: memoryview


def seal(segments: Sequence[Segment]) -> bytes:
    """The message of some segments. Raises ``Invalid`` for a kind nobody defined."""
    offset = _aligned(_HEAD.size + _ENTRY.size * len(segments))
    entries: list[bytes] = []
    bodies: list[bytes | memoryview] = []
    end = _HEAD.size + _ENTRY.size * len(segments)
    for segment in segments:
        number = _KIND_NUMBERS.get(segment.kind)
        if number is None:
            raise Invalid(f"no message kind is called {segment.kind!r}")
        bodies += (bytes(offset - end), segment.body)
        length = len(segment.body)
        entries.append(_ENTRY.pack(int(segment.schema, 16), offset, length, segment.rows, number))
        end = offset + length
        offset = _aligned(end)
    head = _HEAD.pack(_MAGIC, len(segments), 0, end)
    return b"".join((head, *entries, *bodies))


def open_message(data: bytes) -> list[Segment]:
    """The segments of a message; bodies are views of ``data``.

    Raises ``CorruptionError`` where a length, a kind or the magic does not hold.
    """
    if len(data) < _HEAD.size:
        raise CorruptionError("a log message is shorter than its header", length=len(data))
    magic, count, flags, total = _HEAD.unpack_from(data)
    if magic != _MAGIC or flags != 0:
        raise CorruptionError("a log message has an unknown format", head=data[:8].hex())
    floor = _HEAD.size + _ENTRY.size * count
    if total != len(data) or floor > total:
        raise CorruptionError("a log message is cut short", length=len(data), expected=total)
    view = memoryview(data)
    segments = []
    for index in range(count):
        entry = _ENTRY.unpack_from(data, _HEAD.size + index * _ENTRY.size)
        schema, offset, length, rows, kind = entry
        if not floor <= offset <= offset + length <= total or not 1 <= kind <= len(_KINDS):
            raise CorruptionError("a log message's segment table is damaged", segment=index)
        body = view[offset : offset + length]
        segments.append(Segment(_KINDS[kind - 1], f"{schema:016x}", rows, body))
        floor = offset + length
    return segments


def read_segment(segment: Segment, schema: pa.Schema) -> SignalBatch:
    """The batch of a segment. Raises ``CorruptionError`` where the body does not fit the schema."""
    batch = SignalBatch.from_ipc(segment.kind, schema, segment.body)
    if len(batch) != segment.rows:
        raise CorruptionError("a log message's body has other rows than its table says")
    return batch


def pack(
    batches: Sequence[tuple[SignalBatch, str]],
    bytes_max: int = LOG_MESSAGE_BYTES_MAX,
    row_bytes_max: int = LOG_MESSAGE_BYTES_MAX,
) -> list[bytes]:
    """Batches (each with its schema id) as messages of at most ``bytes_max`` bytes, in order.

    A batch that is too long is halved by rows until it fits. A single row may take up to
    ``row_bytes_max``; raises ``Invalid`` above.
    """
    messages: list[bytes] = []
    waiting: list[Segment] = []
    size = _HEAD.size + _ALIGN
    for batch, schema in batches:
        for segment in _bodies(batch, schema, bytes_max, row_bytes_max):
            cost = _aligned(len(segment.body)) + _ENTRY.size
            if waiting and (size + cost > bytes_max or len(waiting) == _SEGMENTS_MAX):
                messages.append(seal(waiting))
                waiting, size = [], _HEAD.size + _ALIGN
            waiting.append(segment)
            size += cost
    if waiting:
        messages.append(seal(waiting))
    return messages


def _bodies(batch: SignalBatch, schema: str, bytes_max: int, row_bytes_max: int) -> list[Segment]:
    """Segments of one batch, each small enough for a message of its own."""
    rows = len(batch)
    if rows == 0:
        return []
    room = bytes_max - _HEAD.size - _ENTRY.size - 2 * _ALIGN
    if batch.data.nbytes <= 2 * room or rows == 1:
        body = memoryview(batch.data.serialize())
        if len(body) <= room:
            return [Segment(batch.kind, schema, rows, body)]
        if rows == 1:
            if len(body) > row_bytes_max - 4 * _ALIGN:
                raise Invalid("one message's row is too large for the log", length=len(body))
            return [Segment(batch.kind, schema, rows, body)]
    half = rows // 2
    return [
        *_bodies(batch.slice(0, half), schema, bytes_max, row_bytes_max),
        *_bodies(batch.slice(half, rows - half), schema, bytes_max, row_bytes_max),
    ]


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN
