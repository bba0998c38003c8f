"""One turn of the commands service: what has come in, accounted for in one transaction.

In: gateways' replies, vehicles' answers, silences, vehicles to look at, commands just made. Out:
rows changed and commands claimed for sending; nothing in memory changes before the commit. A turn
that fails is made again with the same input: every step asks the row what is still true.

The usual turn is one statement: what is out is known (``Flight.row``), so nothing is read before it
is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
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
from motorcade.fleet.store import Connection, Store
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
    fresh: Sequence[Row] = ()
    """Commands just made or cancelled."""
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

    async def run(self, scopes: Store, given: Inputs, now_us: int) -> Effects:
        """Account for ``given``, durably. Raises ``Conflict`` where another process has taken
        over."""
        effects = Effects(fresh=list(given.fresh), deadline_us=given.deadline_us)
        named, unknown = self._named(given)
        ids = {*(one.flight.id for one in given.results), *given.silent, *named.values()}
        if not unknown and self._plain(given, ids, now_us):
            self._account(given, effects, named, self._copies(ids), now_us)
            async with scopes.unscoped() as connection:
                claimed = await self._write(connection, given, effects, given.looks, now_us)
        else:
            async with scopes.platform() as connection:
                await store.by_index(connection)
                named |= await _looked_up(connection, unknown)
                rows = self._copies({*ids, *named.values()})
                if others := {*ids, *named.values()} - rows.keys():
                    rows |= await store.locked(connection, others)
                self._account(given, effects, named, rows, now_us)
                await self._expire(connection, given, effects, now_us)
                if given.poll:
                    effects.fresh += await store.untold(connection, self._own, _FRESH_MAX)
                looks = await _introduced(connection, given.looks, effects, now_us)
                claimed = await self._write(connection, given, effects, looks, now_us)
        for row in await claimed():
            self._start(row, effects, now_us + CLAIM_US)
        for row in (*effects.fresh, *effects.changed.values()):
            # Read before it was written what was told.
            row.told |= given.told.get(row.id, 0)
        return effects

    async def recover(self, connection: Connection, now_us: int) -> Effects:
        """What is out by the table and not by memory: awaited further where an answer may come,
        tried again where it is not known to have been sent. Memory is set right by the table."""
        effects = Effects()
        await store.by_index(connection)
        rows = await store.out(connection, self._own)
        known = self._flights.ids()
        if gone := known - rows.keys():
            rows.update(await store.locked(connection, gone))
        for row in rows.values():
            if (flight := self._flights.get(row.id)) is not None:
                out = row.wait_us > 0
                effects.flights[row.id] = msgspec.structs.replace(flight, row=row) if out else None
                continue
            last = row.attempts[-1] if row.attempts else {}
            tried = frozenset({str(last.get("link", ""))})
            flight = Flight(row, tried=tried, until_us=row.wait_us)
            if last.get("code") == "sent" and row.wait_us > now_us:
                effects.flights[row.id] = flight
            else:
                self._silence(row, flight, effects, now_us)
        await store.turn(connection, saved=effects.changed.values())
        return effects

    def _named(self, given: Inputs) -> tuple[dict[int, UUID], dict[int, tuple[int, str]]]:
        """Answers' places with the commands they mean; and vehicle and key of those to none that is
        out. Keys a gateway has just told are not known of what is out yet."""
        told = {(r.flight.vehicle, r.said.key): r.flight.id for r in given.results if r.said}
        named: dict[int, UUID] = {}
        unknown: dict[int, tuple[int, str]] = {}
        for place, answer in enumerate(given.answers):
            key = answer.key.replace("\0", "")
            name = told.get((answer.vehicle, key)) or self._flights.named(answer.vehicle, key)
            if name is None:
                unknown[place] = (answer.vehicle, key)
            else:
                named[place] = name
        return named, unknown

    def _plain(self, given: Inputs, ids: Iterable[UUID], now_us: int) -> bool:
        """Whether a turn can be made without asking the table anything."""
        return (
            not given.poll
            and given.deadline_us > now_us
            and all(given.looks.values())
            and all(self._flights.get(name) is not None for name in ids)
        )

    def _copies(self, ids: Iterable[UUID]) -> dict[UUID, Row]:
        """Rows of what is out, to be changed."""
        rows: dict[UUID, Row] = {}
        for name in ids:
            if (flight := self._flights.get(name)) is not None:
                rows[name] = copy(flight.row)
        return rows

    def _account(
        self,
        given: Inputs,
        effects: Effects,
        named: Mapping[int, UUID],
        rows: Mapping[UUID, Row],
        now_us: int,
    ) -> None:
        effects.unmatched = len(given.answers) - len(named)
        for result in given.results:
            self._result(rows.get(result.flight.id), result, effects, now_us)
        for place, name in sorted(named.items()):
            row = rows.get(name)
            if row is not None and life.answered(row, given.answers[place]):
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
            effects.flights[row.id] = msgspec.structs.replace(flight, row=row, until_us=row.wait_us)
            return
        life.unsent(row, attempt, said.code, said.detail)
        mute = flight.mute
        if said.code in ("unsupported", "invalid") and link is not None:
            mute |= {link.protocol}
        flight = msgspec.structs.replace(
            flight, row=row, mute=mute, code=said.code, detail=said.detail
        )
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
        self._onward(row, msgspec.structs.replace(flight, row=row, code=""), effects, now_us)

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
            return
        due = await store.due(connection, given.expiring, now_us, _DUE_MAX)
        for name in due:
            row = effects.changed.get(name, due[name])
            if row.state in OPEN:
                life.expired(row)
                self._let_go(row, effects)
                effects.changed[name] = row
        if len(due) == _DUE_MAX:
            effects.deadline_us = now_us  # there may be more: the next turn follows at once
            return
        found = await store.next_deadline(connection, given.expiring, now_us)
        effects.deadline_us = found or _NEVER_US

    async def _write(
        self,
        connection: Connection,
        given: Inputs,
        effects: Effects,
        looks: Mapping[int, int],
        now_us: int,
    ) -> store.Claimed:
        """Write the turn, and take the next commands of the vehicles that can be reached."""
        looks = {**looks, **effects.looks}
        effects.looks = {}
        for row in effects.fresh:
            effects.deadline_us = min(effects.deadline_us, row.deadline_us)
            if row.state == "queued" and row.wait_us == 0:
                looks.setdefault(row.vehicle, row.tenant)
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
        return await store.turn(
            connection,
            held=given.held,
            told=given.told,
            saved=effects.changed.values(),
            wanted=wanted,
            now_us=now_us,
            until_us=now_us + CLAIM_US,
        )

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
        flight = Flight(row, until_us=until_us)
        links = usable(self._policies.of(row.tenant), row.message_class, self._links(row.vehicle))
        if links:
            self._ask(flight, links[0], effects, until_us)
        else:
            effects.flights[row.id] = flight
            effects.stranded.append(flight)

    def _backoff_us(self, tries: int) -> int:
        wait_s = self._config.backoff_first_s * float(1 << min(max(tries - 1, 0), 20))
        return round(min(wait_s, self._config.backoff_max_s) * 1e6)


async def _looked_up(
    connection: Connection, unknown: Mapping[int, tuple[int, str]]
) -> dict[int, UUID]:
    """The commands that answers (by place: vehicle and key) mean by the table."""
    if not unknown:
        return {}
    places = list(unknown)
    found = await store.matched(connection, list(unknown.values()))
    return {places[place]: name for place, name in found}


async def _introduced(
    connection: Connection, looks: Mapping[int, int], effects: Effects, now_us: int
) -> dict[int, int]:
    """Vehicles to look at with their tenants, those that were not known too."""
    known = {vehicle: tenant for vehicle, tenant in looks.items() if tenant}
    if len(known) < len(looks):
        for found in await store.waiting_of(connection, looks.keys() - known.keys()):
            known[found.vehicle] = found.tenant
            if found.next_us > now_us:
                effects.timers.append((found.next_us, found.vehicle, found.tenant))
    return known
