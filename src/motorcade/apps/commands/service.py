"""The commands service of a worker: sends what waits, accounts for what is answered.

In: hints that commands were made, events of vehicles, links that come. Out: commands to gateways,
their life in PostgreSQL and in the log. It works in turns: whatever has come in meanwhile is
accounted for in one transaction; what follows from it happens after the commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
import structlog

from motorcade.apps.commands import store as table
from motorcade.apps.commands.config import Config
from motorcade.apps.commands.flights import Flight, Flights
from motorcade.apps.commands.hints import hint_subject, read_hint
from motorcade.apps.commands.inbox import Entry, Inbox
from motorcade.apps.commands.life import ENDED
from motorcade.apps.commands.policies import Policies
from motorcade.apps.commands.policy import Link, usable
from motorcade.apps.commands.row import Row
from motorcade.apps.commands.sending import Sender
from motorcade.apps.commands.telling import Teller
from motorcade.apps.commands.timers import Timers
from motorcade.apps.commands.turn import Effects, Inputs, Result, Turn
from motorcade.apps.commands.waking import NoWake, Wake, Waking
from motorcade.clock import Clock
from motorcade.errors import CapacityError, CorruptionError, DependencyError
from motorcade.fleet.store import Store
from motorcade.log.downlink import Downlinked
from motorcade.log.log import Log
from motorcade.log.posting import EventRecord
from motorcade.signals.catalogue import Catalogue
from motorcade.tasks import ended

__all__ = ["CommandsService", "Links"]

_log = structlog.get_logger(__name__)

_NEVER_US: Final = 1 << 62
_SCAN_PAGE: Final = 10_000
_RETRY_S: Final = 0.5
_SWEEP_EVERY_S: Final = 60
_SWEEP_ROWS: Final = 5_000
_HANDOVER_US: Final = 200_000
"""After another link came: how long an answer over one that is gone may still be in the log."""

_SETTLE_US: Final = 100_000
"""How long it is only remembered that a gateway has sent a command: where the vehicle answers at
once both are written together. Until then the claim stands for it."""

_PATIENCE_US: Final = 20_000_000
"""A try that may be silent for longer than this (a satellite's) is not waited for once a better
link is there."""


class Links(Protocol):
    """What is needed of the sessions app."""

    def links(self, vehicle: int) -> Sequence[Link]:
        """A vehicle's links now, the oldest first; none for one of another process."""

    def on_link(self, callback: Callable[[int, Any], None]) -> None:
        """Call back with vehicle and link whenever one can be reached over another link."""


class CommandsService:
    """The commands of ``partitions``: ``start`` it, ``run`` it, hand it the partitions' events
    (``node.events.EventHandler``)."""

    name = "commands"

    def __init__(
        self,
        store: Store,
        log: Log,
        links: Links,
        catalogue: Catalogue,
        *,
        clock: Clock,
        partitions: Sequence[int],
        config: Config | None = None,
        wake: Wake | None = None,
    ) -> None:
        self._store = store
        self._log = log
        self._links = links
        self._clock = clock
        self._own = list(partitions)
        self._config = config or Config()
        self.flights = Flights()
        self.policies = Policies(store)
        self._turn = Turn(self._config, links.links, self.policies, self.flights, self._own)
        self._teller = Teller(log, catalogue, clock.now_us, self._told_now)
        self._sender = Sender(log, self._config.gateway_timeout_s, clock.now_us, self._replied)
        self._waking = Waking(wake or NoWake(), clock)
        self._held: dict[int, table.Held] = {}
        self._had: dict[int, int] = {}
        self._room = asyncio.Event()
        self._more = asyncio.Event()
        self._results: list[Result] = []
        self._silent: set[UUID] = set()
        self._looks: dict[int, int] = {}
        self._hinted: list[Row] = []
        self._told: dict[UUID, int] = {}
        self._inbox = Inbox(self._own)
        self._timers = Timers()
        self._deadline_us = 0
        self._free_s = 0.0
        self._scan_after = 0
        self._poll_us = self._policies_us = self._sweep_us = 0
        self.counts: dict[str, float] = dict.fromkeys(
            ("turns", "turns_failed", "turn_s", "tries", "answers", "unmatched", "changes"), 0
        )
        links.on_link(self._linked)

    async def start(self) -> None:
        """Take the partitions over; whoever had them ends. Raises ``DependencyError``: call it
        again then. Before it ``position`` knows nothing."""
        had = {one: await self._log.last_event(one) for one in self._own}
        async with self._store.platform() as connection:
            held = await table.take_over(connection, self._own)
        self._had, self._held = had, held

    def position(self, partition: int) -> int:
        """How far a partition's events are accounted for, durably."""
        return self._held[partition].sequence

    async def apply(self, partition: int, records: Sequence[EventRecord]) -> None:
        """Take a partition's events, in order; waits while there are many. ``position`` follows
        once they are accounted for."""
        while self._inbox.full:
            self._room.clear()
            await self._room.wait()
        self._inbox.add(partition, records)
        self._more.set()

    async def tick(self, now_us: int) -> None:
        """Nothing: the service keeps its own time."""

    def wake(self, tenant: int, vehicle: int, reason: str) -> None:
        """Have a vehicle without a link woken."""
        self._waking.wake(tenant, vehicle, reason)

    def notice(self, commands: Iterable[Row]) -> None:
        """Commands were made in this very process."""
        self._hinted += commands
        self._more.set()

    async def run(self) -> None:
        """Work until cancelled. Raises ``Conflict`` where another process took partitions over, and
        whatever ended the telling."""
        async with self._serving():
            tasks = [asyncio.create_task(self._teller.run()), asyncio.create_task(self._turns())]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                await ended(*tasks)

    async def _turns(self) -> None:
        started = False
        while True:
            try:
                if not started:
                    await self._begin()
                    started = True
                await self._wait()
                await asyncio.sleep(max(self._free_s - time.monotonic(), 0))
                began_s = time.monotonic()
                await self._one_turn()
                # Where PostgreSQL is slow it gets as much rest as it had work.
                ended_s = time.monotonic()
                gap_s = self._config.turn_gap_ms / 1e3
                self._free_s = max(began_s + gap_s, 2 * ended_s - began_s)
            except (DependencyError, CapacityError) as error:
                self.counts["turns_failed"] += 1
                _log.warning("commands wait", why=error.detail)
                started = False  # what the failed transaction did is not known
                await asyncio.sleep(_RETRY_S)

    @contextlib.asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        """What is open beside the turns."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._sender.close)
            stack.push_async_callback(self._waking.close)
            for partition in self._own:
                hints = await self._log.subscribe(hint_subject(partition), self._hint)
                stack.push_async_callback(hints.close)
            yield

    async def _begin(self) -> None:
        """Find out what was out when the process before ended."""
        if not self._held:
            await self.start()
        await self.policies.refresh()
        async with self._store.platform() as connection:
            effects = await self._turn.recover(connection, self._clock.now_us())
        self._take_in(effects)
        self._scan_after = self._poll_us = 0
        while await self._scan():
            pass

    async def _wait(self) -> None:
        """Until there is something to do."""
        while not self._due():
            settled_us = min((one.at_us for one in self._results), default=_NEVER_US) + _SETTLE_US
            until_us = min(self._poll_us, self._deadline_us, self._timers.next_us(), settled_us)
            left_s = (until_us - self._clock.now_us()) / 1e6
            self._more.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(min(left_s, self._config.poll_s), 0)):
                    await self._more.wait()

    def _due(self) -> bool:
        now_us = self._clock.now_us()
        commands, vehicles = self._timers.due(now_us)
        for name in commands:
            flight = self.flights.get(name)
            if flight is None or flight.asked:
                continue
            if flight.until_us <= now_us:
                self._silent.add(name)
        self._looks.update(vehicles)
        if self._silent or self._looks or self._hinted:
            return True
        if any(_settled(one, now_us) for one in self._results):
            return True
        if now_us >= min(self._poll_us, self._deadline_us):
            return True
        return self._inbox.has_ready(self._unsure())

    async def _one_turn(self) -> None:
        began = time.perf_counter()
        now_us = self._clock.now_us()
        poll = now_us >= self._poll_us
        if poll:
            self._poll_us = now_us + round(self._config.poll_s * 1e6)
            await self._house(now_us)
            now_us = self._clock.now_us()
        given, entries = self._gather(poll, now_us)
        try:
            effects = await self._turn.run(self._store, given, now_us)
        except BaseException:
            self._put_back(given, entries)
            raise
        self._held = dict(given.held)
        self._room.set()
        self._teller.forget(given.told)
        self.flights.told(given.told)
        self.counts["answers"] += len(given.answers)
        self._take_in(effects)
        self.counts["turns"] += 1
        self.counts["turn_s"] += time.perf_counter() - began

    def _gather(self, poll: bool, now_us: int) -> tuple[Inputs, list[Entry]]:
        """What has come in, taken out of its places. What is past its deadline at ``now_us`` ends
        in this turn."""
        entries = self._inbox.ready(self._unsure())
        held = dict(self._held)
        for partition, sequence in self._inbox.sequences(entries).items():
            held[partition] = held[partition]._replace(sequence=sequence)
        # What was told of a command is written once, at its end; or now and then, if that is far.
        told = {name: bits for name, bits in self._told.items() if poll or bits & ENDED}
        answers = [answer for entry in entries for answer in entry.answers]
        # Of what ends by its deadline it has to be known whether it was sent.
        ending = poll or now_us >= self._deadline_us
        results = self._results_for({answer.vehicle for answer in answers}, now_us, ending)
        given = Inputs(
            held=held,
            results=results,
            silent=list(self._silent),
            answers=answers,
            looks=self._looks,
            fresh=self._hinted,
            told=told,
            poll=poll,
            expiring=[p for p in self._own if held[p].sequence >= self._had[p]],
            deadline_us=self._deadline_us,
        )
        self._silent, self._looks = set(), {}
        self._hinted = []
        for name in told:
            del self._told[name]
        return given, entries

    def _results_for(self, answered: set[int], now_us: int, everything: bool) -> list[Result]:
        """Take out what gateways said; but for ``everything`` not what may soon be written with
        its answer."""
        taken: list[Result] = []
        left: list[Result] = []
        for one in self._results:
            now = everything or one.flight.vehicle in answered or _settled(one, now_us)
            (taken if now else left).append(one)
        self._results = left
        return taken

    def _unsure(self) -> Callable[[int], bool]:
        """Whether a gateway has yet to say what it did for a vehicle; what it said by now is
        accounted for in the same turn as the answers."""
        said = {result.flight.id for result in self._results}
        return lambda vehicle: self.flights.asked(vehicle, said)

    def _put_back(self, given: Inputs, entries: Sequence[Entry]) -> None:
        """The turn failed: all of it is still to be accounted for."""
        self._results = [*given.results, *self._results]
        self._silent.update(given.silent)
        self._looks = {**given.looks, **self._looks}
        self._hinted = [*given.fresh, *self._hinted]
        for name, bits in given.told.items():
            self._told[name] = self._told.get(name, 0) | bits
        self._inbox.put_back(entries)
        if given.poll:
            self._poll_us = 0

    def _take_in(self, effects: Effects) -> None:
        """After the commit: memory follows, and what was decided is done."""
        self.flights.update(effects.flights)
        for name, flight in effects.flights.items():
            if flight is not None:
                self._timers.silence(flight.until_us, name)
        for at_us, vehicle, tenant in effects.timers:
            self._timers.look(at_us, vehicle, tenant)
        self._looks.update(effects.looks)
        self._deadline_us = effects.deadline_us
        self._sender.send(effects.send)
        if effects.stranded:
            self._replied([_stranded(one, self._clock.now_us()) for one in effects.stranded])
        self._teller.add([*effects.fresh, *effects.changed.values()])
        self._wake_for(effects)
        self.counts["tries"] += len(effects.send)
        self.counts["changes"] += len(effects.changed)
        self.counts["unmatched"] += effects.unmatched

    def _wake_for(self, effects: Effects) -> None:
        for row in effects.fresh:
            if row.state == "queued" and not self._links.links(row.vehicle):
                self._waking.wake(row.tenant, row.vehicle, "command")
        for flight in effects.stranded:
            self._waking.wake(flight.tenant, flight.vehicle, "command")

    async def _house(self, now_us: int) -> None:
        """What is done now and then."""
        if now_us >= self._policies_us:
            self._policies_us = now_us + round(self._config.policy_refresh_s * 1e6)
            await self.policies.refresh()
        await self._scan()
        if self._config.keep_days and now_us >= self._sweep_us:
            self._sweep_us = now_us + _SWEEP_EVERY_S * 1_000_000
            before_us = now_us - self._config.keep_days * 86_400_000_000
            async with self._store.platform() as connection:
                await table.sweep(connection, self._own, before_us, _SWEEP_ROWS)

    async def _scan(self) -> bool:
        """Look at a page of the vehicles with commands to be sent; false after the last. Whatever
        memory has lost is found again this way."""
        async with self._store.platform() as connection:
            found = await table.waiting(connection, self._own, self._scan_after, _SCAN_PAGE)
        now_us = self._clock.now_us()
        for one in found:
            if one.next_us <= now_us and self._links.links(one.vehicle):
                self._looks.setdefault(one.vehicle, one.tenant)
        self._scan_after = found[-1].vehicle if len(found) == _SCAN_PAGE else 0
        return self._scan_after > 0

    def _linked(self, vehicle: int, _: Any) -> None:
        """A vehicle can be reached: send what waits, and again what went over a link now gone, or
        over a slow one where a better one came."""
        self._looks.setdefault(vehicle, 0)
        if self.flights.count(vehicle):
            links = self._links.links(vehicle)
            there = {link.link for link in links}
            soon_us = self._clock.now_us() + _HANDOVER_US
            for flight in self.flights.of(vehicle):
                gone = flight.link is None or flight.link.link not in there
                if flight.until_us > soon_us + _PATIENCE_US:
                    best = usable(self.policies.of(flight.tenant), flight.message_class, links)[:1]
                    gone |= bool(best) and best[0].link not in flight.tried
                if gone and not flight.asked and flight.until_us > soon_us:
                    sooner = msgspec.structs.replace(flight, until_us=soon_us)
                    self.flights.update({flight.id: sooner})
                    self._timers.silence(soon_us, flight.id)
        self._more.set()

    async def _hint(self, _: str, payload: bytes) -> None:
        try:
            self._hinted += [row for row in read_hint(payload) if row.partition in self._held]
        except CorruptionError:
            self._poll_us = 0
        self._more.set()

    def _replied(self, results: list[Result]) -> None:
        self._results += results
        self._more.set()

    def _told_now(self, told: dict[UUID, int]) -> None:
        for name, bits in told.items():
            self._told[name] = self._told.get(name, 0) | bits


def _settled(result: Result, now_us: int) -> bool:
    """Whether what a gateway said is to be written by now."""
    sent = result.said is not None and result.said.sent
    return not sent or now_us >= result.at_us + _SETTLE_US


def _stranded(flight: Flight, at_us: int) -> Result:
    gone = Downlinked(code="no_link", detail="its links were gone")
    return Result(flight, gone, at_us)
