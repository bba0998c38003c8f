"""The links of one gateway process: their names, and what is told to the log about them.

In: links that come and go, answers to commands. Out: ``LinkUp``, ``LinkDown``, ``GatewayUp`` and
``CommandAnswered`` in the events log, in the order they happened; a sign of life every second.

Links are told in the background: a vehicle's login does not wait for it, and while the log is away
they wait here. Past ``GATEWAY_EVENTS_WAITING_MAX`` nothing more is kept; once the log answers
again, the process says that all its links are gone and names those it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
import structlog

from motorcade.clock import Clock
from motorcade.errors import MotorcadeError
from motorcade.gateway.metrics import Metrics
from motorcade.gateway.shared import Log
from motorcade.limits import GATEWAY_EVENTS_PER_POST_MAX, GATEWAY_EVENTS_WAITING_MAX
from motorcade.log.events import (
    CommandAnswered,
    Event,
    GatewayLost,
    GatewayUp,
    LinkDown,
    LinkUp,
)
from motorcade.protocols.commands import Answer

__all__ = ["ALIVE_SUBJECT", "LOST_SUBJECT", "Links"]

ALIVE_SUBJECT: Final = "gateway.alive"
"""Where every gateway process says each second that it is there: name, incarnation, µs UTC."""
LOST_SUBJECT: Final = "gateway.lost"
"""Where a gateway process is told that it was given up: its incarnation."""

_PAUSE_S: Final = 0.5
_log = structlog.get_logger(__name__)


class Links:
    """What one process tells about its links. ``named`` gives a ``LinkUp`` for each it has."""

    def __init__(self, name: str, log: Log, clock: Clock, metrics: Metrics) -> None:
        self.name = name
        self.incarnation = f"{name}.{clock.now_us()}"
        self._log = log
        self._clock = clock
        self._metrics = metrics
        self._last = 0
        self._waiting: list[list[Event]] = [[] for _ in range(log.partitions)]
        self._count = 0
        self._overrun = False
        self._writers: list[asyncio.Task[None] | None] = [None] * log.partitions
        self.named: Callable[[], Iterable[LinkUp]] = lambda: ()

    @property
    def waiting(self) -> int:
        """Events not yet in the log."""
        return self._count

    def number(self) -> int:
        """A number for a new link: it grows, and is never given again by this process."""
        self._last += 1
        return self._last

    def id_of(self, protocol: str, number: int) -> str:
        """A link's name in the whole platform."""
        return f"{self.incarnation}/{protocol}/{number}"

    def number_of(self, link: str) -> tuple[str, int] | None:
        """Protocol and number of a link's name; None for a name that is not of this process."""
        incarnation, _, rest = link.partition("/")
        protocol, _, number = rest.partition("/")
        if incarnation != self.incarnation or not (number.isascii() and number.isdigit()):
            return None
        return protocol, int(number)

    def began(self) -> None:
        """Tell every partition that this process begins."""
        event = GatewayUp(name=self.name, incarnation=self.incarnation, at_us=self._clock.now_us())
        for partition in range(len(self._waiting)):
            self._put(partition, event)

    def up(self, link: LinkUp) -> None:
        """A vehicle has a link, or the link became reachable."""
        self._put(link.vehicle % len(self._waiting), link)

    def down(self, vehicle: int, tenant: int, link: str, reason: str) -> None:
        """A link ended."""
        event = LinkDown(
            vehicle=vehicle, tenant=tenant, link=link, at_us=self._clock.now_us(), reason=reason
        )
        self._put(vehicle % len(self._waiting), event)

    def lost(self) -> None:
        """Somebody gave this process up, though it is here: name its links again."""
        for link in self.named():
            # Past the bound, or what is dropped here would have to be named again, for ever.
            self._queue(link.vehicle % len(self._waiting), link)

    def answer_of(
        self, vehicle: int, tenant: int, link: str, protocol: str, answer: Answer
    ) -> CommandAnswered:
        """What a vehicle said to a command, as the commands app is told."""
        return CommandAnswered(
            vehicle=vehicle,
            tenant=tenant,
            link=link,
            protocol=protocol,
            key=answer.key,
            outcome=answer.outcome,
            code=answer.code,
            detail=answer.detail,
            facts=answer.facts,
            at_us=self._clock.now_us(),
        )

    async def answered(self, answers: Sequence[CommandAnswered]) -> None:
        """Store vehicles' answers to commands; returns once they are on disk. Raises what the log
        raises: the vehicles are not answered then."""
        parts: dict[int, list[Event]] = {}
        for answer in answers:
            parts.setdefault(answer.vehicle % len(self._waiting), []).append(answer)
        await asyncio.gather(*(self._log.post(place, some) for place, some in parts.items()))

    async def say_alive(self) -> None:
        """The sign of life; nobody waits for it."""
        payload = msgspec.msgpack.encode([self.name, self.incarnation, self._clock.now_us()])
        await self._log.publish(ALIVE_SUBJECT, payload)

    async def told_lost(self, _subject: str, payload: bytes) -> None:
        """Handles ``gateway.lost``."""
        try:
            (incarnation,) = msgspec.msgpack.decode(payload, type=list[str])
        except (msgspec.DecodeError, ValueError):
            return
        if incarnation == self.incarnation:
            _log.warning("given up for lost by the sessions app; naming all links again")
            self.lost()

    async def flush(self, timeout_s: float) -> None:
        """Wait until all is told, or the time is up."""
        writers = [task for task in self._writers if task is not None]
        if writers:
            await asyncio.wait(writers, timeout=timeout_s)
        for task in self._writers:
            if task is not None:
                task.cancel()

    def _put(self, partition: int, event: Event) -> None:
        if self._count >= GATEWAY_EVENTS_WAITING_MAX:
            self._overrun = True
            return
        self._queue(partition, event)

    def _queue(self, partition: int, event: Event) -> None:
        self._count += 1
        self._waiting[partition].append(event)
        if self._writers[partition] is None:
            task = asyncio.get_running_loop().create_task(self._write(partition))
            self._writers[partition] = task

    async def _write(self, partition: int) -> None:
        """Post what waits until nothing does; one message at a time, so that the order holds."""
        waiting = self._waiting[partition]
        try:
            await asyncio.sleep(0)  # what happens in this turn of the loop shares a message
            while waiting:
                some = waiting[:GATEWAY_EVENTS_PER_POST_MAX]
                try:
                    await self._log.post(partition, some)
                except MotorcadeError as error:
                    self._metrics.unstored[error.code] += 1
                    await asyncio.sleep(_PAUSE_S)
                    continue
                del waiting[: len(some)]
                self._count -= len(some)
        finally:
            self._writers[partition] = None
        if self._overrun and not self._count:
            self._overrun = False
            self._start_over()

    def _start_over(self) -> None:
        """Events were dropped while the log was away: begin again from what is true now."""
        _log.warning("links came and went while the log was away; naming all links again")
        at_us = self._clock.now_us()
        for partition in range(len(self._waiting)):
            self._queue(partition, GatewayLost(incarnation=self.incarnation, at_us=at_us))
        self.lost()
