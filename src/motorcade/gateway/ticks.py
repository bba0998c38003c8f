"""One tick of a listener: the bytes of many peers become rows in the log and answers on the wire.

In: chunks of bytes, one per peer. Out: appended batches, then one write per peer. Everything
between is done once per tick on columns: cutting, finding each frame's vehicle, decoding, splitting
by partition, answering. Only frames that are no reports (logins, heartbeats) are looked at singly.

Several ticks may await their append at once; their answers go out in the order the ticks began, so
a peer's answers keep the order of its frames. A frame whose append fails gets no answer at all: its
vehicle sends it again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import structlog
from numpy.typing import NDArray

from motorcade.errors import MotorcadeError
from motorcade.gateway.conversation import Conversation
from motorcade.gateway.outcome import Outcome
from motorcade.gateway.peers import (
    DATAGRAM,
    IDENTITY_BYTES,
    NOBODY,
    PLATFORM,
    TERMINAL,
    Peer,
    PeerTable,
)
from motorcade.gateway.shared import Shared
from motorcade.gateway.store import store
from motorcade.gateway.wrapped import unwrapped
from motorcade.log.events import CommandAnswered
from motorcade.protocols.frames import Answers, Cut, Decoded, Frames
from motorcade.signals.batch import SignalBatch

__all__ = ["Tick", "Ticks", "is_aside", "write_answers"]

_log = structlog.get_logger(__name__)


class Tick:
    """One tick on its way. ``flag`` uint8 (n): the answer each frame gets, 0 for none;
    ``stored`` (n): whether that answer stands for a row in the log; ``weight`` bytes of the
    budget; ``replies`` go out as they are; ``answered``: what vehicles said to commands and the
    bytes they are owed once that is stored; ``telling``: rows whose own answer says that too;
    ``closing``: peers to be closed once they are
    answered."""

    __slots__ = (
        "answered",
        "arrived_s",
        "closing",
        "done",
        "flag",
        "frames",
        "peers",
        "platform",
        "ready",
        "replies",
        "slots",
        "stored",
        "telling",
        "weight",
    )

    def __init__(self, peers: list[Peer], frames: Frames, arrived_s: float, weight: int) -> None:
        rows = len(frames)
        self.peers = peers
        self.frames = frames
        self.arrived_s = arrived_s
        self.weight = weight
        self.slots = np.array([peer.slot for peer in peers], np.int64)[frames.peer]
        self.flag = np.zeros(rows, np.uint8)
        self.stored = np.zeros(rows, bool)
        self.platform = np.zeros(rows, bool)
        self.replies: list[tuple[Peer, bytes]] = []
        self.answered: list[tuple[Peer, CommandAnswered, bytes]] = []
        self.telling: list[int] = []
        self.closing: list[tuple[Peer, str]] = []
        self.ready = False
        self.done: asyncio.Future[None] | None = None


class Ticks:
    """Runs the ticks of one listener."""

    def __init__(
        self, protocol: ModuleType, shared: Shared, table: PeerTable, conversation: Conversation
    ) -> None:
        self._protocol = protocol
        self._shared = shared
        self._table = table
        self._conversation = conversation
        self._flight: deque[Tick] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self.default_acknowledge = conversation.rules.acknowledge_reports

    @property
    def in_flight(self) -> int:
        """Ticks whose answers are not written."""
        return len(self._flight)

    def settled(self) -> asyncio.Future[None] | None:
        """Done when every tick that is in flight now has written its answers; None for none."""
        if not self._flight:
            return None
        last = self._flight[-1]
        if last.done is None:
            last.done = asyncio.get_running_loop().create_future()
        return last.done

    def run(self, peers: list[Peer], chunks: list[bytes], arrived_s: float, weight: int) -> None:
        """Do a tick up to its append; the rest follows when the append returns."""
        shared = self._shared
        cut: Cut = self._protocol.cut(chunks)
        self._note(peers, chunks, cut, shared.clock.monotonic_s())
        shared.metrics.ticks += 1
        shared.metrics.frames += len(cut.frames)
        now_us = shared.clock.now_us()
        tick, batches = self._read(peers, cut.frames, arrived_s, weight, now_us)
        tick.closing += self._conversation.fatal(cut.rejects, peers)
        self._flight.append(tick)
        if not batches and not tick.answered:
            self._ready(tick)
            return
        task = asyncio.get_running_loop().create_task(self._append(tick, batches))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _read(
        self, peers: list[Peer], frames: Frames, arrived_s: float, weight: int, now_us: int
    ) -> tuple[Tick, Sequence[SignalBatch]]:
        """Everything about a tick's frames but their storing."""
        conversation = self._conversation
        if not len(frames):
            return Tick(peers, frames, arrived_s, weight), ()
        if conversation.stateful is None:
            outcome = conversation.sort(frames, peers, now_us)
            tick = Tick(peers, frames, arrived_s, weight)
        else:
            closing: list[tuple[Peer, str]] = []
            heard, outcome = conversation.stateful.hear(frames, peers, now_us, closing)
            tick = Tick(peers, heard.frames, arrived_s, weight)
            tick.replies = [(peers[index], data) for index, data in heard.replies]
            tick.closing = closing
        tick.flag |= outcome.flag
        tick.answered = outcome.answered
        taken = self._address(tick, outcome)
        if self._conversation.traits.is_relay and len(taken):
            taken = self._relayed(tick, outcome, taken)
        tick.replies += [(peer, reply) for peer, reply, _ in outcome.replies]
        batches = self._decode(tick, taken, now_us)
        for peer in outcome.leaving:
            conversation.listener.linked.signed_off(peer, "logout")
        return tick, batches

    def _relayed(self, tick: Tick, outcome: Outcome, taken: NDArray[np.int64]) -> NDArray[np.int64]:
        """Answers to commands of vehicles that are known by now; returns the other rows."""
        linked, frames = self._conversation.listener.linked, tick.frames
        for row in taken.tolist():
            if row in outcome.relayed:
                answer, reply = outcome.relayed[row]
                vehicle, tenant = int(frames.vehicle[row]), int(frames.tenant[row])
                peer = tick.peers[int(frames.peer[row])]
                told = linked.relayed_answer(vehicle, tenant, answer)
                tick.answered.append((peer, told, reply))
        taken = taken[~np.isin(taken, np.array(list(outcome.relayed), np.int64))]
        if self._conversation.traits.answers_inside:
            for place, answer in self._protocol.answers(frames.take(taken)):
                row = int(taken[place])
                vehicle, tenant = int(frames.vehicle[row]), int(frames.tenant[row])
                told = linked.relayed_answer(vehicle, tenant, answer)
                tick.answered.append((tick.peers[int(frames.peer[row])], told, b""))
                tick.telling.append(row)
        return taken

    def _note(self, peers: list[Peer], chunks: list[bytes], cut: Cut, now_s: float) -> None:
        """Keep the columns the closing rules look at: who was heard, who has an unfinished
        frame."""
        table = self._table
        slots = np.array([peer.slot for peer in peers], np.int64)
        since = table.partial_s[slots]
        table.partial_s[slots] = np.inf
        if cut.rejects:
            self._conversation.rejected(cut.rejects, peers)
            for index in {reject.peer for reject in cut.rejects}:
                used = len(chunks[index]) - len(cut.remainder.get(index, b""))
                table.garbage[slots[index]] += used
        if len(cut.frames):
            heard = slots[cut.frames.peer]
            table.heard_s[heard] = now_s
            table.garbage[heard] = 0
            since[cut.frames.peer] = np.inf
        for index, tail in cut.remainder.items():
            peer = peers[index]
            if peer.state & DATAGRAM:  # the rest of it will not come
                self._shared.metrics.rejects["unfinished"] += 1
                continue
            peer.data = tail
            table.kept[peer.slot] = len(tail)
            table.kept_bytes += len(tail)
            table.partial_s[peer.slot] = min(now_s, float(since[index]))

    def _address(self, tick: Tick, outcome: Outcome) -> NDArray[np.int64]:
        """The rows to decode, with ``tick.frames`` telling their vehicles; the others are
        refused."""
        table, frames = self._table, tick.frames
        role = table.role[tick.slots]
        taken = outcome.taken
        unknown = taken & (role == NOBODY)
        if unknown.any():
            self._conversation.refuse(tick, np.flatnonzero(unknown), "not_logged_in")
            taken[unknown] = False
        tick.platform = role == PLATFORM
        tick.frames = frames.addressed(table.vehicle[tick.slots], table.tenant[tick.slots])
        rows = np.flatnonzero(taken)
        if not len(rows):
            return rows
        identity = np.array(self._protocol.vins(frames), f"S{IDENTITY_BYTES}")
        terminal = role == TERMINAL
        strange = taken & terminal & (identity != table.identity[tick.slots])
        if self._conversation.stateful is not None:
            strange &= identity != b""  # a goodbye names nobody
        if strange.any():
            self._conversation.refuse(tick, np.flatnonzero(strange), "vin_mismatch")
            taken[strange] = False
        shared_links = np.flatnonzero(taken & ~terminal)
        if len(shared_links):
            keys = self._conversation.look_up(tick, shared_links, identity, outcome)
            if self._conversation.traits.is_relay:
                there = np.flatnonzero(taken)
                self._conversation.listener.linked.relayed(tick, there, identity, keys)
        return np.flatnonzero(taken)

    def _decode(self, tick: Tick, rows: NDArray[np.int64], now_us: int) -> Sequence[SignalBatch]:
        """Batches of the rows; sets the answers they get once stored."""
        if not len(rows):
            return ()
        settings = self._shared.settings
        frames = tick.frames if len(rows) == len(tick.frames) else tick.frames.take(rows)
        try:
            decoded: Decoded = self._protocol.decode(frames, now_us, settings.by_tenant)
            if self._conversation.traits.wraps:
                decoded = unwrapped(self._protocol, frames, decoded, now_us, settings.by_tenant)
        except Exception:
            return self._decode_apart(tick, rows, now_us)
        tick.stored[rows] = True
        flag = np.ones(len(rows), np.uint8)
        terminal = ~tick.platform[rows]
        if terminal.any():
            silent = terminal & settings.silent(frames.tenant, self.default_acknowledge)
            flag[silent & self._protocol.is_record(frames)] = 0
        self._shared.metrics.repaired.update(decoded.repaired)
        if decoded.rejects:
            self._conversation.faulty(tick, rows, frames, decoded.rejects, flag)
        tick.flag[rows] = flag
        return decoded.batches

    def _decode_apart(
        self, tick: Tick, rows: NDArray[np.int64], now_us: int
    ) -> Sequence[SignalBatch]:
        """A fault of ours in ``decode``: find the frames that set it off, so that nobody else
        pays for them. They are kept for people to see and not answered."""
        if len(rows) == 1:
            # As seldom as quarantine entries: a peer may repeat the frame, and logs have no bound.
            if self._shared.quarantine.room() > 0:
                _log.exception("a frame cannot be decoded; its bytes are in the quarantine")
            self._conversation.failed(tick, int(rows[0]))
            peer = tick.peers[int(tick.frames.peer[rows[0]])]
            if is_aside(peer):
                tick.closing.append((peer, "internal"))
            return ()
        half = len(rows) // 2
        first, second = rows[:half], rows[half:]
        return [*self._decode(tick, first, now_us), *self._decode(tick, second, now_us)]

    async def _append(self, tick: Tick, batches: Sequence[SignalBatch]) -> None:
        failed, told = await asyncio.gather(self._store(batches), self._tell(tick))
        if failed is not None:
            count = np.uint64(self._shared.log.partitions)
            lost = tick.stored & np.isin(tick.frames.vehicle % count, failed)
            tick.flag[lost] = 0
            some = {tick.peers[index] for index in np.unique(tick.frames.peer[lost]).tolist()}
            resent = self._conversation.traits.is_resent
            tick.closing += [(peer, "unstored") for peer in some if resent or is_aside(peer)]
        if told:
            tick.replies += [(peer, reply) for peer, _, reply in tick.answered if reply]
        else:
            tick.flag[tick.telling] = 0
        if not told and self._conversation.traits.is_resent:
            tick.closing += [(peer, "unstored") for peer, _, _ in tick.answered]
        self._ready(tick)

    async def _store(self, batches: Sequence[SignalBatch]) -> NDArray[np.uint64] | None:
        return await store(self._shared, batches) if batches else None

    async def _tell(self, tick: Tick) -> bool:
        """Vehicles' answers to commands into the log; whether they are there."""
        if not tick.answered:
            return True
        try:
            await self._shared.links.answered([told for _, told, _ in tick.answered])
        except MotorcadeError as error:
            self._shared.metrics.unstored[error.code] += len(tick.answered)
            return False
        except Exception:
            # A tick that never ends would keep back the answers of all later ones.
            _log.exception("answers to commands could not be told")
            self._shared.metrics.unstored["bug"] += len(tick.answered)
            return False
        return True

    def _ready(self, tick: Tick) -> None:
        """The tick's rows are on disk or given up; write what is next in order."""
        tick.ready = True
        flight = self._flight
        while flight and flight[0].ready:
            first = flight.popleft()
            try:
                self._finish(first)
            except Exception:
                # A fault of ours in one tick must not stop the answers of all later ones.
                _log.exception("a tick's answers could not be built")
            finally:
                if first.done is not None:
                    first.done.set_result(None)
                self._shared.budget.finished(first.weight)
        self._conversation.ticked()

    def _finish(self, tick: Tick) -> None:
        for peer, reply in tick.replies:
            peer.send(reply)
        self._acknowledge(tick)
        for peer, code in tick.closing:
            self._conversation.listener.close(peer, code, flushing=True)

    def _acknowledge(self, tick: Tick) -> None:
        rows = np.flatnonzero(tick.flag)
        if not len(rows):
            return
        shared = self._shared
        whole = len(rows) == len(tick.frames)
        frames = tick.frames if whole else tick.frames.take(rows)
        flags = tick.flag if whole else tick.flag[rows]
        platform = tick.platform if whole else tick.platform[rows]
        answers = self._protocol.answer(
            frames, flags, platform, shared.clock.now_us(), shared.settings.by_tenant
        )
        write_answers(tick.peers, frames.peer, answers)
        shared.metrics.acknowledge_s.observe(shared.clock.monotonic_s() - tick.arrived_s, len(rows))


def is_aside(peer: Peer) -> bool:
    """Whether a connection is one beside its vehicle's link: where something of it is lost it has
    to begin anew, for its later answers would speak for that, too."""
    return bool(getattr(peer.session, "is_side", False))


def write_answers(peers: Sequence[Peer], peer: NDArray[np.int64], answers: Answers) -> None:
    """One write per peer: ``peer`` int64 (n) is ascending, answers lie end to end in its order."""
    buffer = answers.buffer
    turns = np.ones(len(peer), bool)
    np.not_equal(peer[1:], peer[:-1], out=turns[1:])
    first = np.flatnonzero(turns)
    starts = answers.offset[first].tolist()
    ends = [*starts[1:], len(buffer)]
    for index, start, stop in zip(peer[first].tolist(), starts, ends, strict=True):
        one = peers[index]
        if one.state & DATAGRAM:
            _write_each(one, np.flatnonzero(peer == index), answers)
        else:
            one.send(buffer[start:stop])


def _write_each(peer: Peer, rows: NDArray[np.int64], answers: Answers) -> None:
    """A datagram for each answer: joined they might not fit into one."""
    for start, size in zip(
        answers.offset[rows].tolist(), answers.length[rows].tolist(), strict=True
    ):
        if size:
            peer.send(answers.buffer[start : start + size])
