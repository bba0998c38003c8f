"""What a gateway asks of frames before it decodes them, as columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Frames
from motorcade.protocols.jt808.heads import identities, read_heads
from motorcade.protocols.jt808.words import AUTH, FILE_JUDGED, PACKET, RECORDS

__all__ = ["is_login", "is_record", "messages", "vins"]

_RECORD = np.zeros(1 << 16, bool)
_RECORD[[*RECORDS, PACKET, FILE_JUDGED]] = True


def messages(frames: Frames) -> NDArray[np.int64]:
    """The message id of every frame: int64 (n)."""
    buffer = frames.buffer
    at = frames.offset + (buffer[frames.offset] == 0x7E)
    high, low = buffer[at], buffer[at + 1]
    ids: NDArray[np.int64] = high.astype(np.int64) << 8 | low
    odd = np.flatnonzero((high == 0x7D) | (low == 0x7D))
    if len(odd):
        ids[odd] = read_heads(frames.take(odd)).message
    return ids


def is_record(frames: Frames) -> NDArray[np.bool_]:
    """Which frames become rows (bool, n). They go straight to ``decode``."""
    record: NDArray[np.bool_] = _RECORD[messages(frames)]
    return record


def is_login(frames: Frames) -> NDArray[np.bool_]:
    """Which frames are authentications (0x0102), readable or not: bool (n)."""
    login: NDArray[np.bool_] = messages(frames) == AUTH
    return login


def vins(frames: Frames) -> list[bytes]:
    """Who sent each frame: the phone number in its header without leading zeros."""
    return identities(read_heads(frames))
