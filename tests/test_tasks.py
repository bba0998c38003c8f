"""Ending tasks."""

from __future__ import annotations

import asyncio

import pytest

from motorcade.tasks import ended


async def test_tasks_are_at_their_end_whatever_it_is() -> None:
    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while ending")

    async def done() -> None:
        return

    tasks = [asyncio.create_task(one()) for one in (fails, done)]
    await asyncio.sleep(0)
    (fault,) = await ended(*tasks)
    assert isinstance(fault, ValueError)
    assert all(task.done() for task in tasks)
    assert await ended() == []


async def test_a_lost_cancellation_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``asyncio.wait_for`` of Python 3.11 loses one in the moment its future is done."""
    monkeypatch.setattr("motorcade.tasks._AGAIN_S", 0.01)
    lost = 0

    async def once_deaf() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
                if lost > 1:
                    raise

    task = asyncio.create_task(once_deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(ended(task), 30)
    assert task.cancelled()
    assert lost == 2


async def test_a_cancelled_wait_ends() -> None:
    async def deaf() -> None:
        while not heard.is_set():
            try:
                await heard.wait()
            except asyncio.CancelledError:
                continue

    heard = asyncio.Event()
    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(ended(task))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert not task.done()
    heard.set()
    await task


async def test_one_that_waits_for_another_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outer one's time is up first: its second cancellation reaches the inner one's task."""
    monkeypatch.setattr("motorcade.tasks._AGAIN_S", 0.01)

    async def once_deaf() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    inner = asyncio.create_task(once_deaf())

    async def outer() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await ended(inner)

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    await ended(task)
    await asyncio.wait({inner}, timeout=10)
    assert inner.cancelled()
