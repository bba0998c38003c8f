"""Desired states over HTTP: set, changed under conditions, compared with what is reported."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.world import World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

AIR = "Vehicle.Cabin.HVAC.IsAirConditioningActive"
WARM = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
FAN = "Vehicle.Cabin.HVAC.Station.Row1.Driver.FanSpeed"


async def _do(
    world: World, method: str, body: dict[str, Any] | None = None, n: int = 1, **headers: str
) -> httpx.Response:
    return await world.client.request(
        method,
        f"/v1/vehicles/{vin('beta', n)}/desired",
        json=body,
        headers={**world.headers("beta", "operator"), **headers},
    )


async def test_it_is_set_changed_and_ended_by_version(world: World) -> None:
    assert (await _do(world, "GET")).status_code == 404
    made = await _do(world, "PUT", {"signals": {AIR: True, WARM: 21}}, **{"If-None-Match": "*"})
    assert made.status_code == 200, made.text
    first = made.headers["etag"]
    assert first == f'"{made.json()["version"]}"'
    twice = await _do(world, "PUT", {"signals": {AIR: False}}, **{"If-None-Match": "*"})
    assert twice.status_code == 412
    assert twice.json()["code"] == "caller.precondition"
    changed = await _do(world, "PATCH", {"signals": {AIR: None, WARM: 22}}, **{"If-Match": first})
    assert changed.status_code == 200
    assert {path: one["desired"] for path, one in changed.json()["signals"].items()} == {WARM: 22}
    stale = await _do(world, "PUT", {"signals": {AIR: True}}, **{"If-Match": first})
    assert stale.status_code == 412
    assert (await _do(world, "DELETE", **{"If-Match": first})).status_code == 412
    seen = await _do(world, "GET")
    assert seen.headers["etag"] == changed.headers["etag"]
    assert (await _do(world, "DELETE", **{"If-Match": seen.headers["etag"]})).status_code == 204
    assert (await _do(world, "GET")).status_code == 404
    assert (await _do(world, "PUT", {"signals": {AIR: True}}, **{"If-Match": "*"})).status_code == (
        412
    )
    again = await _do(world, "PUT", {"signals": {AIR: True}})
    assert int(again.json()["version"]) > int(seen.json()["version"]), "a version comes once"
    await _do(world, "DELETE")


async def test_each_signal_says_whether_it_converged(world: World) -> None:
    await _do(world, "PUT", {"signals": {AIR: True, WARM: 21}}, n=2)
    body = (await _do(world, "GET", n=2)).json()
    assert not body["converged"]
    assert body["signals"][AIR] == {
        "desired": True,
        "reported": None,
        "time": None,
        "converged": False,
    }
    await world.report("beta", [vin("beta", 2)], {AIR: [True], WARM: [20]})
    body = (await _do(world, "GET", n=2)).json()
    assert [body["signals"][one]["converged"] for one in (AIR, WARM)] == [True, False]
    assert body["signals"][WARM]["reported"] == 20
    await world.report("beta", [vin("beta", 2)], {WARM: [21]})
    assert (await _do(world, "GET", n=2)).json()["converged"]
    await _do(world, "DELETE", n=2)


@pytest.mark.parametrize(
    ("signals", "says"),
    [
        ({}, "1 to"),
        ({"Vehicle.Speed": 3}, "no actuator"),
        ({"Vehicle.Nothing": 3}, "no signal"),
        ({AIR: "yes"}, "true or false"),
        ({FAN: 200}, "between"),
        ({FAN: 20.5}, "whole number"),
        ({AIR: None}, "true or false"),
    ],
)
async def test_only_actuators_of_the_right_type(
    world: World, signals: dict[str, Any], says: str
) -> None:
    answer = await _do(world, "PUT", {"signals": signals}, n=3)
    assert answer.status_code == 400
    assert says in answer.json()["errors"][0]["message"]


async def test_conditions_that_cannot_be_read_are_refused(world: World) -> None:
    for headers in ({"If-Match": "3"}, {"If-None-Match": '"3"'}, {"If-Match": '"x"'}):
        answer = await _do(world, "PUT", {"signals": {AIR: True}}, n=3, **headers)
        assert answer.status_code == 400


async def test_another_tenant_desires_nothing_of_it(world: World) -> None:
    for method, body in (("GET", None), ("PUT", {"signals": {AIR: True}}), ("DELETE", None)):
        answer = await world.client.request(
            method,
            f"/v1/vehicles/{vin('beta', 1)}/desired",
            json=body,
            headers=world.headers("alpha", "admin"),
        )
        assert answer.status_code == 404
