"""Answers to frames, built for many peers as one array (section 6.3.2 and annex B.3.1).

A platform link gets the header and the time of its data unit back, the rest removed; a terminal
link its whole frame with answer flag and time changed. Heartbeats are answered as they came, a time
sync with the platform's time. An encrypted data unit is decrypted and encrypted again where the
tenant's key is known and sent back as it came where not: nobody could read a time in it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Answers, Frames, Reject
from motorcade.protocols.gbt32960 import cipher
from motorcade.protocols.gbt32960.framing import HEADER, OVERHEAD, frames_of
from motorcade.protocols.gbt32960.settings import TenantSettings
from motorcade.protocols.gbt32960.times import time6
from motorcade.protocols.gbt32960.words import (
    AES128,
    HEARTBEAT,
    OK,
    PLAIN,
    TIME_SYNC,
    TIMED,
    flag_of,
)
from motorcade.wire.ragged import gather, ranges, starts_of

__all__ = ["answer", "answer_one", "flags_for"]


def answer(
    frames: Frames,
    flags: NDArray[np.uint8],
    platform_link: NDArray[np.bool_],
    now: int,
    settings: Mapping[int, TenantSettings] | None = None,
) -> Answers:
    """One answer per frame: ``flags`` uint8 (n; 0: none is owed), ``platform_link`` bool (n),
    ``now`` µs.

    ``settings`` by tenant number are only needed for encrypted frames.
    """
    header = gather(frames.buffer, frames.offset, HEADER)
    command, enciphered = header[:, 2], header[:, 21] != PLAIN
    unit = frames.length - OVERHEAD
    timed = np.isin(command, TIMED) & (unit >= 6) & ~enciphered
    kept = np.where(platform_link & ~enciphered, np.where(timed, 6, 0), unit)
    kept[command == TIME_SYNC] = 6
    size = np.where(flags == 0, 0, kept + OVERHEAD)
    starts = starts_of(size)
    at, size = starts[:-1], np.diff(starts)
    sent = size > 0
    out = np.zeros(int(starts[-1]), np.uint8)
    body = np.where(sent, np.minimum(size - 1, frames.length - 1), 0)
    out[ranges(at, body)] = frames.buffer[ranges(frames.offset, body)]
    here = at[sent]
    out[here + 3] = flags[sent]
    out[here + 22] = kept[sent] >> 8
    out[here + 23] = kept[sent] & 0xFF
    stamp = sent & ((timed & ~platform_link) | (command == TIME_SYNC))
    out[at[stamp][:, None] + np.arange(24, 30)] = np.frombuffer(time6(now), np.uint8)
    out[at[sent & (command == TIME_SYNC)] + 21] = PLAIN
    if len(here):
        out[here + size[sent] - 1] = 0
        out[here + size[sent] - 1] = np.bitwise_xor.reduceat(out, here) ^ out[here] ^ out[here + 1]
    built = Answers(out.tobytes(), at, size)
    if settings and (header[:, 21] == AES128).any():
        return _with_keys(frames, flags, platform_link, now, settings=settings, built=built)
    return built


def answer_one(
    frame: bytes, flag: int, platform_link: bool, now: int, settings: TenantSettings | None = None
) -> bytes:
    """The answer to one frame."""
    zero = np.zeros(1, np.int64)
    frames = frames_of(np.frombuffer(frame, np.uint8), zero, zero + len(frame), zero)
    known = {} if settings is None else {0: settings}
    flags = np.array([flag], np.uint8)
    return answer(frames, flags, np.array([platform_link]), now, known).buffer


def flags_for(frames: Frames, rejects: list[Reject] | tuple[Reject, ...]) -> NDArray[np.uint8]:
    """Answer flags (n) for decoded frames: 01, and for each reject the flag its edition refuses
    with."""
    flags = np.full(len(frames), OK, np.uint8)
    for reject in rejects:
        if reject.frame >= 0:
            edition = 2025 if frames.buffer[frames.offset[reject.frame]] == 0x24 else 2016
            flags[reject.frame] = flag_of(reject.code, edition)
    return flags


def _with_keys(
    frames: Frames,
    flags: NDArray[np.uint8],
    platform_link: NDArray[np.bool_],
    now: int,
    *,
    settings: Mapping[int, TenantSettings],
    built: Answers,
) -> Answers:
    """The same answers with those to AES frames made from the decrypted unit, one by one."""
    parts = [
        built.buffer[at : at + size]
        for at, size in zip(built.offset.tolist(), built.length.tolist(), strict=True)
    ]
    for row in np.flatnonzero(built.length > 0).tolist():
        frame = frames.bytes_of(row)
        known = settings.get(int(frames.tenant[row]))
        if frame[21] != AES128 or frame[2] in (HEARTBEAT, TIME_SYNC) or known is None:
            continue
        plain = cipher.opened(frame, known)
        if plain is not None:
            reply = answer_one(plain, int(flags[row]), bool(platform_link[row]), now)
            parts[row] = cipher.closed(reply, known)
    starts = starts_of(np.array([len(part) for part in parts], np.int64))
    return Answers(b"".join(parts), starts[:-1], np.diff(starts))
