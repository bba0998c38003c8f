"""The pump: what it wants of the log, and when it wants nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.forwarding.world import QUICK, SPEED, World, eventually, vin
from motorcade.apps.forwarding.choosing import Chooser
from motorcade.apps.forwarding.pump import Channel, Pump
from motorcade.apps.forwarding.rules import Rule
from motorcade.errors import DependencyError

pytestmark = pytest.mark.engines

RULE = Rule(kind="webhook", target={"url": "https://example.com"})


async def test_without_forwarders_nothing_is_read_and_nothing_kept(world: World) -> None:

    tenant = await world.tenant("acme", 2)
    pump = Pump(0, world.log, QUICK, world.clock)
    running = asyncio.create_task(pump.run(None))
    await world.report("acme", [vin(1), vin(2)], {SPEED: [1.0, 2.0]})
    assert (pump.position, pump.kept_from) == (None, None)
    chooser = Chooser(RULE, tenant, world.catalogue)
    channel = Channel(5, tenant, chooser, world.clock.now_us(), 1 << 20, 3600)
    pump.serve([channel])
    await world.report("acme", [vin(1), vin(2)], {SPEED: [3.0, 4.0]})
    last = await world.log.last_sequence(0)
    await eventually(lambda: pump.position == last)
    assert pump.kept_from == 0  # until its position is saved, a restart would begin anywhere
    pump.saved = last
    assert pump.kept_from == last
    (message,) = await world.log.spools.read(5, 0)
    assert message.rows == 1
    pump.serve([])
    await eventually(lambda: pump.position is None)
    assert pump.kept_from is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_was_lost_is_told_though_the_first_try_to_tell_it_fails(world: World) -> None:
    tenant = await world.tenant("acme", 2)
    pump = Pump(0, world.log, QUICK, world.clock)
    chooser = Chooser(RULE, tenant, world.catalogue)
    channel = Channel(5, tenant, chooser, world.clock.now_us(), 1 << 20, 3600)
    channel.missing[0] = 7
    store, failures = world.log.spools._store, iter([True, False])

    async def failing(*stored: Any) -> None:
        await store(*stored)
        if next(failures, False):
            raise DependencyError("the answer was lost")

    world.log.spools._store = failing  # type: ignore[method-assign]
    running = asyncio.create_task(pump.run(None))
    pump.serve([channel])
    for value in (1.0, 2.0):
        await world.report("acme", [vin(1), vin(2)], {SPEED: [value, value]})
        last = await world.log.last_sequence(0)
        await eventually(lambda last=last: pump.position == last)
    first, second = await world.log.spools.read(5, 0)
    assert (first.before, second.before) == (7, 8)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_was_lost_is_told_once_the_log_is_back(world: World) -> None:
    tenant = await world.tenant("acme", 2)
    pump = Pump(0, world.log, QUICK, world.clock)
    chooser = Chooser(RULE, tenant, world.catalogue)
    channel = Channel(5, tenant, chooser, world.clock.now_us(), 1 << 20, 3600)
    channel.missing[0] = 7
    store, failures = world.log.spools._store, iter([True])

    async def failing(*stored: Any) -> None:
        if next(failures, False):
            raise DependencyError("away")
        await store(*stored)

    world.log.spools._store = failing  # type: ignore[method-assign]
    running = asyncio.create_task(pump.run(None))
    pump.serve([channel])
    await world.report("acme", [vin(1), vin(2)], {SPEED: [1.0, 2.0]})
    (message,) = await eventually(lambda: world.log.spools.read(5, 0) if pump.position else None)
    assert message.before == 7
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
