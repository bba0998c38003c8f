"""Desired states brought about: set, waited for, set again seldom, ended by reports or callers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from apps.commands.world import CATALOGUE, FakeLink, World
from engines_nats import until
from motorcade.apps.commands.desired import Condition, DesiredStates, differs
from motorcade.apps.commands.desired_runner import DesiredRunner
from motorcade.apps.commands.row import Row

AIR = "Vehicle.Cabin.HVAC.IsAirConditioningActive"
FAN = "Vehicle.Cabin.HVAC.Station.Row1.Driver.FanSpeed"
ANY = Condition()

pytestmark = pytest.mark.engines


class Wishes:
    """Desired states and their runner; ``said`` is what the vehicles report."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: dict[int, dict[str, Any]] = {}
        self.woken: list[int] = []
        self.states = DesiredStates(
            world.fleet.store, world.log, CATALOGUE, world.clock, world.log.partitions
        )
        self.config = msgspec.structs.replace(world.config, desired_first_s=1.0)

    async def reported(self, vehicle: int, tenant: int, paths: Sequence[str]) -> Mapping[str, Any]:
        assert tenant == self.world.tenant
        return {path: value for path, value in self.said.get(vehicle, {}).items() if path in paths}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[DesiredRunner]:
        world = self.world
        runner = DesiredRunner(
            world.fleet.store, world.log, CATALOGUE,
            clock=world.clock, config=self.config, own=range(world.log.partitions),
            links=world.links.links, reported=self.reported, notice=lambda _: None,
            wake=lambda _, vehicle, __: self.woken.append(vehicle),
        )  # fmt: skip
        world.links.on_link(lambda vehicle, _: runner.linked(vehicle))
        task = asyncio.create_task(runner.run())
        try:
            yield runner
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def put(self, vehicle: int, signals: dict[str, Any]) -> UUID | None:
        _, command = await self.states.put(self.world.tenant, vehicle, signals, ANY)
        return command

    async def made(self, vehicle: int) -> list[Row]:
        page = await self.world.desk.page(self.world.tenant, vehicle=vehicle, kind="set")
        return page.rows

    async def until_made(self, vehicle: int, count: int) -> list[Row]:
        async def there() -> bool:
            return len(await self.made(vehicle)) >= count

        await until(there)
        return await self.made(vehicle)


@pytest.fixture
def wishes(world: World) -> Wishes:
    return Wishes(world)


async def test_what_differs_is_set_until_it_is_reported(wishes: Wishes, world: World) -> None:
    gateway = await world.gateway()
    car = world.vehicles[1]
    world.links.up(car, FakeLink("l"))
    wishes.said[car] = {AIR: False, FAN: 30}
    async with wishes.running(), world.serving():
        await wishes.put(car, {AIR: True, FAN: 30})
        (row,) = await wishes.until_made(car, 1)
        assert row.parameters == {"signals": {AIR: True}}, "what is right already is left alone"
        await world.until_state(row.id, "succeeded")
        wishes.said[car][AIR] = True
        await asyncio.sleep(2.5)
        assert len(gateway.heard) == 1
        found = await wishes.states.get(world.tenant, car)
        assert found.command == row.id


async def test_a_vehicle_that_does_not_follow_is_asked_ever_more_seldom(
    wishes: Wishes, world: World
) -> None:
    await world.gateway()
    car = world.vehicles[1]
    world.links.up(car, FakeLink("l"))
    async with wishes.running(), world.serving():
        await wishes.put(car, {AIR: True})
        rows = await wishes.until_made(car, 3)
        times = sorted(row.made_us for row in rows)
        first, second = times[1] - times[0], times[2] - times[1]
        assert first >= 900_000
        assert second >= 1_900_000


async def test_one_command_is_out_at_a_time(wishes: Wishes, world: World) -> None:
    """Nobody sends it: it stays queued, and no second one is made beside it."""
    car = world.vehicles[1]
    world.links.up(car, FakeLink("l"))
    async with wishes.running():
        await wishes.put(car, {AIR: True})
        await wishes.until_made(car, 1)
        await asyncio.sleep(2.5)
        assert len(await wishes.made(car)) == 1


async def test_a_vehicle_without_a_link_is_woken_and_served_when_it_comes(
    wishes: Wishes, world: World
) -> None:
    car = world.vehicles[1]
    async with wishes.running():
        await wishes.put(car, {AIR: True})

        async def rung() -> bool:
            return wishes.woken == [car]

        await until(rung)
        assert await wishes.made(car) == []
        world.links.up(car, FakeLink("l"))
        await wishes.until_made(car, 1)


async def test_other_wishes_begin_anew_and_none_end_it(wishes: Wishes, world: World) -> None:
    car = world.vehicles[1]
    world.links.up(car, FakeLink("l"))
    async with wishes.running():
        await wishes.put(car, {AIR: True})
        (first,) = await wishes.until_made(car, 1)
        assert await wishes.put(car, {FAN: 50}) == first.id
        await world.desk.cancel(world.tenant, first.id)
        rows = await wishes.until_made(car, 2)
        assert rows[0].parameters == {"signals": {FAN: 50}}
        await wishes.states.delete(world.tenant, car, ANY)
        await asyncio.sleep(1.5)
        assert len(await wishes.made(car)) == 2


async def test_a_drift_is_put_right_when_the_vehicle_comes_back(
    wishes: Wishes, world: World
) -> None:
    car = world.vehicles[1]
    wishes.said[car] = {AIR: True}
    async with wishes.running():
        await wishes.put(car, {AIR: True})
        await asyncio.sleep(0.5)
        wishes.said[car] = {AIR: False}
        world.links.up(car, FakeLink("l"))
        (row,) = await wishes.until_made(car, 1)
        assert row.parameters == {"signals": {AIR: True}}


async def test_a_wish_that_means_nothing_any_more_holds_up_nobody(
    wishes: Wishes, world: World
) -> None:
    """As after a change of the catalogue: it was good when it was made."""
    odd, car = world.vehicles[1], world.vehicles[2]
    for one in (odd, car):
        await wishes.put(one, {FAN: 50})
        world.links.up(one, FakeLink(f"l{one}"))
    async with world.fleet.store.tenant(world.tenant) as connection:
        await connection.execute(
            "UPDATE desired_states SET signals = jsonb_build_object(%s::text, 1000)"
            " WHERE vehicle = %s",
            (FAN, odd),
        )
    async with wishes.running():
        (row,) = await wishes.until_made(car, 1)
        assert row.parameters == {"signals": {FAN: 50}}
    assert await wishes.made(odd) == []


def test_values_are_compared_as_they_are_stored() -> None:
    assert not differs(21.3, 21.299999237060547, "float")
    assert differs(21.3, 21.299999237060547, "double")
    assert differs(True, None, "boolean")
    assert not differs([1.1, 2.0], [1.100000023841858, 2.0], "float[]")
    assert differs([1.0], [1.0, 2.0], "float[]")
    assert differs("OPEN", "CLOSED", "string")
