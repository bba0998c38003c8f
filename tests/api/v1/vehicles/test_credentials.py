"""Credentials of vehicles over HTTP: shown once, listed without, ended."""

from __future__ import annotations

import pytest

from api.world import World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_made_listed_revoked(world: World) -> None:
    path = f"/v1/vehicles/{vin('alpha', 3)}/credentials"
    headers = world.headers("alpha", "admin")
    made = {}
    for kind in ("token", "key", "auth_code"):
        answer = await world.client.post(path, json={"kind": kind, "name": "x"}, headers=headers)
        assert answer.status_code == 201, answer.text
        made[kind] = answer.json()
    assert made["token"]["secret"].startswith("vt_")
    assert len(made["key"]["secret"]) == 32
    assert len(made["auth_code"]["secret"]) == 16
    answer = await world.get("alpha", path, "admin")
    listed = answer.json()["credentials"]
    assert {one["id"] for one in listed} == {made["token"]["id"], made["key"]["id"]}
    assert not [one for one in made.values() if one["secret"] in answer.text]
    gone = await world.client.delete(f"{path}/{made['token']['id']}", headers=headers)
    assert gone.status_code == 204
    listed = (await world.get("alpha", path, "admin")).json()["credentials"]
    assert {one["kind"]: one["revoked"] is not None for one in listed} == {
        "token": True,
        "key": False,
    }


async def test_those_that_are_not_there(world: World) -> None:
    headers = world.headers("alpha", "admin")
    path = f"/v1/vehicles/{vin('alpha', 2)}/credentials"
    for end in ("none", "%00", world.credential_ids["beta"], world.credential_ids["alpha"]):
        answer = await world.client.delete(f"{path}/{end}", headers=headers)
        assert answer.status_code == 404, answer.text
    for wrong in ({"kind": "password"}, {"kind": "key", "key": "0" * 31}, {"key": "0" * 32}):
        answer = await world.client.post(path, json=wrong, headers=headers)
        assert answer.status_code == 400, wrong


async def test_a_key_the_vehicle_has_already(world: World) -> None:
    path = f"/v1/vehicles/{vin('alpha', 4)}/credentials"
    body = {"kind": "key", "key": "0123456789ABCDEF0123456789abcdef"}
    answer = await world.client.post(path, json=body, headers=world.headers("alpha", "admin"))
    assert answer.json()["secret"] == body["key"].lower()
