"""Keys over HTTP: made, listed without their secrets, revoked."""

from __future__ import annotations

import asyncio

import pytest

from api.world import World

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_a_key_lives_and_ends(world: World) -> None:
    admin = world.headers("alpha", "admin")
    body = {"role": "reader", "name": "dash"}
    made = (await world.client.post("/v1/keys", json=body, headers=admin)).json()
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert (await world.client.get("/v1/vehicles", headers=bearer)).status_code == 200
    listed = await world.client.get("/v1/keys", headers=admin)
    assert made["id"] in listed.text
    assert made["token"] not in listed.text
    gone = await world.client.delete(f"/v1/keys/{made['id']}", headers=admin)
    assert gone.status_code == 204
    async with asyncio.timeout(3):
        while (await _status(world, bearer)) != 401:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    again = await world.client.delete("/v1/keys/000000000000", headers=admin)
    assert again.status_code == 404


async def test_the_platform_makes_keys_for_any_tenant(world: World) -> None:
    platform = world.headers("platform", "platform")
    body = {"role": "admin", "tenant": "beta"}
    made = await world.client.post("/v1/keys", json=body, headers=platform)
    assert made.status_code == 201
    assert made.json()["tenant"] == "beta"
    own = await world.client.get("/v1/keys", headers=platform)
    assert {key["role"] for key in own.json()["keys"]} == {"platform"}


async def _status(world: World, headers: dict[str, str]) -> int:
    return (await world.client.get("/v1/vehicles", headers=headers)).status_code
