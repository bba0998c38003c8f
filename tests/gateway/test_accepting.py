"""Doors that let many in at once: the turns of the loop it takes; a close shuts all handles."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
import uvloop

from motorcade.gateway.accepting import HANDLES, serve

_MANY = 160


class _Counter(asyncio.Protocol):
    """Counts connections."""

    came = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).came += 1


def test_what_waits_is_accepted_many_a_turn_and_nobody_after_the_close() -> None:
    async def main() -> int:
        sock = socket.create_server(("127.0.0.1", 0), backlog=_MANY)
        address = sock.getsockname()
        with contextlib.ExitStack() as stack:
            for _ in range(_MANY):
                stack.enter_context(socket.create_connection(address))
            servers = await serve(sock, _Counter, None, _MANY)
            turns = 0
            while _Counter.came < _MANY:
                await asyncio.sleep(0)
                turns += 1
            for server in servers:
                server.close()
                await server.wait_closed()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            return turns

    _Counter.came = 0
    turns = uvloop.run(main())
    assert turns <= _MANY // HANDLES + 5  # one by one it would be _MANY
