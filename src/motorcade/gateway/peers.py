"""The peers of one listener: columns over connections, and the thin asyncio protocol of each.

What rules look at stands in numpy columns by connection slot, so that a check of fifteen
thousand peers is one comparison and an idle session costs some 70 bytes here; there is no timer
per connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.limits import GATEWAY_PEER_PENDING_BYTES_MAX

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener

__all__ = [
    "IDENTITY_BYTES",
    "NOBODY",
    "TERMINAL",
    "PLATFORM",
    "RELAY",
    "QUEUED",
    "WAITING",
    "PAUSED",
    "CHOKED",
    "GONE",
    "DATAGRAM",
    "NOTED",
    "Peer",
    "PeerTable",
    "reachable",
]

IDENTITY_BYTES: Final = 20
"""Room for what a protocol calls its vehicles: a VIN has 17 characters."""

NOBODY: Final = 0
"""Role of a peer that has not logged in."""
TERMINAL: Final = 1
"""Role of one vehicle's link."""
PLATFORM: Final = 2
"""Role of a link that carries many vehicles of one tenant."""
RELAY: Final = 3
"""Role of a link that carries vehicles of anybody, each frame naming its own: a satellite's
ground gateway, a datagram's sender."""

_BUSY_BYTES: Final = 16_384
"""What a peer may have left unread when a command is to be sent to it."""

QUEUED: Final = 1
WAITING: Final = 2
PAUSED: Final = 4
CHOKED: Final = 8
GONE: Final = 16
DATAGRAM: Final = 32
NOTED: Final = 64


class Peer(asyncio.Protocol):
    """One connection. ``state`` holds the bits ``QUEUED`` (in the inbox), ``WAITING`` (a login
    is being decided; bytes are kept), ``PAUSED`` (all sockets are unread, the budget is spent),
    ``CHOKED`` (its own is unread: it sent more than a tick took), ``GONE`` (it hung up; what it
    sent before is still looked at), ``DATAGRAM`` (what is sent must stay within its
    datagram) and ``NOTED`` (a registration of its that named another's phone number lies in the
    quarantine)."""

    __slots__ = ("data", "listener", "session", "slot", "state", "transport")

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.transport: asyncio.Transport | None = None
        self.data = b""
        self.slot = -1
        self.state = 0
        self.session: Any = None
        """The protocol's session, where it keeps one between frames."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.listener.opened(self, transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if self.transport is None:
            return
        listener = self.listener
        held = self.data
        self.data = held + data if held else data
        budget = listener.budget
        budget.pending += len(data)
        if not self.state & (QUEUED | WAITING):
            self.state |= QUEUED
            listener.inbox.append(self)
            if not listener.armed:
                listener.arm()
        if len(self.data) > GATEWAY_PEER_PENDING_BYTES_MAX and not self.state & CHOKED:
            self.state |= CHOKED
            self.transport.pause_reading()
        if budget.full or budget.pending > budget.pending_max:
            budget.over(self)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.listener.hung_up(self)

    def address(self) -> str:
        """``host:port`` of the other side; empty where it is gone."""
        transport = self.transport
        name = transport.get_extra_info("peername") if transport is not None else None
        return f"{name[0]}:{name[1]}" if name else ""

    def is_busy(self) -> bool:
        """Whether it reads too slowly for more to be sent unasked."""
        transport = self.transport
        return transport is None or transport.get_write_buffer_size() > _BUSY_BYTES

    def pause_writing(self) -> None:
        self.listener.close(self, "unread_answers")

    def resume_writing(self) -> None:
        """The peer reads again; nothing is held back for it here."""

    @property
    def is_session(self) -> bool:
        """Whether it has logged in."""
        return bool(self.listener.table.role[self.slot] != NOBODY)

    def pause(self) -> bool:
        """Read its socket no more until ``resume``; false where it was not read anyway."""
        if self.transport is None:
            return False
        # Also where it should be paused already: uvloop starts to read after ``connection_made``,
        # whatever that asked for.
        self.transport.pause_reading()
        if self.state & PAUSED:
            return False
        self.state |= PAUSED
        return True

    def resume(self) -> None:
        """Read its socket again."""
        self.state &= ~PAUSED
        if not self.state & CHOKED and self.transport is not None:
            self.transport.resume_reading()

    def swallowed(self) -> None:
        """A tick took its bytes: there is room for more of them."""
        self.state &= ~CHOKED
        if not self.state & PAUSED and self.transport is not None:
            self.transport.resume_reading()

    def send(self, data: bytes) -> None:
        """Write, or do nothing where the connection is gone."""
        transport = self.transport
        if transport is None:
            return
        try:
            transport.write(data)
        except RuntimeError:
            # uvloop raises for a handle the kernel closed before connection_lost was delivered.
            self.transport = None


class PeerTable:
    """Columns by slot. ``peer`` is the connection (None where the slot is free).

    ``identity`` S20, ``vehicle`` uint64 and ``tenant`` uint32 of who logged in, ``role`` uint8,
    ``login_us`` int64 (the epoch of the session), ``opened_s``, ``heard_s`` (last whole frame)
    and ``partial_s`` (since when a frame is unfinished, infinity for never) in monotonic
    seconds, ``idle_s`` (silence after which this peer is closed; infinity: the listener's rule),
    ``bearer`` uint8 (place in ``config.BEARERS``), ``link`` int64 (number of its link, 0 none),
    ``reachable`` bool (it was told that commands can be sent over the link),
    ``kept`` int64 (bytes of unfinished frames or behind a pending login), ``garbage``
    int64 (bytes since the last whole frame), ``failures`` uint8 (refused platform logins).
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.count = 0
        self.kept_bytes = 0
        self.peer: list[Peer | None] = []
        self._free: list[int] = []
        self.identity: NDArray[np.bytes_] = np.zeros(capacity, f"S{IDENTITY_BYTES}")
        self.vehicle = np.zeros(capacity, np.uint64)
        self.tenant = np.zeros(capacity, np.uint32)
        self.role = np.zeros(capacity, np.uint8)
        self.login_us = np.zeros(capacity, np.int64)
        self.opened_s = np.full(capacity, np.inf)
        self.heard_s = np.full(capacity, np.inf)
        self.partial_s = np.full(capacity, np.inf)
        self.idle_s = np.full(capacity, np.inf, np.float32)
        self.bearer = np.zeros(capacity, np.uint8)
        self.link = np.zeros(capacity, np.int64)
        self.reachable = np.zeros(capacity, bool)
        self.kept = np.zeros(capacity, np.int64)
        self.garbage = np.zeros(capacity, np.int64)
        self.failures = np.zeros(capacity, np.uint8)

    def add(self, peer: Peer, now_s: float) -> None:
        """Give the peer a slot; the caller has checked ``count`` against ``capacity``."""
        if self._free:
            slot = self._free.pop()
            self.peer[slot] = peer
        else:
            slot = len(self.peer)
            self.peer.append(peer)
        peer.slot = slot
        self.opened_s[slot] = self.heard_s[slot] = now_s
        self.count += 1

    def remove(self, peer: Peer) -> None:
        """Free the peer's slot."""
        slot = peer.slot
        self.sign_off(slot)
        self.peer[slot] = None
        self.opened_s[slot] = self.heard_s[slot] = self.partial_s[slot] = np.inf
        self.idle_s[slot] = np.inf
        self.kept[slot] = self.garbage[slot] = self.failures[slot] = 0
        peer.slot = -1
        self._free.append(slot)
        self.count -= 1

    def keep(self, peer: Peer, data: bytes) -> None:
        """Hold bytes that a tick took and could not finish, before what is held already."""
        if data:
            peer.data = data + peer.data
            self.kept[peer.slot] += len(data)
            self.kept_bytes += len(data)

    def take_kept(self, peers: Sequence[Peer], chunks: Sequence[bytes]) -> int:
        """A tick takes the peers' chunks; returns the bytes of them that are new."""
        slots = np.fromiter((peer.slot for peer in peers), np.int64, len(peers))
        kept = int(self.kept[slots].sum())
        self.kept[slots] = 0
        self.kept_bytes -= kept
        return sum(map(len, chunks)) - kept

    def drop_kept(self, slot: int) -> None:
        """Hold nothing of this peer any more."""
        self.kept_bytes -= int(self.kept[slot])
        self.kept[slot] = 0
        self.partial_s[slot] = np.inf

    def sign_on(self, slot: int, role: int, tenant: int, login_us: int) -> None:
        """The peer in ``slot`` is logged in from now on."""
        self.role[slot] = role
        self.tenant[slot] = tenant
        self.login_us[slot] = login_us

    def drives(self, slot: int, vehicle: int, identity: bytes) -> None:
        """The link in ``slot`` is this vehicle's."""
        self.vehicle[slot] = vehicle
        self.identity[slot] = identity

    def links_of(self, vehicles: Sequence[int]) -> list[int]:
        """Slots of the links of these vehicles, not of connections beside them. A search, not an
        index: one pass for all of them costs less than an index's hundred bytes per session."""
        used = len(self.peer)
        found = np.isin(self.vehicle[:used], np.array(vehicles, np.uint64))
        found &= self.link[:used] != 0
        slots: list[int] = np.flatnonzero(found).tolist()
        return slots

    def slots_of(self, links: Sequence[int]) -> dict[int, int]:
        """Slot by link number, of those of ``links`` that are here."""
        mine = self.link[: len(self.peer)]
        slots = np.flatnonzero(np.isin(mine, np.array(links, np.int64)) & (mine != 0))
        return dict(zip(mine[slots].tolist(), slots.tolist(), strict=True))

    def sign_off(self, slot: int) -> None:
        """The peer in ``slot`` is logged in no more."""
        self.vehicle[slot] = 0
        self.tenant[slot] = 0
        self.link[slot] = 0
        self.bearer[slot] = 0
        self.role[slot] = NOBODY
        self.identity[slot] = b""

    def sessions(self) -> int:
        """Peers that are logged in."""
        return int(np.count_nonzero(self.role))


def reachable(peer: Peer) -> bool:
    """Whether commands can be sent to a peer: an MQTT client must have subscribed to them."""
    return bool(getattr(peer.session, "reachable", True))
