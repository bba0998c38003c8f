"""Sessions that outlive their connection: what they asked for is kept in the registry.

In: sessions of logged-in peers whose protocol can resume them (MQTT's, unless clean). Out: their
filters by vehicle, written behind in batches; read at the next login, at whatever gateway. Commands
wait in the commands app, not here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import structlog

from motorcade.errors import CapacityError, DependencyError
from motorcade.fleet.kept import KeptSession
from motorcade.gateway.peers import Peer

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener

__all__ = ["Keeping"]

_CONNECTED_US: Final = 30 * 86_400_000_000
"""How much longer a session is kept than it asked for while its link is up: the end of a killed
gateway's links is not told here."""

_PAUSE_S: Final = 1.0
_LINGER_S: Final = 0.2
"""How long a word waits for others before it is written: in a storm the end of a car's old link,
its login and its subscription are one row then, and not three."""
_FILTERS: Final = msgspec.msgpack.Decoder(tuple[tuple[str, int], ...])
_log = structlog.get_logger(__name__)


class _Holder(NamedTuple):
    """Whose session holds: the number of its link, and what was last noted of it."""

    link: int
    state: bytes


class Keeping:
    """The kept sessions of one listener's vehicles."""

    def __init__(self, listener: Listener, linger_s: float = _LINGER_S) -> None:
        self._listener = listener
        self._name = listener.name
        self._linger_s = linger_s
        self._ending = asyncio.Event()
        self._waiting: dict[int, KeptSession] = {}
        self._writing: dict[int, KeptSession] = {}
        self._holders: dict[int, _Holder] = {}
        """By vehicle, the link whose session is what holds: a later one's, where there are two."""
        self._task: asyncio.Task[None] | None = None

    def note(self, peer: Peer, *, ended: bool) -> None:
        """What ``peer``'s session wants kept now; ``ended``: its link is over."""
        table, slot, session = self._listener.table, peer.slot, peer.session
        expiry_us = int(session.expiry_s) * 1_000_000
        number, vehicle = int(table.link[slot]), int(table.vehicle[slot])
        since_us = int(table.login_us[slot])
        if ended and not self.left(vehicle, number):
            return
        if not expiry_us:
            if ended:
                self._put(KeptSession(vehicle, 0, b"", 0, since_us))
            return
        state = msgspec.msgpack.encode(session.filters) if session.filters else b""
        if not ended:
            holder = _Holder(number, state)
            if self._holders.get(vehicle) == holder:
                return  # it subscribed to what it had
            self._holders[vehicle] = holder
        now_us = self._listener.shared.clock.now_us()
        until_us = now_us + expiry_us + (0 if ended else _CONNECTED_US)
        self._put(KeptSession(vehicle, int(table.tenant[slot]), state, until_us, since_us))

    def left(self, vehicle: int, number: int) -> bool:
        """A link is over; whether its session was the one that holds."""
        holder = self._holders.get(vehicle)
        if holder is None or holder.link != number:
            return False
        del self._holders[vehicle]
        return True

    async def resumed(self, wanted: Sequence[tuple[Any, int]], login_us: int) -> None:
        """Give back to sessions what was kept of their vehicles: pairs of login event and vehicle
        number, of logins at ``login_us``. A clean start forgets. Raises ``DependencyError``."""
        clean = [vehicle for event, vehicle in wanted if event.clean]
        kept = {vehicle: event for event, vehicle in wanted if not event.clean}
        for vehicle in clean:
            self._holders.pop(vehicle, None)
            self._put(KeptSession(vehicle, 0, b"", 0, login_us))
        if not kept:
            return
        # What is not written yet is newer than what is.
        newer = {**self._writing, **self._waiting}
        waiting = {vehicle: newer[vehicle].state for vehicle in kept if vehicle in newer}
        asked = [vehicle for vehicle in kept if vehicle not in waiting]
        found = await self._listener.shared.directory.kept_sessions(self._name, asked)
        for vehicle, state in {**found, **waiting}.items():
            try:
                filters = _FILTERS.decode(state) if state else ()
            except msgspec.DecodeError as error:
                _log.warning("a kept session is unreadable; it begins anew", reason=str(error))
                continue
            if filters:
                kept[vehicle].session.resume(filters)

    async def settled(self) -> None:
        """Returns when all is written or the registry has refused it once more."""
        self._ending.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=2 * _PAUSE_S)

    def _put(self, kept: KeptSession) -> None:
        self._waiting[kept.vehicle] = kept
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        """Write what waits; while the registry is away the newest word of each vehicle waits."""
        try:
            while self._waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._linger_s):
                        await self._ending.wait()
                some, self._waiting = self._waiting, {}
                self._writing = some
                try:
                    await self._listener.shared.directory.keep_sessions(
                        self._name, list(some.values())
                    )
                except (CapacityError, DependencyError) as error:
                    self._waiting = {**some, **self._waiting}
                    _log.warning("sessions are not kept yet", reason=error.detail)
                    await asyncio.sleep(_PAUSE_S)
                except Exception:
                    # What the registry will never take must not keep it from taking later ones.
                    _log.exception("sessions cannot be kept", vehicles=list(some))
        finally:
            self._writing = {}
            self._task = None
