"""Work in a thread that is never left running behind the back of whoever waited for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import pyarrow as pa

__all__ = ["ended", "give_memory_back", "to_the_end"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


async def to_the_end(
    call: Callable[_Arguments, _Result],
    *args: _Arguments.args,
    **kwargs: _Arguments.kwargs,
) -> _Result:
    """Run ``call`` in a thread. When cancelled, wait for its end first: two must never overlap."""
    return await ended(asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs)))


async def ended(running: asyncio.Future[_Result]) -> _Result:
    """What ``running``, work in a thread, gives. When cancelled, wait for its end first."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def give_memory_back() -> None:
    """Return what Arrow keeps for its next allocation: a commit or a merge may be the last for
    long."""
    pa.default_memory_pool().release_unused()
