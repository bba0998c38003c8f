"""Work in a thread that is never left running behind the back of whoever waited for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import pyarrow as pa

__all__ = ["give_memory_back", "outlasted", "to_its_end", "to_the_end"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


async def to_the_end(
    call: Callable[_Arguments, _Result],
    *args: _Arguments.args,
    **kwargs: _Arguments.kwargs,
) -> _Result:
    """Run ``call`` in a thread. When cancelled, wait for its end first: two must never overlap."""
    return await to_its_end(asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs)))


async def to_its_end(running: asyncio.Future[_Result]) -> _Result:
    """What ``running``, work in a thread, gives. When cancelled, once or often, wait for its end
    first."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await outlasted(running)
        raise


async def outlasted(running: asyncio.Future[Any]) -> None:
    """Wait for the end of ``running``, however often this is cancelled meanwhile."""
    while not running.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([running])


def give_memory_back() -> None:
    """Return what Arrow keeps for its next allocation: a commit or a merge may be the last for
    long."""
    pa.default_memory_pool().release_unused()
