"""Making commands: a fault of ours is told to who asked, and is over with that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.commands.world import World
from motorcade.apps.commands import desk

pytestmark = pytest.mark.engines


async def test_a_fault_of_ours_leaves_nobody_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> set[Any]:
        raise RuntimeError("a fault of ours")

    car = world.vehicles[1]
    with monkeypatch.context() as patched:
        patched.setattr(desk, "insert", broken)
        async with asyncio.timeout(5):
            with pytest.raises(RuntimeError):
                await world.add(car, "lock")
    async with asyncio.timeout(5):
        assert (await world.add(car, "lock")).number == 1
