"""Bodies as they arrive: one that stalls or trickles is given up, so that its place is free.

In: the pieces of a body. Out: the whole, or ``TooSlow``. Its end has to come before ``timeout_s``
of silence, and before ``timeout_s`` and a second for each ``bytes_per_s_min`` of it: the first
ends a client that hangs, the second one that sends a byte now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from motorcade.errors import TooSlow

__all__ = ["arrived"]


async def arrived(pieces: AsyncIterator[bytes], *, timeout_s: float, bytes_per_s_min: int) -> bytes:
    """The whole body. Raises ``TooSlow``; ``bytes_per_s_min`` 0 is any rate."""
    now = asyncio.get_running_loop().time
    begun = now()
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout_at(begun + timeout_s) as limit:
            async for piece in pieces:
                parts.append(piece)
                size += len(piece)
                end = now() + timeout_s
                if bytes_per_s_min:
                    end = min(end, begun + timeout_s + size / bytes_per_s_min)
                limit.reschedule(end)
    except TimeoutError as error:
        raise TooSlow(
            f"{size:,} bytes of the body arrived in {now() - begun:.0f} s, and then no more in"
            f" time: send it at {bytes_per_s_min:,} bytes a second or more, without a pause of"
            f" {timeout_s:g} s."
        ) from error
    return b"".join(parts)
