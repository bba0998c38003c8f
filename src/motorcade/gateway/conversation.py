"""Frames that are no reports: who logs in, who leaves, what is refused and what is kept for people
to see.

In: a tick's frames. Out: an ``Outcome`` (which rows go on to the log, which answers are owed
now) and logins handed to ``Logins``. A peer whose login is being decided keeps its later frames
until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from motorcade.errors import MotorcadeError
from motorcade.gateway.config import ListenerConfig
from motorcade.gateway.directory import Known, vin_text
from motorcade.gateway.logins import Logins
from motorcade.gateway.outcome import Outcome
from motorcade.gateway.peers import NOBODY, PLATFORM, WAITING, Peer, PeerTable
from motorcade.gateway.shared import Shared
from motorcade.gateway.stateful import Stateful
from motorcade.gateway.traits import Traits
from motorcade.limits import GATEWAY_LOGINS_PER_ROUND_MAX
from motorcade.protocols.frames import Frames, Reject, frames_from

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener
    from motorcade.gateway.ticks import Tick

__all__ = ["Conversation"]

_log = structlog.get_logger(__name__)

_REASONS: Final = {
    "not_logged_in": "Data came before a login; it was dropped.",
    "vin_mismatch": "The VIN is not the one this link logged in with.",
    "unknown_vin": "The VIN is not registered.",
    "other_tenant": "The VIN is registered to another tenant than this link's.",
    "internal": "The platform failed to read this frame.",
    "signature": "The frame is not signed with the vehicle's key.",
}

_ANSWERED: Final = frozenset({"Heartbeat", "TimeSync", "KeyExchanged"})
"""Events that change nothing and are answered at once."""

_ROLES: Final = ("", "terminal", "platform")
"""What a protocol's session calls the roles of the peer table."""

_ROWS: Final = frozenset({"LoginRequested", "LoggedOut"})
"""Events of one vehicle: on a platform's link they are rows like reports, and nobody's role
changes."""


class Conversation:
    """The conversations of one listener's peers."""

    def __init__(self, protocol: ModuleType, shared: Shared, listener: Listener) -> None:
        self._protocol = protocol
        self._shared = shared
        self.listener = listener
        self.table: PeerTable = listener.table
        self.rules: ListenerConfig = listener.rules
        self.traits: Traits = listener.traits
        self.stateful = Stateful(protocol, self) if self.traits.is_stateful else None
        # Names of different kinds may look alike; VINs stand as they are.
        kind = self.traits.identity
        self._prefix = b"" if kind == "vin" else kind.encode() + b":"
        self.logins = Logins(protocol, shared, listener)
        self._seeking: dict[bytes, list[Peer]] = {}
        self._seeker: asyncio.Task[None] | None = None

    def ticked(self) -> None:
        """A tick is finished: there may be room for another."""
        self.listener.arm()

    def sort(self, frames: Frames, peers: list[Peer], now_us: int) -> Outcome:
        """Look at what is no report. Later frames of a peer whose role changes are kept for
        another tick."""
        taken: NDArray[np.bool_] = self._protocol.is_record(frames)
        outcome = Outcome.of(len(frames), taken)
        rows = np.flatnonzero(~taken)
        if not len(rows):
            return outcome
        stopped = self._knocks(rows, frames, peers, taken)
        for row in rows.tolist():
            index = int(frames.peer[row])
            if index in stopped:
                continue
            if self._hear(row, frames, peers[index], outcome, now_us):
                stopped.add(index)
                outcome.ends[index] = row + 1
                self._keep_after(row, index, frames, peers[index], taken)
        return outcome

    def _knocks(
        self,
        rows: NDArray[np.int64],
        frames: Frames,
        peers: list[Peer],
        taken: NDArray[np.bool_],
    ) -> set[int]:
        """The common login: the first thing a peer says. These are read together when they are
        decided; returns the peers they come from."""
        logins = self._protocol.is_login(frames)[rows]
        first = frames.peer[rows] != np.append(-1, frames.peer)[rows]
        knocking = rows[logins & first]
        found: set[int] = set()
        for row, index in zip(knocking.tolist(), frames.peer[knocking].tolist(), strict=True):
            peer = peers[index]
            if self.table.role[peer.slot] == NOBODY:
                found.add(index)
                self.logins.request(peer, frames.bytes_of(row))
                if row + 1 < len(frames) and frames.peer[row + 1] == index:
                    self._keep_after(row, index, frames, peer, taken)
        return found

    def _hear(self, row: int, frames: Frames, peer: Peer, outcome: Outcome, now_us: int) -> bool:
        """One frame that is no report; true where the peer's role changes with it."""
        role = int(self.table.role[peer.slot])
        settings = self._shared.settings.by_tenant.get(int(self.table.tenant[peer.slot]))
        # Made for one frame: what a conversation has to keep stands in the peer table, so that
        # an idle session holds no session object.
        session = self._protocol.Session()
        session.role = _ROLES[role]
        event = session.handle(frames.bytes_of(row), now_us, settings)
        name = type(event).__name__
        if name in _ANSWERED:
            outcome.flag[row] = 1
        elif name == "ActivationRequested":
            outcome.replies.append((peer, event.reply(1, now_us), row))
        elif name == "Answered":
            self._answered(row, event, peer, outcome)
        elif name == "Refused" and role == NOBODY and self._is_sealed_login(event):
            # Whose key opens it is known once the registry has said whose vehicle it is.
            self.logins.request(peer, event.frame)
            return True
        elif name == "Refused":
            self._refused(row, event, peer, outcome)
        elif name in _ROWS and role == PLATFORM:
            outcome.taken[row] = True
        elif name == "LoginRequested":
            self.logins.request(peer, event.frame)
            return True
        elif name == "PlatformLoginRequested":
            self.logins.request_platform(peer, event)
            return True
        elif name == "LoggedOut":
            outcome.taken[row] = True
            outcome.leaving.append(peer)
            return True
        elif name == "PlatformLoggedOut":
            outcome.flag[row] = 1
            outcome.leaving.append(peer)
            return True
        return False

    def _answered(self, row: int, event: Any, peer: Peer, outcome: Outcome) -> None:
        """What a vehicle said to a command; whose it is on a relay's link is looked up later."""
        answer = getattr(event, "answer", None)
        if answer is None:
            return
        if self.traits.is_relay:
            outcome.taken[row] = True
            outcome.relayed[row] = (answer, event.reply(1, 0))
        elif self.table.link[peer.slot]:
            outcome.answered.append((peer, self.listener.linked.answer_of(peer, answer), b""))

    def _is_sealed_login(self, event: Any) -> bool:
        """Whether it is a login under a key; anything else under one is not heard before login."""
        if event.code != "cipher":
            return False
        return bool(self._protocol.is_login(frames_from([event.frame]))[0])

    def _refused(self, row: int, event: Any, peer: Peer, outcome: Outcome) -> None:
        """Annex B has a wrong login ignored: who is not logged in gets no answer to what is
        wrong."""
        if self.table.role[peer.slot] != NOBODY:
            outcome.flag[row] = event.owed
        self._shared.metrics.rejects[event.code] += 1
        self._quarantine(event.code, event.reason, event.frame, peer, event.vin)

    def _keep_after(
        self,
        row: int,
        index: int,
        frames: Frames,
        peer: Peer,
        taken: NDArray[np.bool_],
        *,
        end: int | None = None,
    ) -> None:
        """Put the peer's frames behind ``row`` (up to ``end``, where later ones are kept already)
        back before its unfinished bytes."""
        last = end or int(np.searchsorted(frames.peer, index, side="right"))
        kept = b"".join(map(frames.bytes_of, range(row + 1, last)))
        taken[row + 1 : last] = False
        self.table.keep(peer, kept)
        if not peer.state & WAITING and peer.data:
            self.listener.requeue(peer)

    def look_up(
        self,
        tick: Tick,
        rows: NDArray[np.int64],
        identity: NDArray[np.bytes_],
        outcome: Outcome,
    ) -> Mapping[int, bytes]:
        """Fill in the vehicles of rows on platform links; rows not to be stored are struck from
        ``outcome.taken``.

        A VIN seen for the first time makes its peer wait until the registry has answered. Returns
        the keys of relayed vehicles by row.
        """
        now_s = self._shared.clock.monotonic_s()
        cache = self._shared.vehicles
        refused: dict[str, list[int]] = {}
        waiting: set[int] = set()
        taken = outcome.taken
        names = identity[rows].tolist()
        names = [self._prefix + name for name in names]
        keys: dict[int, bytes] = {}
        for row, name in zip(rows.tolist(), names, strict=True):
            index = int(tick.frames.peer[row])
            if index in waiting:
                continue
            known = cache.get(name, now_s)
            if known is None:
                waiting.add(index)
                peer = tick.peers[index]
                peer.state |= WAITING
                last = outcome.ends.get(index) or int(
                    np.searchsorted(tick.frames.peer, index, side="right")
                )
                ahead = {
                    names[place] for place in np.flatnonzero(rows >= row) if rows[place] < last
                }
                self._keep_after(row - 1, index, tick.frames, peer, taken, end=last)
                tick.flag[row:last] = 0
                outcome.replies = [
                    one for one in outcome.replies if one[0] is not peer or one[2] < row
                ]
                outcome.leaving = [other for other in outcome.leaving if other is not peer]
                self._seek(peer, ahead)
            elif known.vehicle == 0:
                refused.setdefault("unknown_vin", []).append(row)
            elif self.traits.is_relay:
                tick.frames.vehicle[row] = known.vehicle
                tick.frames.tenant[row] = known.tenant
                keys[row] = known.key
            elif known.tenant != tick.frames.tenant[row]:
                refused.setdefault("other_tenant", []).append(row)
            else:
                tick.frames.vehicle[row] = known.vehicle
        if keys and self.traits.is_signed:
            some = np.fromiter(keys, np.int64, len(keys))
            good = self._protocol.verify(tick.frames.take(some), list(keys.values()))
            refused["signature"] = some[~good].tolist()
        for code, places in refused.items():
            if places:
                taken[places] = False
                self.refuse(tick, np.array(places), code)
        return keys

    def refuse(self, tick: Tick, rows: NDArray[np.int64], code: str) -> None:
        """Rows that are not stored for a reason of ours; answered by the standard, unless not
        logged in."""
        reason = _REASONS[code]
        self._shared.metrics.rejects[code] += len(rows)
        frames = tick.frames.take(rows)
        rejects = [Reject(code, reason, b"", place) for place in range(len(rows))]
        if code not in ("not_logged_in", "signature"):
            tick.flag[rows] = self._protocol.flags_for(frames, rejects)
        room = self._shared.quarantine.room()
        for row in rows[:room].tolist():
            self._keep_row(tick, row, code, reason)
        self._shared.quarantine.skipped(len(rows) - room)

    def faulty(
        self,
        tick: Tick,
        rows: NDArray[np.int64],
        frames: Frames,
        rejects: Sequence[Reject],
        flag: NDArray[np.uint8],
    ) -> None:
        """What ``decode`` could not read: sets the error answers in ``flag`` and keeps the
        frames."""
        wrong = self._protocol.flags_for(frames, rejects)
        places = np.array([reject.frame for reject in rejects if reject.frame >= 0], np.int64)
        flag[places] = wrong[places]
        for reject in rejects:
            self._shared.metrics.rejects[reject.code] += 1
            if reject.frame >= 0:
                self._keep_row(tick, int(rows[reject.frame]), reject.code, reject.reason)

    def failed(self, tick: Tick, row: int) -> None:
        """A frame that ``decode`` itself stumbled over."""
        self._shared.metrics.rejects["internal"] += 1
        self._keep_row(tick, row, "internal", _REASONS["internal"])

    def rejected(self, rejects: Sequence[Reject], peers: Sequence[Peer]) -> None:
        """What ``cut`` skipped to find the next frame."""
        for reject in rejects:
            self._shared.metrics.rejects[reject.code] += 1
            peer = peers[reject.peer]
            vin = vin_text(bytes(self.table.identity[peer.slot]))
            self._quarantine(reject.code, reject.reason, reject.data, peer, vin)

    def fatal(self, rejects: Sequence[Reject], peers: Sequence[Peer]) -> list[tuple[Peer, str]]:
        """The peers whose bytes cannot be read on, and why."""
        codes = self.traits.fatal
        return [(peers[one.peer], one.code) for one in rejects if one.code in codes]

    def _keep_row(self, tick: Tick, row: int, code: str, reason: str) -> None:
        """Keep one frame of a tick for people to see."""
        vin = vin_text(self._protocol.vins(tick.frames.take(np.array([row])))[0])
        peer = tick.peers[int(tick.frames.peer[row])]
        self._quarantine(code, reason, tick.frames.bytes_of(row), peer, vin)

    def _quarantine(self, code: str, reason: str, data: bytes, peer: Peer, vin: str) -> None:
        self._shared.quarantine.add(
            tenant=int(self.table.tenant[peer.slot]),
            vin=vin,
            protocol=self._protocol.NAME,
            peer=peer,
            code=code,
            reason=reason,
            data=data,
        )

    async def _known(self, names: Sequence[bytes]) -> Mapping[str, Known]:
        """The registry's answer, by what the cache calls the vehicles."""
        directory, kind = self._shared.directory, self.traits.identity
        if not self._prefix:
            return await directory.resolve(list(map(vin_text, names)))
        values = [vin_text(name.removeprefix(self._prefix)) for name in names]
        found = await directory.identify(kind, values)
        return {f"{kind}:{value}": known for value, known in found.items()}

    def room(self) -> int:
        """Pieces that may still be kept for people in this second; logs are written as seldom."""
        return self._shared.quarantine.room()

    def settings_of(self, peer: Peer) -> Any:
        """What the tenant of a peer decided; None before its login."""
        return self._shared.settings.by_tenant.get(int(self.table.tenant[peer.slot]))

    def strange(self, frame: bytes, peer: Peer, code: str, reason: str = "") -> None:
        """Count a single frame that is not used and keep it for people to see; of a login, which
        may bring a secret, only that there was one."""
        self._shared.metrics.rejects[code] += 1
        vin = vin_text(bytes(self.table.identity[peer.slot]))
        if self._protocol.is_login(frames_from([frame]))[0]:
            frame = b""
        self._quarantine(code, reason or _REASONS.get(code, code), frame, peer, vin)

    def _seek(self, peer: Peer, identities: set[bytes]) -> None:
        for identity in identities:
            self._seeking.setdefault(identity, []).append(peer)
        if self._seeker is None:
            self._seeker = asyncio.get_running_loop().create_task(self._resolve())

    async def _resolve(self) -> None:
        """Ask the registry for VINs first seen on platform links, all that came up at once."""
        shared = self._shared
        try:
            while self._seeking:
                wanted = list(self._seeking)[:GATEWAY_LOGINS_PER_ROUND_MAX]
                askers = {identity: self._seeking.pop(identity) for identity in wanted}
                peers = {peer for some in askers.values() for peer in some}
                try:
                    known = await self._known(wanted)
                except MotorcadeError as error:
                    shared.metrics.unstored[error.code] += len(wanted)
                    strangers = shared.vehicles.renew(wanted, shared.clock.monotonic_s())
                    for peer in {peer for name in strangers for peer in askers[name]}:
                        self.listener.forget_kept(peer)
                except Exception:
                    # A fault of ours costs what these peers sent, not them their connections.
                    _log.exception("vehicles could not be looked up")
                    for peer in peers:
                        self.listener.forget_kept(peer)
                else:
                    shared.vehicles.learn(wanted, known, shared.clock.monotonic_s())
                for peer in peers:
                    self.listener.release(peer)
        finally:
            self._seeker = None
