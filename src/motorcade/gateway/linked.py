"""The links of one listener's peers: what begins and ends a session, and how a link is reached.

In: logins, goodbyes, lost connections, commands. Out: the sessions' columns in the peer table, and
what is told of links to the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from motorcade.gateway.config import BEARERS
from motorcade.gateway.directory import vin_text
from motorcade.gateway.downlink import sealed_for
from motorcade.gateway.keeping import Keeping
from motorcade.gateway.peers import TERMINAL, Peer, reachable
from motorcade.gateway.relays import Relays
from motorcade.gateway.wills import Wills
from motorcade.log.downlink import Downlink, Downlinked
from motorcade.log.events import CommandAnswered, LinkUp
from motorcade.protocols.commands import Answer

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener
    from motorcade.gateway.ticks import Tick

__all__ = ["Linked"]


class Linked:
    """Sessions and links of one listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._shared = listener.shared
        self._table = listener.table
        self._relays = Relays(listener)
        self._wills = Wills(listener)
        self.keeping = Keeping(listener)

    async def settled(self) -> None:
        """Returns when the wills of broken links are stored or given up, kept sessions written."""
        await self._wills.settled()
        await self.keeping.settled()

    def sweep(self, now_s: float) -> None:
        """End the links of relayed vehicles that have been silent for long."""
        self._relays.sweep(now_s)

    def signed_on(
        self,
        peer: Peer,
        bearer: int,
        identity: bytes,
        vehicle: int,
        *,
        tenant: int,
        login_us: int,
    ) -> None:
        """A vehicle is logged in: its session begins, and so does its link."""
        table, slot = self._table, peer.slot
        if table.link[slot]:
            self.signed_off(peer, "replaced")
        table.sign_on(slot, TERMINAL, tenant, login_us)
        table.drives(slot, vehicle, identity)
        table.bearer[slot] = bearer
        table.link[slot] = self._shared.links.number()
        table.reachable[slot] = reachable(peer)
        self._shared.links.up(self.link_of(peer))
        self.back([vehicle])
        if self._listener.traits.keeps:
            self.keeping.note(peer, ended=False)

    def signed_on_aside(
        self, peer: Peer, identity: bytes, vehicle: int, tenant: int, login_us: int
    ) -> None:
        """A vehicle is logged in over a connection beside its link: what it sends there is its own,
        but it is not reached there, and its link is none the worse."""
        table, slot = self._table, peer.slot
        if table.link[slot]:
            self.signed_off(peer, "replaced")
        table.sign_on(slot, TERMINAL, tenant, login_us)
        table.drives(slot, vehicle, identity)

    def signed_off(self, peer: Peer, reason: str) -> None:
        """A vehicle's session on this connection ends."""
        table, slot = self._table, peer.slot
        if table.link[slot]:
            if getattr(peer.session, "will", None) is not None:
                self._wills.add(peer)
            if self._listener.traits.keeps and reason != "replaced":
                self.keeping.note(peer, ended=True)
            elif self._listener.traits.keeps:  # it lives on elsewhere
                self.keeping.left(int(table.vehicle[slot]), int(table.link[slot]))
            link = self._shared.links.id_of(self._listener.name, int(table.link[slot]))
            self._shared.links.down(int(table.vehicle[slot]), int(table.tenant[slot]), link, reason)
        table.sign_off(slot)

    def back(self, vehicles: Sequence[int]) -> None:
        """These vehicles have a link again, here or at another gateway."""
        self._wills.cancel(vehicles)

    def elsewhere(self, vehicles: Sequence[int], bearer: str, at_us: int) -> None:
        """These vehicles have had a link at another gateway since ``at_us``."""
        self.back(vehicles)
        self._relays.elsewhere(vehicles, bearer, at_us)

    def link_of(self, peer: Peer) -> LinkUp:
        """A peer's link, as the sessions app is told of it."""
        table, slot = self._table, peer.slot
        return LinkUp(
            vehicle=int(table.vehicle[slot]),
            tenant=int(table.tenant[slot]),
            link=self._shared.links.id_of(self._listener.name, int(table.link[slot])),
            incarnation=self._shared.links.incarnation,
            protocol=self._listener.name,
            bearer=BEARERS[int(table.bearer[slot])],
            address=peer.address(),
            epoch=int(table.login_us[slot]),
            at_us=self._shared.clock.now_us(),
            reachable=bool(self._listener.traits.commands) and reachable(peer),
            identity=vin_text(bytes(table.identity[slot])),
        )

    def links(self) -> Iterable[LinkUp]:
        """Every link of these doors."""
        slots = np.flatnonzero(self._table.link[: len(self._table.peer)])
        peers = (self._table.peer[slot] for slot in slots.tolist())
        yield from (self.link_of(peer) for peer in peers if peer is not None)
        yield from self._relays.links()

    def reachable(self, peer: Peer) -> None:
        """Look whether a peer may be sent commands now, and tell of it where that has changed."""
        table, slot = self._table, peer.slot
        if not table.link[slot]:
            return
        now = reachable(peer)
        if self._listener.traits.keeps:
            self.keeping.note(peer, ended=False)
        if bool(table.reachable[slot]) != now:
            table.reachable[slot] = now
            self._shared.links.up(self.link_of(peer))

    def relayed(
        self,
        tick: Tick,
        rows: NDArray[np.int64],
        identity: NDArray[np.bytes_],
        keys: Mapping[int, bytes],
    ) -> None:
        """Vehicles were heard over links that are not theirs."""
        self._relays.heard(tick, rows, identity, keys)

    def relayed_answer(self, vehicle: int, tenant: int, answer: Answer) -> CommandAnswered:
        """What a vehicle said whose link is not its own."""
        return self._relays.answer_of(vehicle, tenant, answer)

    def answer_of(self, peer: Peer, answer: Answer) -> CommandAnswered:
        """What a peer said to a command, as the commands app is told."""
        table, slot, name = self._table, peer.slot, self._listener.name
        vehicle, tenant = int(table.vehicle[slot]), int(table.tenant[slot])
        link = self._shared.links.id_of(name, int(table.link[slot]))
        return self._shared.links.answer_of(vehicle, tenant, link, name, answer)

    def down(self, number: int, slot: int | None, asked: Downlink) -> Downlinked:
        """Write a command to a link, if it is here and its protocol can say it."""
        if slot is None:
            return self._relays.down(number, asked)
        peer = self._table.peer[slot]
        if peer is None or int(self._table.vehicle[slot]) != asked.vehicle:
            return Downlinked(code="no_link")
        if peer.is_busy():
            return Downlinked(code="busy")
        name = vin_text(bytes(self._table.identity[slot]))
        return sealed_for(self._listener, name, peer, asked.command)
