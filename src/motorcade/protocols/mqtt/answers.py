"""Acknowledgements of publishes, built for many peers as one array: PUBACK (3.4) and PUBREC
(3.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Answers, Frames, Reject
from motorcade.protocols.mqtt.layout import FIVE, is_publish, layout
from motorcade.protocols.mqtt.words import PUBACK, PUBREC, reason_of
from motorcade.wire.ragged import starts_of

__all__ = ["STORED", "answer", "flags_for"]

STORED = 1
"""The flag of what is in the log."""

_PARTLY = frozenset({"value"})
"""Codes of rejects that cost some values of a message, not the message."""


def answer(
    frames: Frames,
    flags: NDArray[np.uint8],
    platform_link: NDArray[np.bool_] | None = None,
    now: int = 0,
    settings: Mapping[int, Any] | None = None,
) -> Answers:
    """One answer per heard frame: ``flags`` uint8 (n; 0: none is owed, 1: stored, else a reason
    code).

    QoS 0 and frames that are no publish get none. Reason codes are said to MQTT 5 in a PUBACK; a
    PUBREC is always plain, because a reason would free its identifier behind the session's back.
    """
    rows = np.flatnonzero(is_publish(frames) & (flags != 0))
    size = np.zeros(len(frames), np.int64)
    layout(frames)  # read for all, it goes along
    some = frames if len(rows) == len(frames) else frames.take(rows)
    found = layout(some)
    qos = np.where(found.good, found.qos, 0)
    five = (some.buffer[some.offset] & FIVE) != 0
    worded = five & (flags[rows] != STORED) & (qos == 1)
    size[rows] = np.where(qos == 0, 0, np.where(worded, 5, 4))
    starts = starts_of(size)
    out = np.zeros(int(starts[-1]), np.uint8)
    owed = qos > 0
    at = starts[rows][owed]
    out[at] = np.where(qos[owed] == 1, PUBACK << 4, PUBREC << 4)
    out[at + 1] = size[rows][owed] - 2
    out[at + 2] = found.packet_id[owed] >> 8
    out[at + 3] = found.packet_id[owed] & 0xFF
    out[starts[rows][worded] + 4] = flags[rows][worded]
    return Answers(out.tobytes(), starts[:-1], size)


def flags_for(frames: Frames, rejects: Sequence[Reject]) -> NDArray[np.uint8]:
    """Answer flags (n) for decoded frames: 1, and for each message that was not taken the
    reason."""
    flags = np.full(len(frames), STORED, np.uint8)
    for reject in rejects:
        if reject.frame >= 0 and reject.code not in _PARTLY:
            flags[reject.frame] = reason_of(reject.code)
    return flags
