"""A tenant's downlink policy over HTTP."""

from __future__ import annotations

import pytest

from api.world import World

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_the_policy_is_the_tenants_own(world: World) -> None:
    headers = world.headers("alpha", "admin")
    before = (await world.get("alpha", "/v1/commands/policy")).json()
    assert before["policy"]["classes"]["bulk"]["never"] == ["satellite"]
    changes = {
        "bearers": {"satellite": {"silence_s": 600}},
        "classes": {"bulk": {"never": []}, "interactive": {"cost": 5}},
        "in_flight_per_vehicle": 2,
    }
    answer = await world.client.put("/v1/commands/policy", json=changes, headers=headers)
    assert answer.status_code == 200, answer.text
    policy = answer.json()["policy"]
    assert policy["bearers"]["satellite"]["silence_s"] == 600
    assert policy["bearers"]["satellite"]["cost"] == 1000, "what is not named stays"
    assert policy["classes"]["bulk"]["never"] == []
    assert policy["in_flight_per_vehicle"] == 2
    assert (await world.get("alpha", "/v1/commands/policy")).json() == answer.json()
    other = (await world.get("beta", "/v1/commands/policy")).json()
    assert other["policy"] == before["policy"]
    assert not any(other["changes"].values())
    for wrong in (
        {"bearers": {"pigeon": {"cost": 1}}},
        {"bearers": {"lte": {"silence_s": 0}}},
        {"classes": {"bulk": {"never": ["pigeon"]}}},
        {"in_flight_per_vehicle": 0},
    ):
        refused = await world.client.put("/v1/commands/policy", json=wrong, headers=headers)
        assert refused.status_code == 400, wrong
    reset = await world.client.put("/v1/commands/policy", json={}, headers=headers)
    assert reset.json()["policy"] == before["policy"]
