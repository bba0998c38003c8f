"""One vehicle's state over HTTP."""

from __future__ import annotations

import pytest

from api.world import SOC, SPEED, World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_state_tells_values_times_and_quality(world: World) -> None:
    answer = await world.get("alpha", f"/v1/vehicles/{vin('alpha', 1)}/state")
    assert answer.status_code == 200
    body = answer.json()
    assert body["vin"] == vin("alpha", 1)
    assert body["event_time"].endswith("Z")
    assert body["signals"][SPEED]["value"] == 39.1, "the shortest decimal of the float32"
    assert "quality" not in body["signals"][SPEED]
    assert body["signals"][SOC]["value"] is None
    assert body["signals"][SOC]["quality"] == "invalid"


async def test_state_of_some_signals_and_of_a_branch(world: World) -> None:
    path = f"/v1/vehicles/{vin('alpha', 1)}/state"
    one = await world.get("alpha", path, signals=SPEED)
    assert list(one.json()["signals"]) == [SPEED]
    branch = await world.get("alpha", path, signals="Vehicle.CurrentLocation.*")
    assert {name.rsplit(".", 1)[1] for name in branch.json()["signals"]} == {
        "Latitude",
        "Longitude",
    }


async def test_a_signal_that_is_none_is_named(world: World) -> None:
    answer = await world.get(
        "alpha", f"/v1/vehicles/{vin('alpha', 1)}/state", signals="Vehicle.Sped"
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "signals"
    assert "Vehicle.Speed" in answer.json()["detail"]


async def test_a_vin_in_small_letters_is_the_same(world: World) -> None:
    answer = await world.get("alpha", f"/v1/vehicles/{vin('alpha', 1).lower()}/state")
    assert answer.json()["vin"] == vin("alpha", 1)


async def test_a_vehicle_that_never_reported(world: World) -> None:
    new = vin("alpha", 70)
    made = await world.client.post(
        "/v1/vehicles", json={"vin": new}, headers=world.headers("alpha", "operator")
    )
    assert made.status_code == 201
    answer = await world.get("alpha", f"/v1/vehicles/{new}/state")
    assert answer.status_code == 200
    assert answer.json() == {"vin": new, "event_time": None, "signals": {}}
    some = await world.get("alpha", f"/v1/vehicles/{new}/state", signals=SPEED)
    assert some.content == answer.content
    theirs = await world.get("beta", f"/v1/vehicles/{new}/state")
    assert theirs.status_code == 404


async def test_paths_stand_in_the_order_of_the_alphabet(world: World) -> None:
    answer = await world.get("alpha", f"/v1/vehicles/{vin('alpha', 1)}/state")
    paths = list(answer.json()["signals"])
    assert paths == sorted(paths)
