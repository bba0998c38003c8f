"""Acknowledgements: what is on disk, or refused for good, said so that a device can believe it.

One datagram for a datagram, always the same for the same one. A device without a known key gets
none: nobody could prove anything to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.compact.framing import (
    ACKNOWLEDGEMENT,
    ACKNOWLEDGEMENT_SIZE,
    is_record,
    kinds,
)
from motorcade.protocols.compact.signing import BODY, OVERHEAD, SIGNATURE, proofs
from motorcade.protocols.frames import Answers, Frames, Reject
from motorcade.wire.compact.command import ANSWER
from motorcade.wire.ragged import gather, starts_of

__all__ = ["REFUSED", "STORED", "answer", "flags_for"]

STORED: Final = 1
REFUSED: Final = 2

_SIZE: Final = OVERHEAD + ACKNOWLEDGEMENT_SIZE


def answer(
    frames: Frames,
    flags: NDArray[np.uint8],
    platform_link: NDArray[np.bool_],
    now: int,
    settings: Mapping[int, Any] | None = None,
) -> Answers:
    """One acknowledgement per report or answer whose flag is not 0 and that ``verify`` found
    good."""
    proof = proofs(frames)
    owed = (flags != 0) & is_record(frames) & (proof != 0).any(axis=1)
    some, proof = frames.take(owed), proof[owed]
    out = np.empty((len(some), _SIZE), np.uint8)
    out[:, :BODY] = gather(some.buffer, some.offset, BODY)
    out[:, BODY] = ACKNOWLEDGEMENT
    out[:, BODY + 1] = flags[owed] != STORED
    at = some.offset + BODY + np.where(kinds(some) == ANSWER, 2, 7)
    out[:, BODY + 2 : BODY + 4] = gather(some.buffer, at, 2)
    out[:, -SIGNATURE:] = proof
    starts = starts_of(np.where(owed, _SIZE, 0).astype(np.int64))
    return Answers(out.tobytes(), starts[:-1], np.diff(starts))


def flags_for(frames: Frames, rejects: Sequence[Reject]) -> NDArray[np.uint8]:
    """``STORED``, and ``REFUSED`` where something is wrong with the datagram."""
    flags = np.full(len(frames), STORED, np.uint8)
    flags[[reject.frame for reject in rejects if reject.frame >= 0]] = REFUSED
    return flags
