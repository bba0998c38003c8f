"""A cancelled wait ends after its thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from motorcade.history.threads import to_the_end


async def test_cancelling_waits_for_the_thread() -> None:
    begun, go = threading.Event(), threading.Event()
    ended = []

    def work() -> None:
        begun.set()
        go.wait(30)
        ended.append(True)

    waiting = asyncio.ensure_future(to_the_end(work))
    await asyncio.to_thread(begun.wait, 30)
    for _ in range(3):  # who wants an end to a task may say so again
        waiting.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == [True]


async def test_the_result_comes_back() -> None:
    assert await to_the_end(divmod, 7, 2) == (3, 1)
