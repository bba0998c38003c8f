"""The listeners of one protocol: sockets, the inbox of its peers, when ticks run, who is closed by
rule.

Closed by rule: connections above the limit, peers that do not log in, stay silent, leave a frame
unfinished with nothing behind it, send only garbage, or do not read their answers. What is
malformed alone never closes a connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from types import ModuleType

import numpy as np
import structlog
from numpy.typing import NDArray

from motorcade.addresses import split_address
from motorcade.errors import Invalid
from motorcade.gateway.accepting import serve
from motorcade.gateway.budget import Budget
from motorcade.gateway.config import ListenerConfig, bearer_code
from motorcade.gateway.conversation import Conversation
from motorcade.gateway.datagrams import DatagramDoor
from motorcade.gateway.linked import Linked
from motorcade.gateway.peers import (
    CHOKED,
    GONE,
    NOBODY,
    QUEUED,
    RELAY,
    WAITING,
    Peer,
    PeerTable,
)
from motorcade.gateway.shared import Ground, Shared
from motorcade.gateway.stalled import give_up
from motorcade.gateway.ticks import Ticks, is_aside
from motorcade.gateway.traits import Traits

__all__ = ["Listener", "parse_address"]

_log = structlog.get_logger(__name__)

_LONG_TAIL_BYTES = 4096
"""An unfinished frame above this is not searched again for every few bytes that come: only when
it has grown by an eighth, or after ``_LONG_TAIL_S``. Else peers that send bytes singly would
cost a core."""

_LONG_TAIL_S = 0.5

_UDP = 4 << 20
"""Receive buffer of a datagram socket: it is everybody's, and what finds no room is lost."""


class Listener:
    """One protocol's doors. ``inbox`` holds the peers whose bytes the next tick takes."""

    def __init__(
        self, name: str, protocol: ModuleType, rules: ListenerConfig, shared: Shared, slots: int
    ) -> None:
        self.name = name
        self.protocol = protocol
        self.rules = rules
        self.shared = shared
        self.traits = Traits.of(protocol)
        self.budget: Budget = shared.budget
        self.table = PeerTable(slots)
        self.inbox: list[Peer] = []
        self.armed = False
        self.bearer = bearer_code(_bearer(rules, self.traits))
        self.ground: Ground | None = None
        """Where commands for satellite modems go; set by whoever has such a gateway."""
        self.linked = Linked(self)
        self.conversation = Conversation(protocol, shared, self)
        self.ticks = Ticks(protocol, shared, self.table, self.conversation)
        self._linger_s = shared.config.linger_ms / 1000.0
        self._arrived_s = 0.0
        self._slow: set[Peer] = set()
        self._hurried: set[Peer] = set()
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[DatagramDoor] = []
        self._timed: set[Peer] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.stopping = False

    async def start(self) -> list[tuple[str, int]]:
        """Listen; returns host and port of every door. ``Invalid`` for an address or file that
        cannot be."""
        bound = []
        for address, context in (
            (self.rules.listen, None),
            (self.rules.tls_listen, _tls(self.rules) if self.rules.tls_listen else None),
        ):
            if not address:
                continue
            servers = await self._serve(address, context)
            self._servers += servers
            bound.append(servers[0].sockets[0].getsockname()[:2])
        if self.rules.udp_listen:
            bound.append(await self._serve_datagrams(self.rules.udp_listen))
        return bound

    async def _serve_datagrams(self, address: str) -> tuple[str, int]:
        if not self.traits.is_datagram:
            raise Invalid(f"{self.name} cannot be served over UDP (udp_listen)")
        sock = _bound(address, socket.SOCK_DGRAM, self.shared.config.receive_buffer_bytes and _UDP)
        sock.setblocking(False)
        _, door = await self._loop.create_datagram_endpoint(lambda: DatagramDoor(self), sock=sock)
        self._datagrams.append(door)
        return door.address

    async def _serve(self, address: str, context: ssl.SSLContext | None) -> list[asyncio.Server]:
        sock = _bound(address, socket.SOCK_STREAM, self.shared.config.receive_buffer_bytes)
        return await serve(sock, lambda: Peer(self), context, self.shared.config.backlog)

    def stop_accepting(self) -> None:
        """Close the doors; who is in stays."""
        self.stopping = True
        for server in self._servers:
            server.close()

    def stop(self) -> None:
        """Close every connection, and the sockets that datagrams are answered from."""
        for peer in self.peers():
            self.close(peer, "stopped")
            self.closed(peer, "stopped")  # if it hung up, and what it sent is still held
        for door in self._datagrams:
            door.close()

    def peers(self) -> Iterable[Peer]:
        """Open connections."""
        return [peer for peer in self.table.peer if peer is not None]

    async def drained(self) -> None:
        """Returns when nothing is on its way to an answer any more."""
        while self.busy:
            settled = self.ticks.settled()
            await (settled if settled is not None else asyncio.sleep(self._linger_s))

    @property
    def busy(self) -> bool:
        """Whether anything is on its way to an answer."""
        return bool(self.inbox or self.ticks.in_flight or self.conversation.logins.waiting)

    # ── connections ─────────────────────────────────────────────────────────────────────────────

    def opened(self, peer: Peer, transport: asyncio.Transport) -> None:
        """A connection came in; closed at once where there is no room."""
        table = self.table
        if table.count >= table.capacity or self.stopping:
            self.shared.metrics.closed["connection_limit"] += 1
            transport.abort()
            return
        peer.transport = transport
        now_s = self.shared.clock.monotonic_s()
        table.add(peer, now_s)
        if self.traits.is_stateful:
            peer.session = self.protocol.Session()
        elif self.traits.is_relay:
            table.sign_on(peer.slot, RELAY, 0, self.shared.clock.now_us())
        transport.set_write_buffer_limits(high=self.shared.config.write_buffer_bytes_max)
        self.budget.joined(peer)

    def hung_up(self, peer: Peer) -> None:
        """The other side closed. What it sent before that is looked at first."""
        if peer.slot >= 0 and peer.data and peer.state & (QUEUED | WAITING):
            peer.transport = None
            peer.state |= GONE
            return
        self.closed(peer)

    def closed(self, peer: Peer, reason: str = "lost") -> None:
        """A connection is gone: forget its bytes and its slot, tell of the end of its link."""
        peer.transport = None
        if peer.slot < 0:
            return
        waiting = len(peer.data) - int(self.table.kept[peer.slot])
        self.table.drop_kept(peer.slot)
        self.linked.signed_off(peer, reason)
        self.table.remove(peer)
        self._slow.discard(peer)
        self._timed.discard(peer)
        peer.data = b""
        peer.session = None
        self.budget.finished(waiting)

    def close(self, peer: Peer, rule: str, *, flushing: bool = False) -> None:
        """Close a connection by a rule; safe to call twice. ``flushing``: once what was written
        is sent. A protocol that can is told why."""
        transport = peer.transport
        if transport is None:
            return
        self.shared.metrics.closed[rule] += 1
        goodbye = b""
        if peer.session is not None and hasattr(self.protocol, "goodbye"):
            goodbye = self.protocol.goodbye(peer.session, rule)
        if goodbye:
            peer.send(goodbye)
        self.closed(peer, rule)
        if rule == "stopped" or flushing or goodbye:
            transport.close()
        else:
            transport.abort()

    def release(self, peer: Peer) -> None:
        """A pending login is decided: what the peer sent meanwhile is looked at."""
        peer.state &= ~WAITING
        if peer.slot >= 0 and peer.data:
            self.requeue(peer)
        elif peer.state & GONE:
            self.closed(peer)

    def requeue(self, peer: Peer) -> None:
        """Have the next tick look at the peer's bytes."""
        if not peer.state & (QUEUED | WAITING):
            peer.state |= QUEUED
            self.inbox.append(peer)
            self.arm()

    def forget_kept(self, peer: Peer) -> None:
        """Drop what the peer sent: nothing can be done with it now, and it will send again."""
        if peer.slot < 0:
            return
        waiting = len(peer.data) - int(self.table.kept[peer.slot])
        self.table.drop_kept(peer.slot)
        peer.data = b""
        self.budget.finished(waiting)
        peer.swallowed()

    def drop_front(self, peer: Peer, count: int) -> None:
        """Drop the first ``count`` bytes held of the peer, and have the next tick read the
        others."""
        table, slot = self.table, peer.slot
        kept = min(count, int(table.kept[slot]))
        table.kept[slot] -= kept
        table.kept_bytes -= kept
        table.partial_s[slot] = np.inf
        table.garbage[slot] += count
        peer.data = peer.data[count:]
        self.budget.finished(count - kept)
        self.requeue(peer)

    # ── ticks ───────────────────────────────────────────────────────────────────────────────────

    def arm(self) -> None:
        """Have a tick run soon, if there is something to do and room for one more in flight."""
        if self.armed or not self.inbox:
            return
        if self.ticks.in_flight >= self.shared.config.ticks_in_flight_max:
            return
        self.armed = True
        self._arrived_s = self.shared.clock.monotonic_s()
        self._loop.call_later(self._linger_s, self._tick)

    def _tick(self) -> None:
        self.armed = False
        peers: list[Peer] = []
        chunks: list[bytes] = []
        room = self.shared.config.tick_bytes_max
        inbox = self.inbox
        place = 0
        for peer in inbox:
            if room <= 0:
                break
            place += 1
            data = peer.data
            peer.state &= ~QUEUED
            if peer.slot < 0 or not data:
                continue
            long = len(data) > _LONG_TAIL_BYTES and not peer.state & GONE
            if long and self._slowly(peer, len(data)):
                continue
            peer.data = b""
            peers.append(peer)
            chunks.append(data)
            room -= len(data)
            if peer.state & CHOKED:
                peer.swallowed()
        self.inbox = inbox[place:]
        if peers:
            weight = self.table.take_kept(peers, chunks)
            self.shared.metrics.bytes_received += weight
            try:
                self.ticks.run(peers, chunks, self._arrived_s, weight)
                self._close_garbage(peers)
                if self.traits.has_timers:
                    self._time(peers)
            except Exception:
                # A fault of ours costs these bytes their answer, never the listener its ticks.
                _log.exception("a tick failed in an unforeseen way")
                self.budget.finished(weight)
                for peer in peers:
                    if self.traits.is_resent or is_aside(peer):
                        self.close(peer, "internal")  # it sends again only over a new one
            for peer in peers:
                if peer.state & GONE and not peer.state & (QUEUED | WAITING):
                    self.closed(peer)
        self.arm()

    def _slowly(self, peer: Peer, size: int) -> bool:
        """Whether a long unfinished frame has grown too little to be searched again now."""
        if peer in self._hurried:
            self._hurried.discard(peer)
            return False
        kept = int(self.table.kept[peer.slot])
        if kept <= _LONG_TAIL_BYTES or (size - kept) * 8 >= kept:
            self._slow.discard(peer)
            return False
        if not self._slow:
            self._loop.call_later(_LONG_TAIL_S, self._hurry)
        self._slow.add(peer)
        return True

    def _hurry(self) -> None:
        """Search the long unfinished frames again, whatever they have grown by."""
        self._hurried = {peer for peer in self._slow if peer.slot >= 0}
        self._slow = set()
        for peer in self._hurried:
            self.requeue(peer)

    # ── rules ───────────────────────────────────────────────────────────────────────────────────

    def sweep(self) -> None:
        """Close by rule; run every second. Each rule is one comparison over all peers."""
        table, rules = self.table, self.rules
        used = len(table.peer)
        now_s = self.shared.clock.monotonic_s()
        late = table.role[:used] == NOBODY
        late &= now_s - table.opened_s[:used] > rules.login_timeout_s
        self._close_all(late, "login_timeout")
        silence_s = np.minimum(table.idle_s[:used], rules.idle_timeout_s)
        self._close_all(now_s - table.heard_s[:used] > silence_s, "idle_timeout")
        self._give_up(now_s - table.partial_s[:used] > rules.frame_timeout_s)
        self._shed()
        self._timers()
        self.linked.sweep(now_s)

    def _time(self, peers: Iterable[Peer]) -> None:
        """Note whose session wants to be called later."""
        now_us = self.shared.clock.now_us()
        for peer in peers:
            if peer.session is not None and peer.session.next_timer(now_us) is not None:
                self._timed.add(peer)

    def _timers(self) -> None:
        """Call the sessions whose time has come; once a second is often enough."""
        now_us = self.shared.clock.now_us()
        for peer in list(self._timed):
            due = None if peer.session is None else peer.session.next_timer(now_us)
            if due is None:
                self._timed.discard(peer)
            elif due <= now_us:
                peer.send(peer.session.handle_timer(now_us))

    def _give_up(self, rows: NDArray[np.bool_]) -> None:
        """Read on behind unfinished frames; who has sent nothing behind them is closed. What is
        more than a tick's bytes waits for the next sweep."""
        late: list[Peer] = []
        room = self.shared.config.tick_bytes_max
        for slot in np.flatnonzero(rows).tolist():
            peer = self.table.peer[slot]
            if peer is None or peer.state & WAITING:
                continue
            if room <= 0:
                break
            late.append(peer)
            room -= len(peer.data)
        if late:
            for peer in give_up(self.protocol, self, late):
                self.close(peer, "frame_timeout")

    def _close_garbage(self, peers: list[Peer]) -> None:
        """Close the peers of a tick that send nothing else; at once, for they send fast."""
        slots = np.fromiter((peer.slot for peer in peers), np.int64, len(peers))
        spent = self.table.garbage[slots] > self.shared.config.garbage_bytes_max
        for place in np.flatnonzero(spent).tolist():
            self.close(peers[place], "garbage")

    def _close_all(self, rows: NDArray[np.bool_], rule: str) -> None:
        for slot in np.flatnonzero(rows).tolist():
            peer = self.table.peer[slot]
            if peer is not None:
                self.close(peer, rule)

    def _shed(self) -> None:
        """Above the bound of unfinished frames: close the peers whose frame is unfinished the
        longest."""
        table, bound = self.table, self.shared.config.partial_bytes_max
        if table.kept_bytes <= bound:
            return
        for slot in np.argsort(table.partial_s[: len(table.peer)], kind="stable").tolist():
            if table.kept_bytes <= bound * 3 // 4:
                return
            peer = table.peer[slot]
            if peer is not None and table.kept[slot] > 0:
                self.close(peer, "partial_bytes")


def _bearer(rules: ListenerConfig, traits: Traits) -> str:
    """What carries links that do not say: the operator's word, else a satellite for relays."""
    return "satellite" if traits.is_relay and rules.bearer == "unknown" else rules.bearer


def _bound(address: str, kind: socket.SocketKind, receive_buffer_bytes: int) -> socket.socket:
    """A socket at an address that other gateway processes may share. Raises ``Invalid``."""
    host, port = parse_address(address)
    try:
        info = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)
        sock = socket.socket(info[0][0], kind)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Several gateway processes share a port; the kernel spreads the connections.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if receive_buffer_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            sock.bind(info[0][4])
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise Invalid(f"cannot listen on {address}: {error}") from error
    return sock


def parse_address(text: str) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port``. Raises ``Invalid``."""
    return split_address(text, "0.0.0.0")


def _tls(rules: ListenerConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(rules.tls_certificate, rules.tls_key or None)
        if rules.tls_client_ca:
            context.load_verify_locations(rules.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise Invalid(f"the TLS certificate, key or client CA cannot be read: {error}") from error
    return context
