"""One turn of the commands service: what has come in, accounted for in one transaction.

In: gateways' replies, vehicles' answers, silences, vehicles to look at, commands just made. Out:
rows changed and commands claimed for sending; nothing in memory changes before the commit. A turn
that fails is made again with the same input: every step asks the row what is still true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from motorcade.apps.commands import life, store
from motorcade.apps.commands.config import Config
from motorcade.apps.commands.flights import Flight, Flights
from motorcade.apps.commands.policies import Policies
from motorcade.apps.commands.policy import Link, classes_of, silence_s, usable
from motorcade.apps.commands.row import Row
from motorcade.apps.commands.rules import OPEN
from motorcade.errors import Conflict
from motorcade.fleet.store import Connection
from motorcade.log.downlink import Downlinked
from motorcade.log.events import CommandAnswered

__all__ = ["CLAIM_US", "Effects", "Inputs", "Result", "Turn"]

CLAIM_US = 30_000_000
"""How long a claim stands that nobody accounts for: longer than any gateway is waited for."""

_NEVER_US = 1 << 62
_UNSURE_US = 1_000_000
_STALE_US = 1_000_000
_FRESH_MAX = 5_000
_DUE_MAX = 5_000


class Result(NamedTuple):
    """What a gateway said; None where it did not say. ``at_us``: when it was asked."""

    flight: Flight
    said: Downlinked | None
    at_us: int


@dataclass(slots=True, kw_only=True)
class Inputs:
    """What a turn has to account for."""

    held: Mapping[int, store.Held]
    results: Sequence[Result] = ()
    silent: Sequence[UUID] = ()
    answers: Sequence[CommandAnswered] = ()
    looks: dict[int, int] = field(default_factory=dict)
    """Vehicles that may be sent something, with their tenants, 0 where not known."""
    fresh: Sequence[UUID] = ()
    told: Mapping[UUID, int] = field(default_factory=dict)
    poll: bool = False
    expiring: Sequence[int] = ()
    """Partitions whose events are accounted for up to when this process began."""
    deadline_us: int = 0
    """Before this none is past its deadline that is known of."""


@dataclass(slots=True, kw_only=True)
class Effects:
    """What a turn made of it, to be taken in after the commit."""

    changed: dict[UUID, Row] = field(default_factory=dict)
    flights: dict[UUID, Flight | None] = field(default_factory=dict)
    fresh: list[Row] = field(default_factory=list)
    looks: dict[int, int] = field(default_factory=dict)
    """To be looked at next turn."""
    timers: list[tuple[int, int, int]] = field(default_factory=list)
    """When (µs), which vehicle, whose: to be looked at then."""
    send: list[Flight] = field(default_factory=list)
    stranded: list[Flight] = field(default_factory=list)
    """Claimed, but the links were gone by then."""
    unmatched: int = 0
    deadline_us: int = 0
    """When the next open command is past its deadline, as far as is known."""


class Turn:
    """The steps. Build one for a process; ``run`` is one turn."""

    def __init__(
        self,
        config: Config,
        links: Callable[[int], Sequence[Link]],
        policies: Policies,
        flights: Flights,
        own: Sequence[int],
    ) -> None:
        self._config = config
        self._links = links
        self._policies = policies
        self._flights = flights
        self._own = own

    async def run(self, connection: Connection, given: Inputs, now_us: int) -> Effects:
        """Account for ``given``. Raises ``Conflict`` where another process has taken over."""
        effects = Effects()
        await store.by_index(connection)
        mine = await store.hold(connection, given.held)
        if given.told:
            await store.tell(connection, given.told)
        await self._account(connection, given, effects, now_us)
        await store.save(connection, effects.changed.values())
        await self._expire(connection, given, effects, now_us)
        await self._find(connection, given, effects)
        await self._claim(connection, given, effects, now_us)
        if not await mine():
            raise Conflict("another process has taken over partitions of this one")
        return effects

    async def recover(self, connection: Connection, now_us: int) -> Effects:
        """What is out by the table and not by memory: awaited further where an answer may come,
        tried again where it is not known to have been sent."""
        effects = Effects()
        await store.by_index(connection)
        for row in (await store.out(connection, self._own)).values():
            if row.id in self._flights:
                continue
            last = row.attempts[-1] if row.attempts else {}
            flight = Flight.of(row, row.wait_us, frozenset({str(last.get("link", ""))}))
            if last.get("code") == "sent" and row.wait_us > now_us:
                effects.flights[row.id] = flight
            else:
                self._silence(row, flight, effects, now_us)
        await store.save(connection, effects.changed.values())
        return effects

    async def _account(
        self, connection: Connection, given: Inputs, effects: Effects, now_us: int
    ) -> None:
        named: list[tuple[CommandAnswered, UUID]] = []
        if given.answers:
            asked = [(one.vehicle, one.key.replace("\0", "")) for one in given.answers]
            found = await store.matched(connection, asked)
            # Keys a gateway has just told are not in the table yet.
            known = {(r.flight.vehicle, r.said.key): r.flight.id for r in given.results if r.said}
            places = {place: known.get(asked[place]) for place in range(len(asked))}
            places.update((place, name) for place, name in found if places[place] is None)
            named = [(given.answers[p], name) for p, name in sorted(places.items()) if name]
            effects.unmatched = len(given.answers) - len(named)
        ids = {*(one.flight.id for one in given.results), *given.silent, *(n for _, n in named)}
        rows = await store.locked(connection, ids) if ids else {}
        for result in given.results:
            self._result(rows.get(result.flight.id), result, effects, now_us)
        for answer, name in named:
            if (row := rows.get(name)) is not None and life.answered(row, answer):
                effects.changed[name] = row
                self._let_go(row, effects)
        for name in given.silent:
            flight = effects.flights.get(name, self._flights.get(name))
            if flight is not None:
                self._silence(rows.get(name), flight, effects, now_us)

    def _result(self, row: Row | None, result: Result, effects: Effects, now_us: int) -> None:
        """A gateway's reply: await the vehicle's answer, or go on to the next link."""
        flight = msgspec.structs.replace(result.flight, asked=False)
        if row is None or row.state not in OPEN:
            effects.flights[flight.id] = None
            return
        said, link = result.said, flight.link
        effects.changed[row.id] = row
        attempt: dict[str, Any] = {"at_us": result.at_us}
        if link is not None:
            attempt |= {"link": link.link, "bearer": link.bearer, "protocol": link.protocol}
        if said is None or said.sent:
            of = self._policies.of(row.tenant)
            patience_us = _UNSURE_US
            if said is not None and link is not None:
                patience_us = round(silence_s(of, link.bearer) * 1e6)
            key = said.key if said is not None else ""
            life.sent(row, attempt, key, result.at_us + patience_us)
            effects.flights[row.id] = msgspec.structs.replace(flight, until_us=row.wait_us)
            return
        life.unsent(row, attempt, said.code, said.detail)
        mute = flight.mute
        if said.code in ("unsupported", "invalid") and link is not None:
            mute |= {link.protocol}
        flight = msgspec.structs.replace(flight, mute=mute, code=said.code, detail=said.detail)
        self._onward(row, flight, effects, now_us)

    def _silence(self, row: Row | None, flight: Flight, effects: Effects, now_us: int) -> None:
        """No answer in time: the next link, or a pause."""
        if row is None or row.state not in OPEN or row.wait_us == 0:
            effects.flights[flight.id] = None
            return
        effects.changed[row.id] = row
        life.silent(row)
        if row.tries_max and row.tries >= row.tries_max:
            detail = f"no answer to {row.tries} tries, as many as it may have"
            life.given_up(row, "no_answer", detail, now_us)
            self._let_go(row, effects)
            return
        self._onward(row, msgspec.structs.replace(flight, code=""), effects, now_us)

    def _onward(self, row: Row, flight: Flight, effects: Effects, now_us: int) -> None:
        """Try the next link, or let go until there is hope again."""
        links = usable(self._policies.of(row.tenant), row.message_class, self._links(row.vehicle))
        sayable = [one for one in links if one.protocol not in flight.mute]
        left = [one for one in sayable if one.link not in flight.tried]
        if left and row.deadline_us > now_us:
            life.claimed_again(row, now_us + CLAIM_US)
            self._ask(flight, left[0], effects, row.wait_us)
            return
        if links and not sayable and row.sent_us is None:
            life.given_up(row, flight.code, flight.detail, now_us)
        elif flight.code in ("", "unsupported", "invalid"):
            life.released(row, now_us + self._backoff_us(row.tries))
        elif flight.code == "busy":
            life.released(row, now_us + round(self._config.busy_s * 1e6))
        else:
            life.released(row, now_us + (_STALE_US if links else 0))
        self._let_go(row, effects)

    def _ask(self, flight: Flight, link: Link, effects: Effects, until_us: int) -> None:
        """Send it over a link after the commit."""
        flight = msgspec.structs.replace(
            flight, link=link, tried=flight.tried | {link.link}, asked=True, until_us=until_us
        )
        effects.flights[flight.id] = flight
        effects.send.append(flight)

    @staticmethod
    def _let_go(row: Row, effects: Effects) -> None:
        """Nothing of it is out any more: the vehicle's next command may go."""
        if row.wait_us > 0:
            return
        effects.flights[row.id] = None
        effects.looks[row.vehicle] = row.tenant
        if row.state in ("queued", "sent") and row.next_us:
            effects.timers.append((row.next_us, row.vehicle, row.tenant))

    async def _expire(
        self, connection: Connection, given: Inputs, effects: Effects, now_us: int
    ) -> None:
        """End what is past its deadline, where no earlier answer can be underway."""
        if given.deadline_us > now_us and not given.poll:
            effects.deadline_us = given.deadline_us
            return
        rows = await store.due(connection, given.expiring, now_us, _DUE_MAX)
        for row in rows.values():
            life.expired(row)
            self._let_go(row, effects)
        await store.save(connection, rows.values())
        effects.changed.update(rows)
        effects.deadline_us = await store.next_deadline(connection, given.expiring) or _NEVER_US

    async def _find(self, connection: Connection, given: Inputs, effects: Effects) -> None:
        """Commands just made, and those whose hint was lost."""
        if given.fresh:
            effects.fresh += await store.fresh(connection, given.fresh, self._own)
        if given.poll:
            effects.fresh += await store.untold(connection, self._own, _FRESH_MAX)
        for row in effects.fresh:
            effects.deadline_us = min(effects.deadline_us, row.deadline_us)
            if row.state == "queued" and row.wait_us == 0:
                effects.looks.setdefault(row.vehicle, row.tenant)

    async def _claim(
        self, connection: Connection, given: Inputs, effects: Effects, now_us: int
    ) -> None:
        """Take the next commands of the vehicles that can be reached."""
        looks = {**given.looks, **{v: t for v, t in effects.looks.items() if t}}
        effects.looks = {}
        strangers = [vehicle for vehicle, tenant in looks.items() if not tenant]
        if strangers:
            for found in await store.waiting_of(connection, strangers):
                looks[found.vehicle] = found.tenant
                if found.next_us > now_us:
                    effects.timers.append((found.next_us, found.vehicle, found.tenant))
        wanted: list[store.Wanted] = []
        room = min(self._config.claims_per_turn, self._config.flights_max - len(self._flights))
        flying = self._flying(effects)
        for vehicle, tenant in looks.items():
            one = self._wanted(vehicle, tenant, flying(vehicle))
            if one is None:
                continue
            if room <= 0:
                effects.looks[vehicle] = tenant
                continue
            wanted.append(one)
            room -= one.free
        if wanted:
            until_us = now_us + CLAIM_US
            for row in await store.claim(connection, wanted, now_us, until_us):
                self._start(row, effects, until_us)

    def _flying(self, effects: Effects) -> Callable[[int], int]:
        """How many commands of a vehicle are out once the effects are taken in."""
        change: dict[int, int] = {}
        for name, flight in effects.flights.items():
            before = self._flights.get(name)
            for one, by in ((before, -1), (flight, 1)):
                if one is not None:
                    change[one.vehicle] = change.get(one.vehicle, 0) + by
        return lambda vehicle: self._flights.count(vehicle) + change.get(vehicle, 0)

    def _wanted(self, vehicle: int, tenant: int, flying: int) -> store.Wanted | None:
        """What a vehicle could be sent now, if anything."""
        links = self._links(vehicle)
        if not tenant or not links:
            return None
        policy = self._policies.of(tenant)
        free = policy.in_flight_per_vehicle - flying
        classes = classes_of(policy, links)
        return store.Wanted(vehicle, free, classes) if free > 0 and classes else None

    def _start(self, row: Row, effects: Effects, until_us: int) -> None:
        flight = Flight.of(row, until_us)
        links = usable(self._policies.of(row.tenant), row.message_class, self._links(row.vehicle))
        if links:
            self._ask(flight, links[0], effects, until_us)
        else:
            effects.flights[row.id] = flight
            effects.stranded.append(flight)

    def _backoff_us(self, tries: int) -> int:
        wait_s = self._config.backoff_first_s * float(1 << min(max(tries - 1, 0), 20))
        return round(min(wait_s, self._config.backoff_max_s) * 1e6)
