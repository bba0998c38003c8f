"""Frames that were begun and did not become whole in time: what stands behind them is read.

In: peers whose unfinished frame is too old. Out: their bytes without what claims to be that frame's
beginning, back in the inbox; the peers with whom that leads nowhere. A byte that broke on the
way may make a frame claim 64 KiB: the good frames behind it must not wait for these, nor be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Final

from motorcade.gateway.peers import Peer
from motorcade.protocols.frames import Cut, Reject

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener

__all__ = ["give_up"]

_REASON: Final = "A frame was begun and not finished in time; what follows it is read."


def give_up(protocol: ModuleType, listener: Listener, peers: Sequence[Peer]) -> list[Peer]:
    """Drop the bytes before the next frame, or before what may become one, of every peer; returns
    the peers that have sent neither."""
    tails = [peer.data for peer in peers]
    # Without its first byte a tail begins with no frame, and is searched as any stream is.
    found: Cut = protocol.cut([tail[1:] for tail in tails])
    first = {index: len(tails[index]) - len(rest) for index, rest in found.remainder.items()}
    begin = 0
    begins = []
    for tail in tails:
        begins.append(begin)
        begin += max(0, len(tail) - 1)
    # Backwards, so that the first frame of a peer is what stays.
    for peer, offset in zip(
        found.frames.peer[::-1].tolist(), found.frames.offset[::-1].tolist(), strict=True
    ):
        first[peer] = offset - begins[peer] + 1
    rejects = []
    for index, skip in first.items():
        rejects.append(Reject("unfinished", _REASON, tails[index][:skip], -1, index))
        listener.drop_front(peers[index], skip)
    listener.conversation.rejected(rejects, peers)
    return [peer for index, peer in enumerate(peers) if index not in first]
