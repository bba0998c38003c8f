"""The short way to a state answers as the long way does, and only where it may."""

from __future__ import annotations

import pytest

from api.world import World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_both_ways_write_the_same_bytes(world: World) -> None:
    path = f"/v1/vehicles/{vin('alpha', 3)}/state"
    long = await world.get("alpha", path, tenant="alpha")
    short = await world.client.get(path, headers=world.headers("alpha"))
    assert short.status_code == long.status_code == 200
    assert short.content == long.content
    assert short.headers["content-type"] == long.headers["content-type"]


async def test_another_tenants_vehicle_is_not_found_either_way(world: World) -> None:
    path = f"/v1/vehicles/{vin('alpha', 3)}/state"
    assert (await world.client.get(path, headers=world.headers("alpha"))).status_code == 200
    for headers in (world.headers("beta"), world.headers("beta", "admin")):
        assert (await world.client.get(path, headers=headers)).status_code == 404
    nobody = await world.client.get(path)
    assert nobody.status_code == 401
    platform = await world.client.get(path, headers=world.headers("platform", "platform"))
    assert platform.status_code == 400
