"""A UDP door: each address that sends is a peer, as if it had connected.

In: datagrams. Out: the same peers the TCP doors make; what is sent to one leaves as a datagram.
What a datagram leaves unfinished is dropped with it. Whoever can send may invent addresses: those
that have not logged in get a quarter of the slots, and of them the oldest makes room.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from motorcade.gateway.peers import CHOKED, DATAGRAM, NOBODY, RELAY, Peer

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener

__all__ = ["DatagramDoor"]


class DatagramDoor(asyncio.DatagramProtocol):
    """One bound UDP socket."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._peers: dict[tuple[str, int], Peer] = {}
        self._strangers: dict[tuple[str, int], Peer] = {}
        """The oldest first; some may have logged in or left since."""
        capacity = listener.table.capacity
        # Where nobody ever logs in, all slots are theirs.
        self._strangers_max = capacity if listener.traits.is_relay else max(1, capacity // 4)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        address = (addr[0], addr[1])
        peer = self._peers.get(address)
        if peer is None:
            peer = self._open(address)
            if peer is None:
                return
        budget = self._listener.budget
        if peer.state & CHOKED or budget.pending > budget.pending_max:
            # Nothing slows a datagram's sender down; it sends again what is not answered.
            self._listener.shared.metrics.dropped_datagrams += 1
            return
        peer.data_received(data)

    def error_received(self, exc: Exception) -> None:
        """An earlier datagram of ours did not arrive; its receiver will ask again."""

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def _open(self, address: tuple[str, int]) -> Peer | None:
        assert self._transport is not None
        while len(self._strangers) >= self._strangers_max:
            oldest = self._strangers.pop(next(iter(self._strangers)))
            if oldest.slot >= 0 and self._listener.table.role[oldest.slot] in (NOBODY, RELAY):
                self._listener.close(oldest, "datagram_strangers")
        peer = Peer(self._listener)
        peer.state |= DATAGRAM
        transport = _Address(self._transport, address, self._peers)
        self._peers[address] = peer
        self._listener.opened(peer, transport)  # type: ignore[arg-type]
        if peer.slot < 0:
            return None
        self._strangers.pop(address, None)  # it begins anew, behind the others
        self._strangers[address] = peer
        return peer


class _Address:
    """What a peer takes for its transport."""

    __slots__ = ("_address", "_peers", "_transport")

    def __init__(
        self,
        transport: asyncio.DatagramTransport,
        address: tuple[str, int],
        peers: dict[tuple[str, int], Peer],
    ) -> None:
        self._transport = transport
        self._address = address
        self._peers = peers

    def write(self, data: bytes) -> None:
        if data:
            self._transport.sendto(data, self._address)

    def abort(self) -> None:
        self._peers.pop(self._address, None)

    close = abort

    def pause_reading(self) -> None:
        """A datagram socket is everybody's; what comes meanwhile is dropped."""

    resume_reading = pause_reading

    def set_write_buffer_limits(self, high: int) -> None:
        """Nothing is buffered."""

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._address if name == "peername" else default
