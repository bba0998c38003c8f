"""The app whole, as a worker runs it: a bulk job and a wish reach the vehicles."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from apps.commands.world import CATALOGUE, FakeLink, World
from engines_nats import until
from motorcade.apps.commands.bulk import Bulks, Chosen
from motorcade.apps.commands.desired import Condition, DesiredStates
from motorcade.apps.commands.worker import CommandsWorker
from motorcade.node.events import EventReader

pytestmark = pytest.mark.engines

AIR = "Vehicle.Cabin.HVAC.IsAirConditioningActive"


async def test_a_bulk_job_and_a_wish_reach_the_vehicles(world: World) -> None:
    gateway = await world.gateway()
    said: dict[int, Any] = {}

    async def reported(vehicle: int, _: int, __: Sequence[str]) -> Mapping[str, Any]:
        return {AIR: said.get(vehicle, False)}

    worker = CommandsWorker(
        world.fleet.store, world.log, world.links, CATALOGUE,
        clock=world.clock, partitions=range(2), config=world.config,
        select=lambda *_: [], reported=reported,
    )  # fmt: skip
    await worker.start()
    reader = EventReader(world.log, range(2), [worker], world.clock.now_us)
    tasks = [asyncio.create_task(one.run()) for one in (worker, reader)]
    try:
        cars = list(world.vehicles.values())
        for car in cars:
            world.links.up(car, FakeLink(f"l{car}"))
        bulks = Bulks(world.fleet.store, world.log, world.clock, 2)
        job = await bulks.create(
            world.tenant, world.ask("locate", ttl_s=60), Chosen(), rate=1_000.0
        )
        states = DesiredStates(world.fleet.store, world.log, CATALOGUE, world.clock, 2)
        await states.put(world.tenant, cars[0], {AIR: True}, Condition())

        async def done() -> bool:
            found = await bulks.job(world.tenant, job.id)
            sets = await world.desk.page(world.tenant, kind="set", states=["succeeded"])
            return found.states == {"succeeded": 10} and len(sets.rows) == 1

        await until(done)
        assert len(gateway.heard) == 11
        figures = worker.render()
        assert "motorcade_commands_tries_total 11.0" in figures
        assert "motorcade_commands_out 0.0" in figures
        assert worker.position(0) >= 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_ends_one_part_ends_the_whole(world: World) -> None:
    def worker() -> CommandsWorker:
        return CommandsWorker(
            world.fleet.store, world.log, world.links, CATALOGUE,
            clock=world.clock, partitions=range(2), config=world.config,
            select=lambda *_: [], reported=_nothing,
        )  # fmt: skip

    old, new = worker(), worker()
    await old.start()
    await new.start()
    with pytest.raises(Exception, match="taken over"):
        await asyncio.wait_for(old.run(), 10.0)


async def _nothing(_: int, __: int, ___: Sequence[str]) -> Mapping[str, Any]:
    return {}
