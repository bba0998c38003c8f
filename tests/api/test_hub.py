"""The reading of the log for all streams: what fails for one of them is nobody else's loss."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from api.world import SPEED, World, vin
from motorcade.api.hub import Filter, Hub
from motorcade.api.metrics import Meters
from motorcade.api.subscribers import Subscriber
from motorcade.api.vins import Vins
from motorcade.errors import DependencyError

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

ALPHA, BETA = ([vin(tenant, 4), vin(tenant, 5)] for tenant in ("alpha", "beta"))


class Leaving:
    """The registry, which can be away."""

    def __init__(self, world: World) -> None:
        self._fleet = world.fleet
        self.away = False

    async def vins_of(self, tenant: int, numbers: Sequence[int]) -> Any:
        if self.away:
            raise DependencyError("PostgreSQL is away")
        return await self._fleet.vins_of(tenant, numbers)


def made(world: World, registry: Leaving) -> tuple[Hub, Vins]:
    services = world.services
    vins = Vins(registry, services.clock)  # type: ignore[arg-type]
    return Hub(services.log, vins, services.catalogue, services.config, Meters()), vins


async def all_of(subscriber: Subscriber, count: int) -> tuple[int, list[str]]:
    """How many it missed and the VINs it got, once they are ``count`` together."""
    missed, got = 0, []
    async with asyncio.timeout(20):
        while missed + len(got) < count:
            more, items = await subscriber.take(1.0)
            missed += more
            got += [msgspec.json.decode(item)["vin"] for item in items]
    return missed, got


async def test_a_filter_that_fails_is_its_own_loss(world: World) -> None:
    def fails(_: Any) -> Any:
        raise ZeroDivisionError

    hub, _ = made(world, Leaving(world))
    tenant = world.tenants["alpha"]
    broken = await hub.subscribe(Filter(tenant=tenant, where="broken"), fails)
    whole = await hub.subscribe(Filter(tenant=tenant), None)
    other = await hub.subscribe(Filter(tenant=world.tenants["beta"]), None)
    for _ in range(2):
        await world.report("alpha", ALPHA, {SPEED: [1.0, 2.0]})
        await world.report("beta", BETA, {SPEED: [1.0, 2.0]})
        assert await all_of(broken, 2) == (2, [])
        assert sorted((await all_of(whole, 2))[1]) == ALPHA
        assert sorted((await all_of(other, 2))[1]) == BETA
    await hub.close()
    assert isinstance(whole.error, DependencyError)


async def test_while_the_registry_is_away_vehicles_met_lately_are_streamed(world: World) -> None:
    registry = Leaving(world)
    hub, vins = made(world, registry)
    unmet = await hub.subscribe(Filter(tenant=world.tenants["alpha"]), None)
    met = await hub.subscribe(Filter(tenant=world.tenants["beta"]), None)
    await vins.names(world.tenants["beta"], [world.numbers[one] for one in BETA])
    registry.away = True
    for _ in range(2):
        await world.report("alpha", ALPHA, {SPEED: [1.0, 2.0]})
        await world.report("beta", BETA, {SPEED: [1.0, 2.0]})
        assert await all_of(unmet, 2) == (2, [])
        assert sorted((await all_of(met, 2))[1]) == BETA
    registry.away = False
    got: list[str] = []
    async with asyncio.timeout(20):
        while not got:
            await world.report("alpha", ALPHA[:1], {SPEED: [3.0]})
            _, got = await all_of(unmet, 1)
    assert got == ALPHA[:1]
    await hub.close()
