"""The bytes a gateway process may hold, and the reading of sockets that follows from it.

Received and not yet stored bytes are bounded by ``pending_max``. At the bound every socket is left
unread. When half is done, peers are read again a few at a time, each for one read a turn, so that
who sends without end waits as long as who sends little. Peers that have logged in come first, those
that have not get a quarter: a flood of new connections must not stand in the cars' way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from motorcade.gateway.peers import Peer
from motorcade.limits import GATEWAY_PEER_PENDING_BYTES_MAX

__all__ = ["Budget"]

_WOKEN_MIN = 4
"""Peers read again at once at least, however small the budget is."""

_WAKE_EVERY_S = 0.005
"""Until everybody is read again: the woken may be silent, and then no tick ends to wake others."""


class Budget:
    """``pending`` bytes are held now; ``full`` says that some sockets are not read."""

    def __init__(
        self, pending_max: int, receive_bytes: int, peers: Callable[[], Iterable[Peer]]
    ) -> None:
        self.pending = 0
        self.pending_max = pending_max
        self.full = False
        self.pauses = 0
        # The kernel doubles the buffer it is asked for, and one read may take all of it.
        self._read_bytes = 2 * receive_bytes or GATEWAY_PEER_PENDING_BYTES_MAX
        self._peers = peers
        self._sessions: deque[Peer] = deque()
        self._strangers: deque[Peer] = deque()
        self._waking = False
        self._woken = 0

    def over(self, peer: Peer) -> None:
        """``peer`` was read while the budget is spent: read no socket any more, or, while they are
        being woken, this one no more until its next turn."""
        if self.full:
            self.joined(peer)
            return
        self.full = True
        self.pauses += 1
        for other in self._peers():
            self.joined(other)

    def joined(self, peer: Peer) -> None:
        """While sockets are not read: this one waits like the others."""
        if self.full and peer.pause():
            (self._sessions if peer.is_session else self._strangers).append(peer)

    def finished(self, count: int) -> None:
        """``count`` bytes are done; read some peers again where there is room."""
        self.pending -= count
        if self.full:
            self._wake()

    def _wake(self) -> None:
        if self.pending <= self.pending_max // 2:
            room = (self.pending_max - self.pending) // self._read_bytes
            count = max(_WOKEN_MIN, room) - self._woken
            if count > 0:
                strangers = max(count // 4, count - len(self._sessions))
                self._woken += _resume(self._strangers, strangers)
                self._woken += _resume(self._sessions, count - min(strangers, count // 4))
        if not self._sessions and not self._strangers:
            self.full = False
        elif not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_later(_WAKE_EVERY_S, self._wake_later)

    def _wake_later(self) -> None:
        # Whoever was woken and had something to say has said it by now: it stands in ``pending``.
        self._waking = False
        self._woken = 0
        if self.full:
            self._wake()


def _resume(asleep: deque[Peer], count: int) -> int:
    """Read up to ``count`` peers again; those that left meanwhile do not count."""
    woken = 0
    while asleep and woken < count:
        peer = asleep.popleft()
        if peer.transport is not None:
            peer.resume()
            woken += 1
    return woken
