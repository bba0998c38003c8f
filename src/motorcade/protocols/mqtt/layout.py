"""Where everything stands in many PUBLISH packets (section 3.3), found by the column.

A PUBLISH: first byte, remaining length, topic (two bytes of length), packet identifier if QoS 1 or
2, properties with their length if MQTT 5, payload. Its topic is ``v/<vin>/up/<channel>``.

The packets that ``hear`` hands on are publishes like any other, with one difference: their DUP flag
says that they are MQTT 5, because what comes after ``hear`` knows no session.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Frames
from motorcade.protocols.mqtt.words import PUBLISH

__all__ = ["CHANNEL_AT", "FIVE", "VIN_BYTES", "Layout", "is_publish", "layout", "types"]

FIVE: Final = 0x08
"""The DUP flag of a heard PUBLISH: it is MQTT 5."""

_NOTE: Final = "mqtt"

VIN_BYTES: Final = 17

CHANNEL_AT: Final = 2 + VIN_BYTES + 4
"""Bytes of ``v/<vin>/up/``, so where the channel begins in a topic."""

Ints = NDArray[np.int64]


class Layout(NamedTuple):
    """Columns (n) of publishes. Places are in the buffer; ``good`` is false where a part reaches
    beyond its packet, and then the others mean nothing."""

    qos: Ints
    topic_at: Ints
    topic_len: Ints
    packet_id: Ints
    properties_at: Ints
    properties_len: Ints
    payload_at: Ints
    payload_len: Ints
    good: NDArray[np.bool_]

    def take(self, rows: NDArray[Any]) -> Layout:
        """Those at ``rows`` (indices or a mask)."""
        return Layout(*(column[rows] for column in self))

    def noted(self, frames: Frames) -> Frames:
        """``frames``, whose layout this is; whoever asks for it again need not look."""
        frames.notes[_NOTE] = self
        return frames


def types(frames: Frames) -> NDArray[np.uint8]:
    """The packet type of every frame: uint8 (n)."""
    return frames.buffer[frames.offset] >> np.uint8(4)


def is_publish(frames: Frames) -> NDArray[np.bool_]:
    """Which frames are publishes."""
    found: NDArray[np.bool_] = types(frames) == PUBLISH
    return found


def layout(frames: Frames, five: NDArray[np.bool_] | None = None) -> Layout:
    """Where everything stands in frames that are publishes (of others it says nothing); ``five``:
    which are MQTT 5 (those whose DUP flag is set, as ``hear`` sets it)."""
    if five is not None:
        return _found(frames, five)
    known: Layout | None = frames.notes.get(_NOTE)
    if known is None:
        known = _found(frames, (frames.buffer[frames.offset] & FIVE) != 0)
        known.noted(frames)
    return known


def _found(frames: Frames, five: NDArray[np.bool_]) -> Layout:
    buffer = frames.buffer
    first = buffer[frames.offset]
    end = frames.offset + frames.length
    _, size = _varint(buffer, frames.offset + 1, end)
    qos = ((first >> np.uint8(1)) & np.uint8(3)).astype(np.int64)
    topic_at = frames.offset + 3 + size
    topic_len = _u16(buffer, topic_at - 2, end)
    after = topic_at + topic_len
    numbered = qos > 0
    packet_id = np.where(numbered, _u16(buffer, after, end), 1)
    after = after + 2 * numbered
    good = (topic_at + topic_len <= end) & (packet_id > 0) & (qos < 3)
    properties_at, properties_len = after, np.zeros(len(after), np.int64)
    if five.any():
        properties_len, width = _varint(buffer, after, end)
        properties_at = after + np.where(five, width, 0)
        properties_len = np.where(five, properties_len, 0)
        good &= ~five | (width > 0)
    payload_at = properties_at + properties_len
    good &= payload_at <= end
    return Layout(
        qos,
        topic_at,
        topic_len,
        packet_id,
        properties_at,
        properties_len,
        payload_at,
        end - payload_at,
        good,
    )


def _byte(buffer: NDArray[np.uint8], at: Ints, end: Ints) -> Ints:
    """The byte at each place; 255 from its packet's end on."""
    inside = at < end
    if inside.all():
        return buffer[at].astype(np.int64)
    found: Ints = buffer[np.where(inside, at, 0)].astype(np.int64)
    found[~inside] = 255
    return found


def _u16(buffer: NDArray[np.uint8], at: Ints, end: Ints) -> Ints:
    return _byte(buffer, at, end) << 8 | _byte(buffer, at + 1, end)


def _varint(buffer: NDArray[np.uint8], at: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Values and widths of variable byte integers; width 0 where it is none."""
    value = _byte(buffer, at, end)
    width = np.ones(len(at), np.int64)
    more = value >= 0x80
    if not more.any():
        return value, width
    value &= 0x7F
    for place in range(1, 4):
        byte = _byte(buffer, at + place, end)
        value = np.where(more, value | (byte & 0x7F) << 7 * place, value)
        width = np.where(more, place + 1, width)
        more = more & (byte >= 0x80)
    return value, np.where(more, 0, width)
