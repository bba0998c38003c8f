"""The pump: what it wants of the log, and when it wants nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.js.errors import NotFoundError

from apps.forwarding.world import QUICK, SPEED, World, eventually, vin
from motorcade.apps.forwarding.choosing import Chooser
from motorcade.apps.forwarding.pump import Pump
from motorcade.apps.forwarding.putting import Channel
from motorcade.apps.forwarding.rules import Rule
from motorcade.errors import DependencyError
from motorcade.log.spools import Stuck

pytestmark = pytest.mark.engines


@contextlib.asynccontextmanager
async def broken_spool(world: World, spool: int) -> AsyncIterator[None]:
    """Somebody else's stream sits on the spool's subjects: nothing can be put while it does."""
    jetstream = world.log.spools._connection.jetstream()
    with contextlib.suppress(NotFoundError):
        await jetstream.delete_stream(f"FORWARD-{spool}")
    await jetstream.add_stream(name="SQUATTER", subjects=[f"forward.{spool}.*"])
    yield
    await jetstream.delete_stream("SQUATTER")


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
        await eventually(lambda last=last: pump.spooled == last)
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
    (message,) = await eventually(lambda: world.log.spools.read(5, 0) if pump.spooled else None)
    assert message.before == 7
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_broken_spool_holds_up_no_other_forwarder(world: World) -> None:
    """What it could not be given it gets once its spool is well, in order, and nobody twice."""
    tenant = await world.tenant("acme", 2)
    pump = Pump(0, world.log, QUICK, world.clock)
    made_us = world.clock.now_us()
    channels = [
        Channel(number, tenant, Chooser(RULE, tenant, world.catalogue), made_us, 1 << 20, 3600)
        for number in (5, 6)
    ]
    told: list[Stuck] = []

    async def stuck(spool: int, partition: int, why: Stuck) -> None:
        assert (spool, partition) == (5, 0)
        told.append(why)

    watching = await world.log.spools.watch_stuck(stuck)
    pump.serve(channels)
    running = asyncio.create_task(pump.run(None))

    async def report(value: float) -> int:
        await world.report("acme", [vin(1), vin(2)], {SPEED: [value, value]})
        return await world.log.last_sequence(0)

    first = await report(0.0)
    await eventually(lambda: pump.position == first)
    async with broken_spool(world, 5):
        for value in range(1, 6):
            last = await report(float(value))
            await eventually(lambda last=last: pump.position == last)
        assert len(await world.log.spools.read(6, 0)) == 6
        assert pump.spooled == first
        await eventually(lambda: told)
        assert "spool" in told[0].reason
        assert told[0].rows == 1
        assert 0 < told[0].time_us <= world.clock.now_us()
    await eventually(lambda: pump.spooled == last)
    last = await report(6.0)
    await eventually(lambda: pump.spooled == last)
    for spool, values in ((5, range(1, 7)), (6, range(7))):
        found = await world.log.spools.read(spool, 0)
        speeds = [
            speed
            for message in found
            for batch in message.batches
            for speed in batch.column(SPEED).to_pylist()
        ]
        assert speeds == [float(value) for value in values]
    await watching.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_forwarder_that_is_removed_while_it_is_behind_is_waited_for_no_more(
    world: World,
) -> None:
    tenant = await world.tenant("acme", 2)
    pump = Pump(0, world.log, QUICK, world.clock)
    chooser = Chooser(RULE, tenant, world.catalogue)
    broken, other = (
        Channel(number, tenant, chooser, world.clock.now_us(), 1 << 20, 3600) for number in (5, 6)
    )
    pump.serve([broken, other])
    running = asyncio.create_task(pump.run(None))
    async with broken_spool(world, 5):
        await world.report("acme", [vin(1), vin(2)], {SPEED: [1.0, 1.0]})
        last = await world.log.last_sequence(0)
        await eventually(lambda: pump.position == last)
        assert pump.spooled == last - 1
        pump.serve([other])
        assert pump.spooled == last
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
