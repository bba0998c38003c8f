"""Bulk jobs over HTTP: made, repeated, watched, paused, cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from api.world import World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_a_bulk_job_is_made_watched_paused_and_cancelled(world: World) -> None:
    headers = world.headers("alpha", "operator")
    body: dict[str, Any] = {"kind": "locate", "label": "alpha", "rate_per_s": 5}
    made = await world.client.post("/v1/commands", json=body, headers=headers)
    assert made.status_code == 202, made.text
    path = made.headers["location"]
    seen = (await world.get("alpha", path)).json()
    assert (seen["state"], seen["made"], seen["kind"], seen["states"]) == (
        "running", 0, "locate", {},
    )  # fmt: skip
    for state in ("paused", "running", "cancelled"):
        answer = await world.client.patch(path, json={"state": state}, headers=headers)
        assert answer.json()["state"] == state
    answer = await world.client.patch(path, json={"state": "running"}, headers=headers)
    assert answer.status_code == 409
    jobs = (await world.get("alpha", "/v1/commands/bulk")).json()["jobs"]
    assert jobs[0]["id"] == seen["id"]
    assert seen["id"] not in (await world.get("beta", "/v1/commands/bulk")).text
    assert (await world.get("beta", path)).status_code == 404


async def test_a_bulk_job_is_repeated_by_its_key(world: World) -> None:
    headers = {**world.headers("alpha", "operator"), "Idempotency-Key": "bulk-1"}
    body: dict[str, Any] = {"kind": "lock", "vehicles": [vin("alpha", 1), vin("alpha", 2)]}
    first = await world.client.post("/v1/commands", json=body, headers=headers)
    second = await world.client.post("/v1/commands", json=body, headers=headers)
    assert first.json()["vehicles"] == 2
    assert first.json()["id"] == second.json()["id"]
    body["vehicles"].pop()
    other = await world.client.post("/v1/commands", json=body, headers=headers)
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "lock"}, "vehicles"),
        ({"kind": "lock", "vehicles": ["LATEST00000000099"]}, "vehicles"),
        ({"kind": "lock", "vehicles": [vin("beta", 1)]}, "vehicles"),
        ({"kind": "lock", "all": True, "vehicles": [vin("alpha", 1)]}, "vehicles"),
        ({"kind": "lock", "where": "Vehicle.Speed >"}, "where"),
        ({"kind": "lock", "bbox": "1,2,3"}, "bbox"),
        ({"kind": "fly", "all": True}, "kind"),
    ],
)
async def test_what_is_wrong_is_named(world: World, body: dict[str, Any], field: str) -> None:
    headers = world.headers("alpha", "operator")
    answer = await world.client.post("/v1/commands", json=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]
