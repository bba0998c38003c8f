"""MQTT packets: cutting the streams of many peers at once.

A packet (section 2.1, the same in both versions)::

    0  1     type (high four bits) and flags
    1  1..4  remaining length n, seven bits a byte, lowest first
    …  n     variable header and payload

There is no checksum and no start to search for: once a packet is wrong, nothing behind it can be
trusted. The rest of that peer's chunk is one reject, and its codes are ``FATAL``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motorcade.limits import MQTT_PACKET_BYTES_MAX
from motorcade.protocols.frames import Cut, Frames, Reject
from motorcade.protocols.mqtt.words import FIXED_FLAGS, PUBLISH

__all__ = ["cut", "frame_length", "frames_from", "frames_of"]

_REJECT_BYTES_MAX: Final = 4096
"""Bytes of a rejected stretch that its ``Reject`` keeps."""


def cut(chunks: Sequence[bytes]) -> Cut:
    """Complete packets from one chunk of bytes per peer; never raises.

    Reject codes: ``malformed`` (no packet begins so, or a length of more than four bytes),
    ``too_large``.
    """
    joined = b"".join(chunks)
    offset: list[int] = []
    length: list[int] = []
    peers: list[int] = []
    remainder: dict[int, bytes] = {}
    rejects: list[Reject] = []
    end = 0
    for peer, chunk in enumerate(chunks):
        at, end = end, end + len(chunk)
        while at < end:
            # A packet of 128 to 16,383 bytes, as most are, is measured here.
            if at + 2 < end and _FIRST[joined[at]] and joined[at + 1] > 0x7F > joined[at + 2]:
                size = (joined[at + 1] & 0x7F) + (joined[at + 2] << 7) + 3
            else:
                size = _size(joined, at, end)
            if size <= 0 or at + size > end:
                if size < 0:
                    rejects.append(
                        _reject(size, joined[at : min(end, at + _REJECT_BYTES_MAX)], peer)
                    )
                else:
                    remainder[peer] = joined[at:end]
                break
            offset.append(at)
            length.append(size)
            peers.append(peer)
            at += size
    columns = (np.array(column, np.int64) for column in (offset, length, peers))
    return Cut(frames_of(np.frombuffer(joined, np.uint8), *columns), remainder, rejects)


def frames_of(
    buffer: NDArray[np.uint8],
    offset: NDArray[np.int64],
    length: NDArray[np.int64],
    peer: NDArray[np.int64],
) -> Frames:
    """``Frames`` whose vehicles are not known yet."""
    rows = len(offset)
    return Frames(
        buffer, offset, length, peer, np.zeros(rows, np.uint64), np.zeros(rows, np.uint32)
    )


def frames_from(packets: Sequence[bytes]) -> Frames:
    """Packets laid end to end; each is its own peer."""
    length = np.fromiter(map(len, packets), np.int64, len(packets))
    buffer = np.frombuffer(b"".join(packets), np.uint8)
    return frames_of(buffer, np.cumsum(length) - length, length, np.arange(len(packets)))


def frame_length(begun: bytes) -> int | None:
    """Bytes of the whole packet that begins so; None where its length is not there, or is none."""
    size = _size(begun, 0, len(begun))
    return size if size > 0 else None


_UNFINISHED: Final = 0
_MALFORMED: Final = -1
_LENGTH: Final = -2
_TOO_LARGE: Final = -3

_REASONS: Final = {
    _MALFORMED: ("malformed", "No packet begins with this byte."),
    _LENGTH: ("malformed", "The remaining length has more than four bytes."),
    _TOO_LARGE: ("too_large", f"A packet has at most {MQTT_PACKET_BYTES_MAX} bytes."),
}


def _firsts() -> bytes:
    """For each first byte whether a packet begins so."""
    known = bytearray(256)
    for kind in range(1, 16):
        known[kind << 4 | FIXED_FLAGS.get(kind, 0)] = 1
    for flags in range(16):
        known[PUBLISH << 4 | flags] = flags & 6 != 6
    return bytes(known)


_FIRST: Final = _firsts()


def _size(data: bytes, at: int, end: int) -> int:
    """Bytes of the packet that begins at ``at``; 0 where its length has not come, or a fault."""
    if not _FIRST[data[at]]:
        return _MALFORMED
    value = 0
    for place in range(1, 5):
        if at + place >= end:
            return _UNFINISHED
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * (place - 1)
        if byte < 0x80:
            size = value + place + 1
            return size if size <= MQTT_PACKET_BYTES_MAX else _TOO_LARGE
    return _LENGTH


def _reject(fault: int, data: bytes, peer: int) -> Reject:
    code, reason = _REASONS[fault]
    return Reject(code, reason, data, -1, peer)
