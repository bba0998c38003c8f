"""The bytes a gateway process may hold, and the reading of sockets that follows from it.

Received and not yet stored bytes are bounded by ``pending_max``. At the bound every socket is
left unread; when half is done, peers are read again a few at a time, in turn, each tick a few
more, so that those who send much wait as long as those who send little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from motorcade.gateway.peers import Peer
from motorcade.limits import GATEWAY_PEER_PENDING_BYTES_MAX

__all__ = ["Budget"]

_RESUMED_MIN = 32
"""Peers read again at once at least: else a small budget and large buffers would wake them
singly."""


class Budget:
    """``pending`` bytes are held now; ``full`` says that sockets are not read."""

    def __init__(
        self, pending_max: int, receive_bytes: int, peers: Callable[[], Iterable[Peer]]
    ) -> None:
        self.pending = 0
        self.pending_max = pending_max
        self.full = False
        self.pauses = 0
        self._receive_bytes = receive_bytes or GATEWAY_PEER_PENDING_BYTES_MAX
        self._peers = peers
        self._asleep: Iterator[Peer] = iter(())
        self._latecomers: list[Peer] = []

    def overfull(self) -> None:
        """Read no socket any more."""
        self.full = True
        self.pauses += 1
        # Those still asleep from last time come first when reading starts again.
        waiting = [peer for peer in self._asleep if peer.transport is not None]
        known = {id(peer) for peer in waiting}
        others = []
        for peer in self._peers():
            peer.pause()
            if id(peer) not in known:
                others.append(peer)
        self._latecomers = []
        self._asleep = iter(waiting + others)

    def joined(self, peer: Peer) -> None:
        """A connection opened while sockets are not read: it waits like the others."""
        if self.full:
            peer.pause()
            self._latecomers.append(peer)

    def finished(self, count: int) -> None:
        """``count`` bytes are done; read some peers again where there is room."""
        self.pending -= count
        if not self.full or self.pending > self.pending_max // 2:
            return
        room = (self.pending_max - self.pending) // self._receive_bytes
        for _ in range(max(_RESUMED_MIN, room)):
            peer = next(self._asleep, None)
            if peer is None:
                if not self._latecomers:
                    self.full = False
                    return
                self._asleep, self._latecomers = iter(self._latecomers), []
                continue
            peer.resume()

    def wake(self) -> None:
        """Look again whether peers can be read; for ticks that held nothing."""
        self.finished(0)

    def everyone(self) -> Iterator[Peer]:
        """Peers that still sleep."""
        return chain(self._asleep, self._latecomers)
