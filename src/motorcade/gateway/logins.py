"""Logins: all that came up are decided, stored and answered together, round after round.

In: login frames of waiting peers. Out: rows of kind ``login`` in the log, sessions, answers after
the fsync.

An unregistered VIN is refused by the standard's answer, so that whoever installs the terminal
sees why. A login whose frame cannot be read, or while registry or log do not answer, is ignored
(GB/T 32960.3 annex B: the terminal tries again). A vehicle that logs in over a new connection
closes its old one, here and, by a hint on the log's bus, in the other gateway processes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from motorcade.errors import MotorcadeError
from motorcade.gateway.config import BEARERS, bearer_code
from motorcade.gateway.directory import vin_text
from motorcade.gateway.entrance import Entrance, certified_name
from motorcade.gateway.peers import PLATFORM, WAITING, Peer
from motorcade.gateway.shared import Shared
from motorcade.gateway.store import store
from motorcade.limits import GATEWAY_LOGIN_FAILURES_MAX, GATEWAY_LOGINS_PER_ROUND_MAX
from motorcade.protocols.frames import Decoded, Frames, Reject, frames_from
from motorcade.signals.batch import SignalBatch
from motorcade.tasks import ended

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener

__all__ = ["Logins", "Request"]

_log = structlog.get_logger(__name__)


class Request(NamedTuple):
    """A terminal's login that waits: who sent it, the whole frame, and what its session made of
    it, where the protocol keeps one."""

    peer: Peer
    frame: bytes
    event: Any = None
    name: str = ""


class Logins:
    """The login rounds of one listener. One round runs at a time: what comes meanwhile is the
    next."""

    def __init__(self, protocol: ModuleType, shared: Shared, listener: Listener) -> None:
        self._protocol = protocol
        self._shared = shared
        self._listener = listener
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._platforms: set[asyncio.Task[None]] = set()
        self._doors = asyncio.Semaphore(4)

    @property
    def waiting(self) -> int:
        """Logins not decided."""
        return len(self._waiting) + len(self._platforms) + (self._task is not None)

    async def stop(self) -> None:
        """End what the drain did not wait for: unanswered, they log in again elsewhere."""
        self._waiting.clear()
        await ended(*self._platforms, *([self._task] if self._task is not None else []))

    def request(self, peer: Peer, frame: bytes, event: Any = None) -> None:
        """A terminal wants in by this login frame, read or not; it waits."""
        peer.state |= WAITING
        name = "" if event is None else event.identity or certified_name(peer) or ""
        self._waiting.append(Request(peer, frame, event, name))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._rounds())

    def request_platform(self, peer: Peer, event: Any) -> None:
        """A platform wants in; it waits."""
        peer.state |= WAITING
        task = asyncio.get_running_loop().create_task(self._platform(peer, event))
        self._platforms.add(task)
        task.add_done_callback(self._platforms.discard)

    async def _rounds(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), GATEWAY_LOGINS_PER_ROUND_MAX)
                batch = [self._waiting.popleft() for _ in range(count)]
                try:
                    await self._round([one for one in batch if one.peer.transport is not None])
                except Exception:
                    # A fault of ours costs this round its answers, not the listener its logins.
                    _log.exception("a round of logins failed in an unforeseen way")
                finally:
                    for one in batch:
                        self._listener.release(one.peer)
        finally:
            self._task = None

    async def _round(self, batch: list[Request]) -> None:
        """Decide one batch; peers are released by the caller, whatever comes."""
        if not batch:
            return
        if self._listener.traits.is_stateful:
            await Entrance(self._protocol, self._shared, self._listener, self).admit(batch)
            return
        shared = self._shared
        frames = frames_from([one.frame for one in batch])
        login_us = shared.clock.now_us()
        read: Decoded = self._protocol.decode(frames, login_us)
        sealed, wrong = self._faults(read.rejects, batch)
        vins = list(map(vin_text, self._protocol.vins(frames)))
        asked = dict.fromkeys(vin for row, vin in enumerate(vins) if row not in wrong)
        try:
            known = await shared.directory.resolve(list(asked)) if asked else {}
        except MotorcadeError as error:
            shared.metrics.unstored[error.code] += len(batch)
            return
        found = [None if row in wrong else known.get(vin) for row, vin in enumerate(vins)]
        frames = frames.addressed(
            np.array([one.vehicle if one else 0 for one in found], np.uint64),
            np.array([one.tenant if one else 0 for one in found], np.uint32),
        )
        flag = self._refusals(frames, batch, wrong)
        batches = [
            *_addressed(read, frames),
            *self._opened(frames, np.array(sealed, np.int64), batch, flag, login_us),
        ]
        accepted = await self.stored(frames, batches, flag)
        await self.settled()
        self.sign_on(frames, batch, accepted, login_us)
        self._answer(frames, batch, flag)

    def _faults(
        self, rejects: Sequence[Reject], batch: Sequence[Request]
    ) -> tuple[list[int], set[int]]:
        """Rows that are encrypted, and rows that cannot be read: annex B has a wrong login ignored,
        so these are not asked about and get no answer."""
        sealed, wrong = [], set()
        for reject in rejects:
            if reject.code == "cipher":
                # Whose key opens it is known once the registry has said whose vehicle it is.
                sealed.append(reject.frame)
            else:
                wrong.add(reject.frame)
                self.keep(reject.code, reject.reason, batch[reject.frame], 0)
        return sealed, wrong

    def _refusals(
        self, frames: Frames, batch: Sequence[Request], wrong: set[int]
    ) -> NDArray[np.uint8]:
        """Answers of VINs nobody registered; 0 for the others."""
        unknown = [row for row in np.flatnonzero(frames.vehicle == 0).tolist() if row not in wrong]
        reason = "The VIN is not registered."
        rejects = [Reject("unknown_vin", reason, b"", row) for row in unknown]
        said: NDArray[np.uint8] = self._protocol.flags_for(frames, rejects)
        flag = np.zeros(len(frames), np.uint8)
        flag[unknown] = said[unknown]
        for row in unknown:
            self.keep("unknown_vin", reason, batch[row], 0)
        return flag

    def _opened(
        self,
        frames: Frames,
        sealed: NDArray[np.int64],
        batch: Sequence[Request],
        flag: NDArray[np.uint8],
        login_us: int,
    ) -> list[SignalBatch]:
        """The rows of logins that open with the key of the vehicle's tenant; the others' vehicle is
        struck from ``frames``, and ``flag`` says why."""
        sealed = sealed[frames.vehicle[sealed] != 0]
        if not len(sealed):
            return []
        some = frames.take(sealed)
        read: Decoded = self._protocol.decode(some, login_us, self._shared.settings.by_tenant)
        flags = self._protocol.flags_for(some, read.rejects)
        for reject in read.rejects:
            row = int(sealed[reject.frame])
            flag[row] = flags[reject.frame]
            frames.vehicle[row] = 0
            self.keep(reject.code, reject.reason, batch[row], int(frames.tenant[row]))
        return list(read.batches)

    async def settled(self) -> None:
        """Wait until the ticks that are in flight have written their answers."""
        settled = self._listener.ticks.settled()
        if settled is not None:
            await settled

    async def stored(
        self, frames: Frames, batches: Sequence[SignalBatch], flag: NDArray[np.uint8]
    ) -> list[int]:
        """Append the login rows; sets their answers, returns the rows that are in."""
        stored = frames.vehicle != 0
        if not batches:
            return []
        failed = await store(self._shared, batches)
        if failed is not None:
            stored &= ~np.isin(frames.vehicle % np.uint64(self._shared.log.partitions), failed)
        flag[stored] = 1
        accepted: list[int] = np.flatnonzero(stored).tolist()
        return accepted

    def sign_on(
        self, frames: Frames, batch: Sequence[Request], accepted: Sequence[int], login_us: int
    ) -> None:
        """Open the sessions and tell of the links; of several links of a vehicle over one bearer
        the newest stays, here and at the other gateways. A connection beside the link is none."""
        listener = self._listener
        table = listener.table
        identities = self._protocol.vins(frames)
        vehicles = frames.vehicle.tolist()
        holders: dict[tuple[int, int], int] = {
            (int(table.vehicle[slot]), int(table.bearer[slot])): slot
            for slot in table.links_of([vehicles[row] for row in accepted])
        }
        told: dict[str, list[int]] = {}
        for row in accepted:
            peer, vehicle, event = batch[row].peer, vehicles[row], batch[row].event
            if peer.slot < 0:
                continue
            if getattr(event, "is_side", False):
                name = batch[row].name.encode()
                tenant = int(frames.tenant[row])
                listener.linked.signed_on_aside(peer, name, vehicle, tenant, login_us)
                continue
            word = getattr(event, "bearer", "")
            bearer = bearer_code(word) if word else listener.bearer
            before = table.peer[holders.get((vehicle, bearer), peer.slot)]
            if before is not None and before is not peer:
                listener.close(before, "replaced")
            if listener.traits.remembers:
                peer.session = self._protocol.remembered(batch[row].frame)
            name = identities[row] if event is None else batch[row].name.encode()
            listener.linked.signed_on(
                peer, bearer, name, vehicle, tenant=int(frames.tenant[row]), login_us=login_us
            )
            silence_s = float(getattr(event, "keep_alive_s", 0.0))
            table.idle_s[peer.slot] = silence_s if silence_s > 0 else np.inf
            holders[vehicle, bearer] = peer.slot
            told.setdefault(BEARERS[bearer], []).append(vehicle)
        self._shared.metrics.logins += len(accepted)
        for word, some in told.items():
            self._shared.hint(self._protocol.NAME, word, some, login_us)

    def _answer(self, frames: Frames, batch: Sequence[Request], flag: NDArray[np.uint8]) -> None:
        now_us = self._shared.clock.now_us()
        platform = np.zeros(len(frames), bool)
        settings = self._shared.settings.by_tenant
        answers = self._protocol.answer(frames, flag, platform, now_us, settings)
        ends = (answers.offset + answers.length).tolist()
        for one, start, end in zip(batch, answers.offset.tolist(), ends, strict=True):
            one.peer.send(answers.buffer[start:end])

    async def _platform(self, peer: Peer, event: Any) -> None:
        """Decide one platform's login. Refused three times, its connection is closed."""
        shared, table = self._shared, self._listener.table
        try:
            async with self._doors:
                tenant = await shared.directory.platform_login(event.user, event.password)
            settled = self._listener.ticks.settled()
            if settled is not None:
                await settled
            if peer.slot < 0:
                return
            frames = frames_from([event.frame])
            flag = np.ones(1, np.uint8)
            if tenant is None:
                reject = Reject("credentials", "User or password is wrong.", b"", 0)
                flag = self._protocol.flags_for(frames, [reject])
                shared.metrics.rejects["credentials"] += 1
                table.failures[peer.slot] += 1
            else:
                table.sign_off(peer.slot)
                table.sign_on(peer.slot, PLATFORM, tenant, shared.clock.now_us())
                shared.metrics.logins += 1
            answers = self._protocol.answer(frames, flag, np.ones(1, bool), shared.clock.now_us())
            peer.send(answers.buffer)
            if table.failures[peer.slot] >= GATEWAY_LOGIN_FAILURES_MAX:
                self._listener.close(peer, "login_failures")
        except MotorcadeError as error:
            shared.metrics.unstored[error.code] += 1
        finally:
            self._listener.release(peer)

    def keep(self, code: str, reason: str, request: Request, tenant: int) -> None:
        """Count a refused login and keep its frame, without its secret, for people to see."""
        name = self._protocol.vins(frames_from([request.frame]))[0]
        self._shared.metrics.rejects[code] += 1
        self._shared.quarantine.add(
            tenant=tenant,
            vin=vin_text(name) if request.event is None else request.name,
            protocol=self._protocol.NAME,
            peer=request.peer,
            code=code,
            reason=reason,
            data=_without_secret(request),
        )


def _without_secret(request: Request) -> bytes:
    """A login's frame as it may be shown: its secret may be another vehicle's right one."""
    secret = getattr(request.event, "credential", None)
    if not secret:
        return request.frame
    hidden = secret.encode()
    return request.frame.replace(hidden, b"*" * len(hidden)) if hidden in request.frame else b""


def _addressed(read: Decoded, frames: Frames) -> Iterator[SignalBatch]:
    """The rows that were read before their vehicles were known, of the vehicles there are."""
    for batch, rows in zip(read.batches, read.rows, strict=True):
        data = batch.data
        for name, column in (("vehicle", frames.vehicle), ("tenant", frames.tenant)):
            place = data.schema.get_field_index(name)
            data = data.set_column(place, data.schema.field(place), pa.array(column[rows]))
        there = frames.vehicle[rows] != 0
        whole = SignalBatch(batch.kind, data)
        yield whole if there.all() else whole.take(np.flatnonzero(there))
