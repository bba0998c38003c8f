"""Last wills: what a vehicle asked to be said in its name when its link breaks.

In: wills of sessions that ended without a goodbye. Out: rows in the log, as if the vehicle had sent
them. There is nobody to be answered, so a will that cannot be stored is tried again a few times and
then counted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from motorcade.gateway.peers import Peer
from motorcade.gateway.store import store
from motorcade.gateway.wrapped import unwrapped
from motorcade.protocols.frames import frames_from

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener

__all__ = ["Wills"]

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
        self._task: asyncio.Task[None] | None = None

    def add(self, peer: Peer) -> None:
        """The link of ``peer`` ends, and its session holds a will."""
        table, slot = self._listener.table, peer.slot
        frame = peer.session.will_frame()
        self._waiting.append(_Will(int(table.vehicle[slot]), int(table.tenant[slot]), frame))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._store())

    async def settled(self) -> None:
        """Returns when all is stored or given up."""
        if self._task is not None:
            await self._task

    async def _store(self) -> None:
        await asyncio.sleep(0)  # many links may break in one turn of the loop
        shared, protocol = self._listener.shared, self._listener.protocol
        try:
            while self._waiting:
                some, self._waiting = self._waiting, []
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
        finally:
            self._task = None
