"""Last wills: what a vehicle asked to be said in its name when its link breaks.

In: wills of sessions that ended without a goodbye. Out: rows in the log, as if the vehicle had sent
them. There is nobody to be answered, so a will that cannot be stored is tried again a few times and
then counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import structlog

from motorcade.gateway.peers import Peer
from motorcade.gateway.store import store
from motorcade.gateway.wrapped import unwrapped
from motorcade.protocols.frames import frames_from

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener

__all__ = ["Wills"]

_log = structlog.get_logger(__name__)
_TRIES: Final = 5
_PAUSE_S: Final = 1.0


class _Will(NamedTuple):
    """One vehicle's will, as a frame."""

    vehicle: int
    tenant: int
    frame: bytes


class Wills:
    """Wills of one listener's peers, those of a moment stored together."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._waiting: list[_Will] = []
        self._delayed: dict[int, tuple[asyncio.TimerHandle, _Will]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, peer: Peer) -> None:
        """The link of ``peer`` ends, and its session holds a will. One with a delay is said only
        if the vehicle does not come back within it, or its session ends before."""
        table, slot = self._listener.table, peer.slot
        vehicle, tenant = int(table.vehicle[slot]), int(table.tenant[slot])
        will = _Will(vehicle, tenant, peer.session.will_frame())
        delay_s = min(getattr(peer.session, "will_delay_s", 0), peer.session.expiry_s)
        if not delay_s:
            self._say(will)
            return
        self.cancel([vehicle])
        loop = asyncio.get_running_loop()
        self._delayed[vehicle] = (loop.call_later(delay_s, self._due, vehicle), will)

    def cancel(self, vehicles: Sequence[int]) -> None:
        """These vehicles are back, here or at another gateway."""
        if self._delayed:
            for vehicle in vehicles:
                if vehicle in self._delayed:
                    self._delayed.pop(vehicle)[0].cancel()

    def _due(self, vehicle: int) -> None:
        self._say(self._delayed.pop(vehicle)[1])

    def _say(self, will: _Will) -> None:
        self._waiting.append(will)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._store())

    async def settled(self) -> None:
        """Returns when all is stored or given up. Wills still delayed are said now: nobody will be
        here to say them."""
        for vehicle in list(self._delayed):
            self._delayed[vehicle][0].cancel()
            self._due(vehicle)
        if self._task is not None:
            await self._task

    async def _store(self) -> None:
        await asyncio.sleep(0)  # many links may break in one turn of the loop
        try:
            while self._waiting:
                some, self._waiting = self._waiting, []
                try:
                    await self._stored(some)
                except Exception:
                    # A fault of ours costs these wills, not later ones, nor a stop its end.
                    _log.exception("wills could not be stored")
                    self._listener.shared.metrics.unstored["bug"] += len(some)
        finally:
            self._task = None

    async def _stored(self, some: Sequence[_Will]) -> None:
        """Store these, or give them up after a few tries."""
        shared, protocol = self._listener.shared, self._listener.protocol
        frames = frames_from([one.frame for one in some]).addressed(
            np.array([one.vehicle for one in some], np.uint64),
            np.array([one.tenant for one in some], np.uint32),
        )
        now_us, settings = shared.clock.now_us(), shared.settings.by_tenant
        decoded = protocol.decode(frames, now_us, settings)
        if self._listener.traits.wraps:
            decoded = unwrapped(protocol, frames, decoded, now_us, settings)
        for reject in decoded.rejects:
            shared.metrics.rejects[reject.code] += 1
        for _ in range(_TRIES):
            if await store(shared, decoded.batches) is None:
                break
            await asyncio.sleep(_PAUSE_S)
