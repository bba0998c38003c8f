"""Conversations of protocols that remember: each connection has its session, and frames pass
through it before they are decoded.

In: cut frames and their peers. Out: frames that need no session any more, and an ``Outcome`` for
those that are no reports. A peer that has not logged in is listened to frame by frame until it asks
to be let in; what it sends behind that waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from motorcade.gateway.outcome import Outcome
from motorcade.gateway.peers import NOBODY, WAITING, Peer, reachable
from motorcade.protocols.frames import Frames, Heard

if TYPE_CHECKING:
    from motorcade.gateway.conversation import Conversation

__all__ = ["Stateful"]

_log = structlog.get_logger(__name__)
_NOT_LOGGED_IN: Final = "not_logged_in"


class Stateful:
    """What ``Conversation`` does for peers with sessions."""

    def __init__(self, protocol: ModuleType, conversation: Conversation) -> None:
        self._protocol = protocol
        self._conversation = conversation
        self._table = conversation.table
        self._does: Mapping[str, Callable[[int, Any, Peer, Outcome, int], bool]] = {
            "LoginRequested": self._login,
            "RegistrationRequested": self._login,
            "LoggedOut": self._logout,
            "Subscribed": self._subscribed,
            "Answered": self._answered,
            "Refused": self._refused,
        }

    def hear(
        self, frames: Frames, peers: list[Peer], now_us: int, closing: list[tuple[Peer, str]]
    ) -> tuple[Heard, Outcome]:
        """A tick's cut frames through their sessions: what is left to decode, and what the others
        asked for. ``closing`` gets the peers to be closed once their answers are written."""
        early = Outcome.of(len(frames))
        frames = self._strangers(frames, peers, early, now_us)
        heard = Heard(frames)
        if len(frames) and self._conversation.traits.hears:
            heard = self._protocol.hear(frames, [peer.session for peer in peers], now_us)
            frames = heard.frames
        self._conversation.rejected(heard.rejects, peers)
        closing += self._conversation.fatal(heard.rejects, peers)
        taken: NDArray[np.bool_] = self._protocol.is_record(frames)
        outcome = Outcome.of(len(frames), taken)
        outcome.replies = early.replies
        outcome.closing = early.closing
        for row in np.flatnonzero(~taken).tolist():
            peer = peers[int(frames.peer[row])]
            self._one(row, frames.bytes_of(row), peer, outcome, now_us)
        closing += outcome.closing
        return heard, outcome

    def _strangers(
        self, frames: Frames, peers: list[Peer], outcome: Outcome, now_us: int
    ) -> Frames:
        """Listen to those who have not logged in; returns the other peers' frames."""
        slots = np.fromiter((peer.slot for peer in peers), np.int64, len(peers))
        strange = (self._table.role[slots] == NOBODY)[frames.peer]
        if not strange.any():
            return frames
        rows = np.flatnonzero(strange)
        stopped: set[int] = set()
        for row in rows.tolist():
            index = int(frames.peer[row])
            if index in stopped:
                continue
            peer = peers[index]
            if self._one(row, frames.bytes_of(row), peer, outcome, now_us):
                stopped.add(index)
                if peer.state & WAITING:
                    self._keep_behind(frames, row, index, peer)
        return frames.take(np.flatnonzero(~strange))

    def _keep_behind(self, frames: Frames, row: int, index: int, peer: Peer) -> None:
        """What a peer sent behind its login waits, before its unfinished bytes."""
        last = int(np.searchsorted(frames.peer, index, side="right"))
        self._table.keep(peer, b"".join(map(frames.bytes_of, range(row + 1, last))))

    def _one(self, row: int, frame: bytes, peer: Peer, outcome: Outcome, now_us: int) -> bool:
        """One frame that is no report; true where nothing behind it may be looked at now."""
        settings = self._conversation.settings_of(peer)
        try:
            event = peer.session.handle(frame, now_us, settings)
        except Exception:
            return self._stumbled(frame, peer, outcome)
        if event is None:
            if self._table.role[peer.slot] == NOBODY:
                self._conversation.strange(frame, peer, _NOT_LOGGED_IN)
            return False
        does = self._does.get(type(event).__name__)
        if does is not None:
            return does(row, event, peer, outcome, now_us)
        self._say(row, event.reply(1, now_us), peer, outcome)
        if bool(self._table.reachable[peer.slot]) != reachable(peer):  # it unsubscribed
            self._conversation.listener.linked.reachable(peer)
        return False

    def _stumbled(self, frame: bytes, peer: Peer, outcome: Outcome) -> bool:
        """A fault of ours costs the peer that set it off its connection, not the tick its
        others."""
        if self._conversation.room() > 0:
            _log.exception("a session stumbled over a frame; its bytes are in the quarantine")
        self._conversation.strange(frame, peer, "internal")
        outcome.closing.append((peer, "internal"))
        return True

    def _login(self, row: int, event: Any, peer: Peer, outcome: Outcome, now_us: int) -> bool:
        self._conversation.logins.request(peer, event.frame, event)
        return True

    def _logout(self, row: int, event: Any, peer: Peer, outcome: Outcome, now_us: int) -> bool:
        if self._table.role[peer.slot] == NOBODY:
            return False
        event.reply(1, now_us)  # for the session only: the answer is the row's, once it is stored
        outcome.taken[row] = True
        outcome.leaving.append(peer)
        return False

    def _subscribed(self, row: int, event: Any, peer: Peer, outcome: Outcome, now_us: int) -> bool:
        self._say(row, event.reply(1, now_us), peer, outcome)
        self._conversation.listener.linked.reachable(peer)
        return False

    def _answered(self, row: int, event: Any, peer: Peer, outcome: Outcome, now_us: int) -> bool:
        reply = event.reply(1, now_us)
        if event.answer is None or not self._table.link[peer.slot]:
            self._say(row, reply, peer, outcome)
        else:
            told = self._conversation.listener.linked.answer_of(peer, event.answer)
            outcome.answered.append((peer, told, reply))
        return False

    def _refused(self, row: int, event: Any, peer: Peer, outcome: Outcome, now_us: int) -> bool:
        self._conversation.strange(event.frame, peer, event.code, event.reason)
        self._say(row, event.reply(event.owed, now_us), peer, outcome)
        if event.code not in self._conversation.traits.fatal:
            return False
        outcome.closing.append((peer, event.code))
        return True

    def _say(self, row: int, reply: bytes, peer: Peer, outcome: Outcome) -> None:
        if reply:
            outcome.replies.append((peer, reply, row))
