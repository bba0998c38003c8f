"""Tenants and their settings over HTTP."""

from __future__ import annotations

import pytest

from api.world import World

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_a_tenant_is_made_and_set(world: World) -> None:
    platform = world.headers("platform", "platform")
    made = await world.client.post("/v1/tenants", json={"name": "delta"}, headers=platform)
    assert made.status_code == 201
    again = await world.client.post("/v1/tenants", json={"name": "delta"}, headers=platform)
    assert again.status_code == 409
    bad = await world.client.post("/v1/tenants", json={"name": "Delta!"}, headers=platform)
    assert bad.status_code == 400
    names = (await world.client.get("/v1/tenants", headers=platform)).json()["tenants"]
    assert {"alpha", "beta", "delta"} <= {tenant["name"] for tenant in names}


async def test_settings_change_by_key_and_secrets_stay_hidden(world: World) -> None:
    admin = world.headers("beta", "admin")
    key = "00112233445566778899aabbccddeeff"
    changes = {"vin_check_digit": False, "gbt32960": {"aes_key_hex": key}}
    await world.client.patch("/v1/tenants/beta", json=changes, headers=admin)
    changes = {"gbt32960": {"acknowledge_reports": "standard"}}
    answer = await world.client.patch("/v1/tenants/beta", json=changes, headers=admin)
    assert answer.status_code == 200
    assert answer.json()["settings"]["gbt32960"]["acknowledge_reports"] == "standard"
    assert answer.json()["settings"]["gbt32960"]["aes_key_hex"] == "set"
    assert key not in answer.text
    stored = await world.fleet.tenant(world.tenants["beta"])
    assert stored.settings.gbt32960.aes_key_hex == key
    wrong = await world.client.patch("/v1/tenants/beta", json={"colour": 1}, headers=admin)
    assert wrong.status_code == 400
