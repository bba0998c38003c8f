"""A door that lets many in at once.

In: a bound socket. Out: servers on it, each with a handle of its own.

uvloop accepts one connection a handle and turn of its loop. In a storm a turn takes milliseconds,
for it also reads, decides and answers those who are in: through a single handle the others come
one by one, the queue of the kernel runs over, and every round of logins finds a few where it could
take hundreds.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

__all__ = ["HANDLES", "serve"]

HANDLES: Final = 16
"""Connections accepted in a turn. More save little: the fixed costs of a turn are spread by then.
When it is calm each connection wakes all of them, some 5 µs for each that finds nothing."""


async def serve(
    sock: socket.socket,
    peer: Callable[[], asyncio.Protocol],
    context: ssl.SSLContext | None,
    backlog: int,
) -> list[asyncio.Server]:
    """Listen at ``sock``: its connections are spread over the servers returned, which are closed
    together. ``backlog``: connections the kernel holds until they are accepted, for all."""
    loop = asyncio.get_running_loop()
    handles = [sock, *(sock.dup() for _ in range(HANDLES - 1))]
    return [
        await loop.create_server(peer, sock=handle, ssl=context, backlog=backlog)
        for handle in handles
    ]
