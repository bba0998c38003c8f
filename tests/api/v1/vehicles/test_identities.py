"""Names of vehicles over HTTP."""

from __future__ import annotations

import pytest

from api.world import World, device, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_given_listed_taken_away(world: World) -> None:
    path = f"/v1/vehicles/{vin('alpha', 2)}/identities"
    headers = world.headers("alpha", "admin")
    body = {"kind": "phone", "value": "013911112222"}
    for _ in range(2):
        made = await world.client.post(path, json=body, headers=headers)
        assert made.status_code == 201, made.text
        assert (made.json()["kind"], made.json()["value"]) == ("phone", "13911112222")
    found = (await world.get("alpha", path, "admin")).json()["identities"]
    assert [(one["kind"], one["value"]) for one in found] == [("phone", "13911112222")]
    assert found[0]["terminal"] is None
    await world.fleet.identify("phone", ["13911112222"], terminals={"13911112222": "70111/A000042"})
    found = (await world.get("alpha", path, "admin")).json()["identities"]
    assert found[0]["terminal"] == "70111/A000042"
    for _ in range(1):
        gone = await world.client.delete(f"{path}/phone/13911112222", headers=headers)
        assert gone.status_code == 204
    gone = await world.client.delete(f"{path}/phone/13911112222", headers=headers)
    assert gone.status_code == 404
    assert (await world.get("alpha", path, "admin")).json() == {"identities": []}


async def test_anothers_name_is_not_available(world: World) -> None:
    body = {"kind": "device", "value": device("beta")}
    path = f"/v1/vehicles/{vin('alpha', 2)}/identities"
    answer = await world.client.post(path, json=body, headers=world.headers("alpha", "admin"))
    assert answer.status_code == 409
    assert vin("beta", 1) not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "phone"},
        {"kind": "phone", "value": "12x"},
        {"kind": "vin", "value": "1"},
        {"kind": "imei", "value": "1" * 33},
        {"kind": "phone", "value": "1", "more": 1},
    ],
)
async def test_what_is_no_name(world: World, body: dict[str, object]) -> None:
    path = f"/v1/vehicles/{vin('alpha', 2)}/identities"
    answer = await world.client.post(path, json=body, headers=world.headers("alpha", "admin"))
    assert answer.status_code == 400, answer.text


async def test_names_that_nobody_has(world: World) -> None:
    path = f"/v1/vehicles/{vin('alpha', 2)}/identities"
    for end in ("phone/1", "device/%00", f"device/{device('beta')}"):
        answer = await world.client.delete(f"{path}/{end}", headers=world.headers("alpha", "admin"))
        assert answer.status_code == 404, answer.text
