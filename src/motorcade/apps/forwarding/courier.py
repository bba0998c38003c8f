"""The courier of one forwarder: takes from its spool, has its sender deliver, moves on.

In: the spool. Out: rows acknowledged by the peer, and how it is going. Whatever its peer does,
stalls, lies or disappears, only this courier waits: for longer after each failure in a row.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from motorcade.apps.forwarding.parcel import Away, Name, Parcel, Sender, Surroundings
from motorcade.apps.forwarding.rules import sender_of, target
from motorcade.apps.forwarding.store import Forwarder, Refusal, State
from motorcade.errors import MotorcadeError
from motorcade.log.log import Log
from motorcade.log.spools import Put, Spooled, Stuck

__all__ = ["Courier"]

_IDLE_S: Final = 1.0
_REFUSALS_MAX: Final = 20
_ROWS_READ_BYTES_MAX: Final = 1 << 20
_TRIM_EVERY_S: Final = 60.0
_STUCK_S: Final = 15.0
"""Who tells that a partition is stuck tells it again within this, while it is."""
_log = structlog.get_logger(__name__)

Names = Callable[[int, Sequence[int]], Awaitable[dict[int, Name]]]


class Courier:
    """One forwarder's. ``position`` is the last message of the spool whose rows all have a fate."""

    def __init__(
        self, forwarder: Forwarder, position: int, state: State, around: Surroundings, names: Names
    ) -> None:
        self.forwarder = forwarder
        self.position = position
        self.state = state
        self.status = state.status
        """What the sending is about; ``look`` puts ``failing`` over it while a spool is broken."""
        self._around = around
        self._log: Log = around.log
        self._names = names
        self._config = around.config
        self._clock = around.clock
        self._put: dict[int, int] = {}
        self._stuck: dict[int, tuple[float, Stuck]] = {}
        """By partition: why nothing comes onto the spool, and when that was told."""
        self._more = asyncio.Event()
        self._failed = 0
        self._oldest_us = 0
        self._told = ""
        self._trims: list[tuple[float, int]] = []

    def heard(self, partition: int, put: Put) -> None:
        """A pump has put something on the spool."""
        self._put[partition] = put.rows
        self._stuck.pop(partition, None)
        self._more.set()

    def stuck(self, partition: int, stuck: Stuck) -> None:
        """A pump cannot put on the spool."""
        self._stuck[partition] = (self._clock.monotonic_s(), stuck)

    def look(self) -> State:
        """The state now; ``lag`` as of this moment."""
        waiting = sum(
            max(rows - self.state.done.get(partition, 0), 0)
            for partition, rows in self._put.items()
        )
        since_s = self._clock.monotonic_s() - _STUCK_S
        stuck = [one for told_s, one in self._stuck.values() if told_s > since_s]
        times = [one.time_us for one in stuck]
        if waiting and self._oldest_us:
            times.append(self._oldest_us)
        self.state.lag_rows = waiting + sum(one.rows for one in stuck)
        self.state.lag_s = 0.0
        if times:
            self.state.lag_s = round(max(self._clock.now_us() - min(times), 0) / 1e6, 3)
        self.state.status = self.status
        if stuck:
            self.state.status = "failing"
            self.state.last_error = stuck[0].reason
            self.state.last_error_us = self._clock.now_us()
        return self.state

    async def run(self) -> None:
        """Deliver for ever; cancel it to stop. While the forwarder is paused it only counts."""
        await self._look_at_spool()
        if self.forwarder.paused:
            self.status = "paused"
            await self._note_oldest()
            await asyncio.Event().wait()
        sender = self._sender()
        try:
            while True:
                self._more.clear()
                try:
                    messages = await self._read()
                    if messages:
                        await self._deliver(sender, messages)
                    else:
                        await self._wait(sender)
                except Away as error:
                    await self._pause(error.detail, error.retry_after_s)
                except MotorcadeError as error:
                    await self._pause(error.detail, None, "failing")
        finally:
            await sender.close()

    def _sender(self) -> Sender:
        rule = self.forwarder.rule
        module = sender_of(rule.kind)
        made: Sender = module.Sender(target(rule, self.forwarder.secrets), self._around)
        return made

    async def _look_at_spool(self) -> None:
        """See that it is there, and how many rows each partition has put."""
        while True:
            try:
                rule = self.forwarder.rule
                spools = self._log.spools
                await spools.ensure(self.forwarder.id, rule.spool_bytes_max, rule.spool_age_s)
                for partition in range(self._log.partitions):
                    put = await spools.last_put(self.forwarder.id, partition)
                    self.heard(partition, put)
                return
            except MotorcadeError as error:
                _log.warning("spool awaited", forwarder=self.forwarder.id, why=error.detail)
                self.status, self.state.last_error = "failing", error.detail[:500]
                self.state.last_error_us = self._clock.now_us()
                await asyncio.sleep(_IDLE_S)

    async def _note_oldest(self) -> None:
        messages = await self._read(1)
        self._oldest_us = messages[0].time_us if messages else 0

    async def _read(self, messages_max: int = 64) -> list[Spooled]:
        return await self._log.spools.read(
            self.forwarder.id, self.position, messages_max, _ROWS_READ_BYTES_MAX
        )

    async def _wait(self, sender: Sender) -> None:
        """Nothing to send: let the sender tend its connection, until there is something."""
        self._oldest_us = 0
        await sender.idle()
        self._failed = 0
        self.status = "waiting"
        await self._trim()
        try:
            async with asyncio.timeout(_IDLE_S):
                await self._more.wait()
        except TimeoutError:
            return

    async def _deliver(self, sender: Sender, messages: Sequence[Spooled]) -> None:
        """Until every row of these has a fate, whatever it takes; then they are behind us."""
        self._oldest_us = messages[0].time_us
        parcel = await self._parcel(messages)
        told = self._count(parcel, (0, 0, 0, 0))
        while parcel.counts[0]:
            try:
                await sender.send(parcel)
                if parcel.counts == told:
                    raise Away("the sender came back without having done anything")
            except MotorcadeError as error:
                parcel.attempts += 1
                told = self._count(parcel, told)
                await self._pause(error.detail, getattr(error, "retry_after_s", None))
            else:
                told = self._count(parcel, told)
                self._failed = 0
                self.status = "sending"
        self._behind(messages)
        await self._trim()

    async def _parcel(self, messages: Sequence[Spooled]) -> Parcel:
        batches = [batch for message in messages for batch in message.batches]
        numbers = {int(n) for batch in batches for n in batch.numpy("vehicle").tolist()}
        names = await self._names(self.forwarder.tenant, sorted(numbers))
        return Parcel(batches, names)

    def _count(
        self, parcel: Parcel, before: tuple[int, int, int, int]
    ) -> tuple[int, int, int, int]:
        """Add to the state what got a fate since ``before``; the counts now."""
        counts = parcel.counts
        _, sent, refused, left_out = counts
        self.state.sent += sent - before[1]
        self.state.refused += refused - before[2]
        self.state.left_out += left_out - before[3]
        now = self._clock.now_us()
        if sent > before[1]:
            self.state.last_sent_us = now
        if parcel.reasons:
            refusals = [Refusal(now, reason[:300]) for reason in parcel.reasons]
            self.state.refusals = [*self.state.refusals, *refusals][-_REFUSALS_MAX:]
            parcel.reasons.clear()
        return counts

    def _behind(self, messages: Sequence[Spooled]) -> None:
        """Move the position; rows that were counted by a pump and never came are lost."""
        for message in messages:
            expected = self.state.done.get(message.partition, 0)
            # A count that begins anew: the spool had outlived all of the partition's messages.
            if message.before > expected:
                self.state.lost += message.before - expected
            if message.fault:
                self.state.lost += message.rows
                _log.error(
                    "spooled rows unreadable", forwarder=self.forwarder.id, why=message.fault
                )
            end = message.before + message.rows
            self.state.done[message.partition] = end
            self._put[message.partition] = max(end, self._put.get(message.partition, 0))
        self.position = messages[-1].sequence

    async def _pause(
        self, detail: str, retry_after_s: float | None, status: str = "retrying"
    ) -> None:
        """Tell the failure and wait, longer each time unless the peer says how long."""
        self._failed += 1
        self.state.failures += 1
        self.status = status
        self.state.last_error = detail[:500]
        self.state.last_error_us = self._clock.now_us()
        if detail != self._told:
            self._told = detail
            _log.warning("forwarder fails", forwarder=self.forwarder.id, why=detail)
        wait_s = min(
            self._config.retry_first_s * 2 ** min(self._failed - 1, 16), self._config.retry_max_s
        )
        # Forwarders whose peer came back together should not all call at once.
        wait_s *= random.uniform(0.8, 1.2)
        await asyncio.sleep(wait_s if retry_after_s is None else retry_after_s)

    async def _trim(self) -> None:
        """Forget what was sent a while ago: pumps that begin again look for what they put last."""
        now = self._clock.monotonic_s()
        if not self._trims or now - self._trims[-1][0] > _TRIM_EVERY_S / 4:
            self._trims.append((now, self.position))
        due: Any = [through for at, through in self._trims if now - at > _TRIM_EVERY_S]
        if due:
            self._trims = [entry for entry in self._trims if now - entry[0] <= _TRIM_EVERY_S]
            await self._log.spools.trim(self.forwarder.id, due[-1])
