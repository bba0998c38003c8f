"""The pump: what it wants of the log, and when it wants nothing."""

from __future__ import annotations

import asyncio

import pytest

from apps.forwarding.world import QUICK, SPEED, World, eventually, vin
from motorcade.apps.forwarding.choosing import Chooser
from motorcade.apps.forwarding.pump import Channel, Pump
from motorcade.apps.forwarding.rules import Rule

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
