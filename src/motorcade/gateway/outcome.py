"""What looking at a tick's frames that are no reports came to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from motorcade.gateway.peers import Peer
from motorcade.log.events import CommandAnswered
from motorcade.protocols.commands import Answer

__all__ = ["Outcome"]


@dataclass(slots=True)
class Outcome:
    """``taken`` bool (n): rows that go on to the log; ``flag`` uint8 (n): answers owed at once;
    ``leaving``: peers whose session ends with this tick; ``replies``: answers that are no echo,
    with their rows; ``ends``: by peer index, the row from which its frames are kept for later;
    ``answered``: what vehicles said to commands, with the bytes they are owed once that is on disk;
    ``relayed``: the same by row, where the row's vehicle is not known yet; ``closing``: peers to be
    closed once their answers are written, and why."""

    taken: NDArray[np.bool_]
    flag: NDArray[np.uint8]
    leaving: list[Peer] = field(default_factory=list)
    replies: list[tuple[Peer, bytes, int]] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    answered: list[tuple[Peer, CommandAnswered, bytes]] = field(default_factory=list)
    relayed: dict[int, tuple[Answer, bytes]] = field(default_factory=dict)
    closing: list[tuple[Peer, str]] = field(default_factory=list)

    @classmethod
    def of(cls, rows: int, taken: NDArray[np.bool_] | None = None) -> Outcome:
        """Nothing found yet."""
        return cls(np.zeros(rows, bool) if taken is None else taken, np.zeros(rows, np.uint8))
