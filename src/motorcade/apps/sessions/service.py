"""The sessions app in a worker: events in, PostgreSQL, rows in the telemetry log, links for others.

A stretch of events is taken in three steps that may be repeated after a crash without any effect
of the repetition: the rules work out what follows; one transaction stores the sessions, the
position, and the rows as owed to the log; the rows are appended under a name made of them, so that
the log takes them once. Nothing is appended that is not stored, so what is told cannot be
contradicted by a later reading of the same events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Protocol

import msgspec
import structlog

from motorcade.apps.sessions.config import Config
from motorcade.apps.sessions.gateways import ALIVE_SUBJECT, LOST_SUBJECT, Gateways
from motorcade.apps.sessions.metrics import SessionMetrics
from motorcade.apps.sessions.rows import batch_of, pack_rows, read_rows
from motorcade.apps.sessions.rules import Table, vehicles_named
from motorcade.apps.sessions.sessions import Change, Link
from motorcade.apps.sessions.store import Owed, SessionStore
from motorcade.clock import Clock
from motorcade.errors import CorruptionError, MotorcadeError
from motorcade.limits import SESSIONS_CHANGES_MAX
from motorcade.log.events import GatewayLost
from motorcade.log.log import EventRecord, Log
from motorcade.signals.batch import SignalBatch

__all__ = ["LinkCallback", "SessionsService"]

_log = structlog.get_logger(__name__)

_S: Final = 1_000_000
_NOTED_EVERY_US: Final = 2 * _S
"""Answers to commands are events that change no session: their position alone is worth a
transaction seldom."""

LinkCallback = Callable[[int, Link], None]
"""Called with a vehicle and a link that can carry commands to it from now on."""


class _Subscription(Protocol):
    async def close(self) -> None: ...


@dataclass(slots=True)
class _Part:
    """One partition."""

    partition: int
    owner: int
    table: Table
    applied: int = 0
    """Events through this sequence are in ``table``."""
    position: int = 0
    """What PostgreSQL has as that sequence; it lags where events changed nothing."""
    change: Change = field(default_factory=Change)
    """What is in ``table`` and not yet in PostgreSQL."""
    number: int = 0
    committing: Owed | None = None
    """What is owed by the transaction that is being tried."""
    owed: Owed | None = None
    """What PostgreSQL knows as owed and is not yet appended."""
    noted: bool = False
    """Whether PostgreSQL still holds as owed what is appended."""
    gateways: tuple[dict[str, str], set[str]] = field(default_factory=lambda: ({}, set()))
    """As PostgreSQL has them."""
    noted_us: int = 0
    """When PostgreSQL was last told of a position at which nothing had changed."""
    declared: dict[str, int] = field(default_factory=dict)
    """Processes declared lost, and where in the log."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SessionsService:
    """The handler of events (``node.events.EventHandler``) that keeps links and presence."""

    name = "sessions"

    def __init__(self, log: Log, store: SessionStore, clock: Clock, config: Config) -> None:
        self._log = log
        self._store = store
        self._clock = clock
        self._config = config
        self._parts: dict[int, _Part] = {}
        self._gateways = Gateways(config.gateway_lost_s)
        self._callbacks: list[LinkCallback] = []
        self._hearing: _Subscription | None = None
        self.metrics = SessionMetrics([])

    async def start(self, partitions: Sequence[int]) -> None:
        """Read the tables of these partitions, tell what was not told before; call it again where
        it raises ``DependencyError`` or ``CapacityError``."""
        if self._hearing is None:
            self._hearing = await self._log.subscribe(ALIVE_SUBJECT, self._alive)
        for partition in partitions:
            if partition not in self._parts:
                self._parts[partition] = await self._read(partition)
        self.metrics = SessionMetrics([part.table for part in self._parts.values()])
        for part in self._parts.values():
            async with part.lock:
                await self._settled(part)

    async def close(self) -> None:
        """Stop listening."""
        if self._hearing is not None:
            await self._hearing.close()

    # ── for other apps ───────────────────────────────────────────────────────────────────────────

    def links(self, vehicle: int) -> Sequence[Link]:
        """A vehicle's links, the newest last; none for a vehicle of another worker."""
        part = self._parts.get(vehicle % self._log.partitions)
        session = None if part is None else part.table.sessions.get(vehicle)
        return () if session is None else session.links

    def on_link(self, callback: LinkCallback) -> None:
        """Call ``callback`` whenever a vehicle can be reached over a link that is new, or could not
        be used before; an error it raises is logged."""
        self._callbacks.append(callback)

    # ── as a handler of events ───────────────────────────────────────────────────────────────────

    def position(self, partition: int) -> int:
        """The sequence through which events are in PostgreSQL."""
        return self._parts[partition].position

    async def apply(self, partition: int, records: Sequence[EventRecord]) -> None:
        """Take records in order; those taken before are passed over. Raises ``DependencyError`` and
        ``CapacityError``: call it again then."""
        part = self._parts[partition]
        async with part.lock:
            await self._settled(part)
            for group in _groups(records, part.applied):
                await self._load(part, group)
                for record in group:
                    part.table.apply(record.sequence, record.time_us, record.events, part.change)
                    part.applied = record.sequence
                await self._settled(part)
                await asyncio.sleep(0)

    async def tick(self, now_us: int) -> None:
        """Announce who is offline by now, give up silent gateways. Raises as ``apply``."""
        now_s = self._clock.monotonic_s()
        self._gateways.look(now_s, self._log.connected)
        for part in self._parts.values():
            if not part.lock.locked():
                async with part.lock:
                    await self._announce(part, now_us)
                    await self._clear(part, now_us)
        for part in self._parts.values():
            await self._give_up(part, now_us, now_s)
        lost = {incarnation for part in self._parts.values() for incarnation in part.table.lost}
        for incarnation in self._gateways.back(lost, now_s):
            await self._tell_lost(incarnation)

    # ── steps ────────────────────────────────────────────────────────────────────────────────────

    async def _read(self, partition: int) -> _Part:
        config = self._config
        table = Table(round(config.offline_grace_s * _S), round(config.handover_s * _S))
        stored = await self._store.take_over(partition)
        async for page in self._store.live(partition):
            for session in page:
                table.add(session)
            await asyncio.sleep(0)
        table.gateways, table.lost = dict(stored.gateways), set(stored.lost)
        return _Part(
            partition,
            stored.owner,
            table,
            applied=stored.position,
            position=stored.position,
            number=stored.number,
            owed=stored.owed,
            gateways=(stored.gateways, stored.lost),
        )

    async def _load(self, part: _Part, records: Iterable[EventRecord]) -> None:
        """Fetch what is known of vehicles that come and are not in memory."""
        known = part.table.sessions
        missing = {
            vehicle
            for record in records
            for vehicle in vehicles_named(record.events)
            if vehicle not in known
        }
        if missing:
            for session in await self._store.sessions(missing):
                part.table.add(session)

    async def _settled(self, part: _Part) -> None:
        """Store what differs, then append what is owed."""
        if part.change.touched or (part.table.gateways, part.table.lost) != part.gateways:
            await self._commit(part)
        if part.owed is not None:
            await self._pay(part)

    async def _commit(self, part: _Part) -> None:
        change, table = part.change, part.table
        if part.committing is None and change.rows:
            rows = pack_rows(change.rows)
            part.committing = Owed(part.number + 1, rows, self._clock.now_us())
        owed = part.owed if part.committing is None else part.committing
        gateways = (dict(table.gateways), set(table.lost))
        await self._store.commit(
            part.partition,
            part.owner,
            part.applied,
            sessions=[table.sessions[vehicle] for vehicle in sorted(change.touched)],
            owed=owed,
            number=part.number,
            gateways=gateways[0] if gateways != part.gateways else None,
            lost=gateways[1],
        )
        part.position, part.gateways = part.applied, gateways
        part.owed, part.committing, part.change = owed, None, Change()
        part.number = part.number if owed is None else owed.number
        part.noted = False
        table.forget(change.touched)
        self.metrics.add(change)
        self._reached(part, change.reached)

    async def _pay(self, part: _Part) -> None:
        """Append the rows owed, under a name that is theirs alone."""
        if part.owed is None:
            return
        digest = blake2b(part.owed.rows, digest_size=8).hexdigest()
        name = f"links-{part.partition}-{part.owed.number}-{digest}"
        try:
            batch = await _batch(part.owed)
        except CorruptionError as error:
            _log.error("rows of links lost", partition=part.partition, error=error.detail)
        else:
            await self._log.append(part.partition, [batch], name=name)
        part.owed, part.noted = None, True

    async def _clear(self, part: _Part, now_us: int) -> None:
        """Note in PostgreSQL that what was owed is paid, and now and then how far events were read
        that changed nothing."""
        late = part.applied != part.position and now_us - part.noted_us >= _NOTED_EVERY_US
        if part.noted or late:
            await self._commit(part)
            part.noted_us = now_us

    async def _announce(self, part: _Part, now_us: int) -> None:
        """Announce who is offline, if nothing that the log took by ``now_us`` says otherwise."""
        await self._settled(part)
        due_us = part.table.next_due_us
        if due_us is None or due_us > now_us:
            return
        if await self._log.last_event(part.partition) != part.applied:
            return
        part.table.settle(now_us, part.change)
        await self._settled(part)

    async def _give_up(self, part: _Part, now_us: int, now_s: float) -> None:
        """Declare silent gateway processes lost, by an event: once, whoever else does so."""
        for incarnation in self._gateways.silent(list(part.table.held), now_s):
            if part.applied < part.declared.get(incarnation, 0):
                continue
            _log.warning("gateway given up", incarnation=incarnation, partition=part.partition)
            event = GatewayLost(incarnation=incarnation, at_us=now_us)
            name = f"lost-{incarnation}-{part.applied}"
            part.declared[incarnation] = await self._log.post(part.partition, [event], name=name)
            self._gateways.give_up(incarnation)
            self.metrics.counts["gateways_lost"] += 1
            await self._tell_lost(incarnation)
        for incarnation in [one for one, at in part.declared.items() if at <= part.applied]:
            del part.declared[incarnation]

    async def _tell_lost(self, incarnation: str) -> None:
        """A gateway that hears this is there: it names its links again."""
        await self._log.publish(LOST_SUBJECT, msgspec.msgpack.encode([incarnation]))

    async def _alive(self, _subject: str, payload: bytes) -> None:
        self._gateways.hear(payload, self._clock.monotonic_s())

    def _reached(self, part: _Part, reached: Iterable[tuple[int, Link]]) -> None:
        for vehicle, link in reached:
            for callback in self._callbacks:
                try:
                    callback(vehicle, link)
                except MotorcadeError as error:
                    _log.error("link not heard of", vehicle=vehicle, error=error.detail)


async def _batch(owed: Owed) -> SignalBatch:
    """The rows owed as a batch; the rows of a whole gateway are made beside the event loop."""
    rows = read_rows(owed.rows)
    if len(rows) < SESSIONS_CHANGES_MAX:
        return batch_of(rows, owed.ingest_us)
    return await asyncio.to_thread(batch_of, rows, owed.ingest_us)


def _groups(records: Sequence[EventRecord], after: int) -> Iterator[list[EventRecord]]:
    """The records above ``after``, in groups of bounded events."""
    group: list[EventRecord] = []
    count = 0
    for record in records:
        if record.sequence <= after:
            continue
        if group and count + len(record.events) > SESSIONS_CHANGES_MAX:
            yield group
            group, count = [], 0
        group.append(record)
        count += len(record.events)
    if group:
        yield group
