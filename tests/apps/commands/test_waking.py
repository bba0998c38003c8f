"""Waking: once in a while a vehicle, and nobody waits for a hook that hangs."""

from __future__ import annotations

import asyncio

import pytest

from motorcade.apps.commands import waking
from motorcade.apps.commands.waking import Waking
from motorcade.clock import SystemClock


class Hanging:
    """A hook that never returns."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def wake(self, tenant: int, vehicle: int, reason: str) -> None:
        self.asked.append(vehicle)
        await asyncio.Event().wait()


async def test_a_hook_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "COMMAND_WAKES_MAX", 2)
    monkeypatch.setattr(waking, "COMMAND_WAKE_EVERY_S", 0.05)
    hook = Hanging()
    ours = Waking(hook, SystemClock())
    for vehicle in (1, 2, 3):
        ours.wake(1, vehicle, "command")
    async with asyncio.timeout(5):
        while 3 not in hook.asked:
            await asyncio.sleep(0.01)
            ours.wake(1, 3, "command")
    assert hook.asked[:3] == [1, 2, 3]
    await ours.close()
