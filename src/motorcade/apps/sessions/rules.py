"""The rules of links and presence: events in the order of their log, and nothing else, decide.

A ``Table`` is one partition's sessions. ``apply`` takes one message of events and the time at which
the log took it. Gateways' clocks are not looked at: times are the log's, so that clocks that differ
change nothing, and a replay of the log gives the same rows.

1. A link over the same protocol and bearer takes the place of the one before; links over other
   bearers live side by side.
2. A goodbye names its link. That of a link which ended before changes nothing.
3. A vehicle without a link is offline ``grace_us`` later, unless a link comes before then by the
   log's time: also where the log is read long after.
4. A gateway process that starts ends the links of earlier processes of its name; one given up for
   lost loses its links, and may name them again. A link named again that a newer one replaced
   meanwhile stays replaced.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from sys import intern
from typing import NamedTuple

import msgspec

from motorcade.apps.sessions.sessions import (
    BEARERS,
    ENDED_MAX,
    Change,
    Ended,
    Link,
    Row,
    Session,
    started_us,
)
from motorcade.limits import SESSIONS_GATEWAYS_MAX
from motorcade.log.events import Event, GatewayLost, GatewayUp, LinkDown, LinkUp

__all__ = ["Place", "Table", "vehicles_named"]

_REPLACED = "replaced"
_LOST = "gateway_lost"
_RESTARTED = "gateway_restarted"
_TENANT_CHANGED = "tenant_changed"
_REVOCABLE = frozenset({_REPLACED, _LOST})
"""Ends that the gateway of the link has not told, and may contradict."""


_VEHICLE_MAX = (1 << 62) - 1
_TENANT_MAX = (1 << 32) - 1
"""What the columns hold; anything else is nobody, and must not hold up the others."""


class Place(NamedTuple):
    """Where in the log an event stands, and when the log took it."""

    order: int
    time_us: int


def vehicles_named(events: Iterable[Event]) -> set[int]:
    """The vehicles whose sessions must be in the table before these events are applied."""
    named = {event.vehicle for event in events if isinstance(event, LinkUp)}
    return {vehicle for vehicle in named if 0 < vehicle <= _VEHICLE_MAX}


class Table:
    """A partition's sessions: those with a link, or not yet announced as offline."""

    def __init__(self, grace_us: int, handover_us: int) -> None:
        self.sessions: dict[int, Session] = {}
        self.gateways: dict[str, str] = {}
        """Name to newest incarnation."""
        self.lost: set[str] = set()
        """Incarnations given up that have not been heard of since."""
        self.held: Counter[str] = Counter()
        """Links by incarnation."""
        self.carried: Counter[tuple[str, str]] = Counter()
        """Links by bearer and protocol."""
        self.online = 0
        self._grace_us = grace_us
        self._handover_us = handover_us
        self._due: list[tuple[int, int]] = []

    def add(self, session: Session) -> None:
        """Put a stored session back."""
        if session.vehicle in self.sessions:
            return
        session.links = tuple(_shared(link) for link in session.links)
        self.sessions[session.vehicle] = session
        self.online += session.online
        for link in session.links:
            self._count(link, 1)
        if session.due_us:
            heapq.heappush(self._due, (session.due_us, session.vehicle))

    def forget(self, vehicles: Iterable[int]) -> None:
        """Drop sessions, of those given, to which nothing happens without a new link."""
        for vehicle in vehicles:
            session = self.sessions.get(vehicle)
            if session is not None and not session.live:
                self.online -= session.online
                del self.sessions[vehicle]

    @property
    def next_due_us(self) -> int | None:
        """When the next vehicle may have to be announced as offline, by the log's clock."""
        return self._due[0][0] if self._due else None

    def apply(self, sequence: int, time_us: int, events: Iterable[Event], change: Change) -> None:
        """Take a message of events; ``change`` gets what follows from it."""
        self.settle(time_us, change)
        for index, event in enumerate(events):
            place = Place(sequence << 16 | min(index, 0xFFFF), time_us)
            match event:
                case LinkUp():
                    self._up(event, place, change)
                case LinkDown():
                    self._down(event, place, change)
                case GatewayUp():
                    self._gateway_up(event.incarnation, place, change)
                case GatewayLost():
                    self._gateway_lost(event.incarnation, place, change)

    def settle(self, until_us: int, change: Change) -> None:
        """Announce who is offline by then."""
        while self._due and self._due[0][0] <= until_us:
            due_us, vehicle = heapq.heappop(self._due)
            session = self.sessions.get(vehicle)
            if session is not None and session.due_us == due_us:
                self._offline(session, due_us, change)

    # ── events ───────────────────────────────────────────────────────────────────────────────────

    def _up(self, event: LinkUp, place: Place, change: Change) -> None:
        possible = 0 < event.vehicle <= _VEHICLE_MAX and 0 < event.tenant <= _TENANT_MAX
        if not possible or not self._admitted(event.incarnation, place, change):
            change.stale += 1
            return
        session = self.sessions.get(event.vehicle)
        if session is None:
            session = self.sessions[event.vehicle] = Session(event.vehicle, event.tenant)
        if session.tenant != event.tenant:
            session = self._handed_over(session, event.tenant, place, change)
        change.touched.add(event.vehicle)
        link = _link(event, place)
        for known in session.links:
            if known.link == link.link:
                self._changed(session, known, link, place, change)
                return
        for ended in session.ended:
            if ended.link == link.link:
                link = msgspec.structs.replace(link, since_us=ended.since_us, order=ended.order)
        for rival in session.links:
            if (rival.protocol, rival.bearer) == (link.protocol, link.bearer):
                if rival.order > link.order:
                    change.stale += 1
                    return
                self._end(session, rival, _REPLACED, place, change)
        self._begin(session, link, place, change)

    def _down(self, event: LinkDown, place: Place, change: Change) -> None:
        session = self.sessions.get(event.vehicle)
        if session is not None:
            for link in session.links:
                if link.link == event.link:
                    change.touched.add(event.vehicle)
                    self._end(session, link, _clean(event.reason), place, change)
                    self._alone(session, place)
                    return
            session.ended = tuple(one for one in session.ended if one.link != event.link)
            change.touched.add(event.vehicle)
        change.late += 1

    def _gateway_up(self, incarnation: str, place: Place, change: Change) -> None:
        if self._admitted(incarnation, place, change):
            self.lost.discard(incarnation)

    def _gateway_lost(self, incarnation: str, place: Place, change: Change) -> None:
        if self.gateways.get(started_us(incarnation)[0]) == incarnation:
            self.lost.add(incarnation)
        self._gone(incarnation, _LOST, place, change)

    def _admitted(self, incarnation: str, place: Place, change: Change) -> bool:
        """Whether a process is the newest of its name; its forerunner's links end with its first
        word."""
        name, start = started_us(incarnation)
        newest = self.gateways.get(name)
        if newest == incarnation:
            self.lost.discard(incarnation)
            return True
        if newest is not None and started_us(newest)[1] > start:
            return False
        self.gateways[name] = incarnation
        if newest is not None:
            self.lost.discard(newest)
            self._gone(newest, _RESTARTED, place, change)
        if len(self.gateways) > SESSIONS_GATEWAYS_MAX:
            self._drop_gateway()
        return True

    def _drop_gateway(self) -> None:
        idle = [name for name, one in self.gateways.items() if not self.held[one]]
        if idle:
            oldest = min(idle, key=lambda name: started_us(self.gateways[name])[1])
            self.lost.discard(self.gateways.pop(oldest))

    def _gone(self, incarnation: str, reason: str, place: Place, change: Change) -> None:
        """End every link of a gateway process."""
        if not self.held[incarnation]:
            return
        for session in self.sessions.values():
            for link in session.links:
                if link.incarnation == incarnation:
                    change.touched.add(session.vehicle)
                    self._end(session, link, reason, place, change)
                    self._alone(session, place)

    # ── changes ──────────────────────────────────────────────────────────────────────────────────

    def _begin(self, session: Session, link: Link, place: Place, change: Change) -> None:
        before, was_online = session.bearer, session.online
        waiting = session.due_us > 0
        gap_us = None
        if not session.links and session.ended_us and (waiting or not was_online):
            gap_us = max(place.time_us - session.ended_us, 0)
            change.gaps_us.append(gap_us)
        change.kept_online += waiting
        session.due_us = 0
        session.links = tuple(sorted((*session.links, link), key=_order))
        session.ended = tuple(one for one in session.ended if one.link != link.link)
        session.online = True
        self.online += not was_online
        self._count(link, 1)
        joined = gap_us is None or gap_us <= self._handover_us
        previous = self._moved(session, before if joined else "", change)
        change.rows.append(
            _row(session, link, "UP", place.time_us, previous=previous, gap_us=gap_us)
        )
        if link.reachable:
            change.reached.append((session.vehicle, link))

    def _changed(
        self, session: Session, known: Link, said: Link, place: Place, change: Change
    ) -> None:
        """A link named again: nothing, or it became reachable, or its bearer is known now."""
        link = msgspec.structs.replace(said, since_us=known.since_us, order=known.order)
        if link == known:
            return
        before = session.bearer
        for rival in session.links:
            same = (rival.protocol, rival.bearer) == (link.protocol, link.bearer)
            if same and rival.order < link.order:
                self._end(session, rival, _REPLACED, place, change)
        session.links = tuple(link if one is known else one for one in session.links)
        self._count(known, -1)
        self._count(link, 1)
        previous = self._moved(session, before, change)
        change.rows.append(_row(session, link, "CHANGED", place.time_us, previous=previous))
        if link.reachable and not known.reachable:
            change.reached.append((session.vehicle, link))

    def _end(self, session: Session, link: Link, reason: str, place: Place, change: Change) -> None:
        before = session.bearer
        session.links = tuple(one for one in session.links if one is not link)
        session.ended_us = place.time_us
        session.reason = reason
        session.last = link.link
        if reason in _REVOCABLE:
            ended = Ended(link.link, link.since_us, link.order)
            session.ended = (*session.ended, ended)[-ENDED_MAX:]
        self._count(link, -1)
        previous = self._moved(session, before, change)
        lasted_us = max(place.time_us - link.since_us, 0)
        change.rows.append(
            _row(
                session, link, "DOWN", place.time_us,
                previous=previous, reason=reason, lasted_us=lasted_us,
            )
        )  # fmt: skip

    def _alone(self, session: Session, place: Place) -> None:
        """Where the last link ended, the time of grace begins."""
        if not session.links and session.online and not session.due_us:
            session.due_us = place.time_us + self._grace_us
            heapq.heappush(self._due, (session.due_us, session.vehicle))

    def _offline(self, session: Session, time_us: int, change: Change) -> None:
        session.due_us = 0
        session.online = False
        self.online -= 1
        change.touched.add(session.vehicle)
        change.rows.append(_row(session, None, "OFFLINE", time_us, reason=session.reason))

    def _handed_over(self, session: Session, tenant: int, place: Place, change: Change) -> Session:
        """The vehicle is another tenant's now: for the one before it is offline, at once, and
        nothing of what that one saw goes along."""
        for link in session.links:
            self._end(session, link, _TENANT_CHANGED, place, change)
        if session.online:
            self._offline(session, place.time_us, change)
        fresh = Session(session.vehicle, tenant, changed_us=session.changed_us)
        self.sessions[session.vehicle] = fresh
        return fresh

    def _moved(self, session: Session, before: str, change: Change) -> str | None:
        """Note the bearer the vehicle is on now; the one it changed over from, if it did."""
        if not session.links:
            return None
        session.bearer = session.links[-1].bearer
        if before in ("", session.bearer):
            return None
        change.handovers.append((before, session.bearer))
        return before

    def _count(self, link: Link, step: int) -> None:
        self.held[link.incarnation] += step
        if not self.held[link.incarnation]:
            del self.held[link.incarnation]
        self.carried[link.bearer, link.protocol] += step


def _link(event: LinkUp, place: Place) -> Link:
    return Link(
        link=event.link,
        incarnation=intern(event.incarnation),
        protocol=intern(event.protocol),
        bearer=intern(event.bearer if event.bearer in BEARERS else BEARERS[0]),
        epoch=event.epoch,
        since_us=place.time_us,
        order=place.order,
        reachable=event.reachable,
        address=_clean(event.address),
        identity=_clean(event.identity),
    )


def _shared(link: Link) -> Link:
    """With the texts that many links have in common held once: 200 bytes less for each."""
    return msgspec.structs.replace(
        link,
        incarnation=intern(link.incarnation),
        protocol=intern(link.protocol),
        bearer=intern(link.bearer),
    )


def _row(
    session: Session,
    link: Link | None,
    event: str,
    time_us: int,
    *,
    previous: str | None = None,
    reason: str | None = None,
    lasted_us: int | None = None,
    gap_us: int | None = None,
) -> Row:
    """A row of what has just become true; no two rows of a vehicle share a time."""
    session.changed_us = max(time_us, session.changed_us + 1)
    return Row(
        session.vehicle,
        session.tenant,
        session.changed_us,
        event,
        session.last if link is None else link.link,
        session.online,
        any(one.reachable for one in session.links),
        len(session.links),
        session.bearer or BEARERS[0],
        link.protocol if link else None,
        link.bearer if link else None,
        link.address if link else None,
        previous,
        reason,
        lasted_us,
        gap_us,
    )


def _clean(text: str) -> str:
    """Without the one character PostgreSQL cannot hold: an identity is what a device says it is."""
    return text.replace("\0", "")


def _order(link: Link) -> int:
    return link.order
