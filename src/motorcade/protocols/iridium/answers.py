"""Confirmations of mobile-originated messages: element 05, success.

A message is confirmed or it is not: what cannot be read today cannot be read tomorrow, and an IMEI
nobody registered stays unknown, so those are confirmed as well and only kept for people to see. A
message that is not on disk gets no confirmation, and Iridium's gateway sends it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Answers, Frames, Reject
from motorcade.protocols.iridium.elements import CONFIRMED, MO_HEADER
from motorcade.wire.ragged import starts_of

__all__ = ["answer", "flags_for"]


def answer(
    frames: Frames,
    flags: NDArray[np.uint8],
    platform_link: NDArray[np.bool_],
    now: int,
    settings: Mapping[int, Any] | None = None,
) -> Answers:
    """One confirmation per mobile-originated message whose flag is not 0."""
    owed = (flags != 0) & (frames.buffer[frames.offset + 3] == MO_HEADER)
    starts = starts_of(np.where(owed, len(CONFIRMED), 0).astype(np.int64))
    return Answers(CONFIRMED * int(owed.sum()), starts[:-1], np.diff(starts))


def flags_for(frames: Frames, rejects: Sequence[Reject]) -> NDArray[np.uint8]:
    """Confirm all of them."""
    return np.ones(len(frames), np.uint8)
