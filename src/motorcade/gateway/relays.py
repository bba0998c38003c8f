"""Links of vehicles that never log in: satellite modems and others that send datagrams now and
then.

In: rows of relayed frames, their vehicles known. Out: a link per vehicle from its first frame on,
until it has been silent for ``relay_idle_s``; commands go to where its last frame came from, or to
the satellite's ground gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.gateway.config import BEARERS
from motorcade.gateway.directory import vin_text
from motorcade.gateway.downlink import sealed_for
from motorcade.gateway.peers import Peer
from motorcade.limits import GATEWAY_RELAYED_VEHICLES_MAX
from motorcade.log.downlink import Downlink, Downlinked
from motorcade.log.events import CommandAnswered, LinkUp
from motorcade.protocols.commands import Answer

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener
    from motorcade.gateway.ticks import Tick

__all__ = ["Relays"]

_SWEEP_EVERY_S: Final = 5.0


@dataclass(slots=True)
class _Relayed:
    """A vehicle's link: its number, whose it is, where it was heard last."""

    number: int
    tenant: int
    identity: str
    peer: Peer
    since_us: int
    heard_s: float
    key: bytes = b""


class Relays:
    """Relayed vehicles of one listener, the longest silent first."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._shared = listener.shared
        self._by_vehicle: dict[int, _Relayed] = {}
        self._by_number: dict[int, int] = {}
        self._swept_s = 0.0

    def heard(
        self,
        tick: Tick,
        rows: NDArray[np.int64],
        identity: NDArray[np.bytes_],
        keys: Mapping[int, bytes],
    ) -> None:
        """These rows' vehicles are there; ``keys`` by row, of those that sign."""
        now_s, now_us = self._shared.clock.monotonic_s(), self._shared.clock.now_us()
        began: list[int] = []
        for row in rows.tolist():
            vehicle, tenant = int(tick.frames.vehicle[row]), int(tick.frames.tenant[row])
            peer = tick.peers[int(tick.frames.peer[row])]
            known = self._by_vehicle.pop(vehicle, None)
            if known is not None and known.tenant != tenant:
                self._end(vehicle, known, "moved")
                known = None
            if known is None:
                name = vin_text(bytes(identity[row]))
                known = _Relayed(self._shared.links.number(), tenant, name, peer, now_us, now_s)
                self._by_number[known.number] = vehicle
                self._shared.links.up(self._link(vehicle, known))
                began.append(vehicle)
            known.peer, known.heard_s, known.key = peer, now_s, keys.get(row, b"")
            self._by_vehicle[vehicle] = known
        if began:
            bearer = BEARERS[self._listener.bearer]
            self._shared.hint(self._listener.name, bearer, began, now_us)
        while len(self._by_vehicle) > GATEWAY_RELAYED_VEHICLES_MAX:
            oldest = next(iter(self._by_vehicle))
            self._end(oldest, self._by_vehicle.pop(oldest), "idle")

    def elsewhere(self, vehicles: Sequence[int], bearer: str, at_us: int) -> None:
        """These vehicles' links began at another gateway: older ones end here, so that who comes
        back is told of again."""
        if bearer not in ("", BEARERS[self._listener.bearer]):
            return
        for vehicle in vehicles:
            known = self._by_vehicle.get(vehicle)
            if known is not None and known.since_us < at_us:
                self._end(vehicle, self._by_vehicle.pop(vehicle), "replaced")

    def sweep(self, now_s: float) -> None:
        """End the links of those that have been silent for too long."""
        if now_s - self._swept_s < _SWEEP_EVERY_S:
            return
        self._swept_s = now_s
        idle_s = self._listener.rules.relay_idle_s
        while self._by_vehicle:
            vehicle, known = next(iter(self._by_vehicle.items()))
            if now_s - known.heard_s <= idle_s:
                return
            del self._by_vehicle[vehicle]
            self._end(vehicle, known, "idle")

    def links(self) -> Iterable[LinkUp]:
        """Every link."""
        return [self._link(vehicle, known) for vehicle, known in self._by_vehicle.items()]

    def link_id(self, vehicle: int) -> str:
        """Name of a vehicle's link; empty where it has none here."""
        known = self._by_vehicle.get(vehicle)
        return "" if known is None else self._shared.links.id_of(self._listener.name, known.number)

    def down(self, number: int, asked: Downlink) -> Downlinked:
        """Write a command to where the vehicle was heard last."""
        vehicle = self._by_number.get(number)
        if vehicle is None or vehicle != asked.vehicle:
            return Downlinked(code="no_link")
        known = self._by_vehicle[vehicle]
        ground = self._listener.ground
        if ground is not None:
            return ground.send(known.identity, asked.command)
        if known.peer.transport is None:
            return Downlinked(code="no_link", detail="its address is not known any more")
        more = {"key": known.key} if self._listener.traits.is_signed else {}
        return sealed_for(self._listener, known.identity, known.peer, asked.command, **more)

    def answer_of(self, vehicle: int, tenant: int, answer: Answer) -> CommandAnswered:
        """What a relayed vehicle said to a command."""
        link, protocol = self.link_id(vehicle), self._listener.name
        return self._shared.links.answer_of(vehicle, tenant, link, protocol, answer)

    def _end(self, vehicle: int, known: _Relayed, reason: str) -> None:
        self._by_number.pop(known.number, None)
        link = self._shared.links.id_of(self._listener.name, known.number)
        self._shared.links.down(vehicle, known.tenant, link, reason)

    def _link(self, vehicle: int, known: _Relayed) -> LinkUp:
        return LinkUp(
            vehicle=vehicle,
            tenant=known.tenant,
            link=self._shared.links.id_of(self._listener.name, known.number),
            incarnation=self._shared.links.incarnation,
            protocol=self._listener.name,
            bearer=BEARERS[self._listener.bearer],
            address=known.peer.address(),
            epoch=known.since_us,
            at_us=self._shared.clock.now_us(),
            reachable=bool(self._listener.traits.commands),
            identity=known.identity,
        )
