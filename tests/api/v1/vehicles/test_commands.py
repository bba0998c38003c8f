"""Commands over HTTP: made, repeated, listed, cancelled; nothing of another tenant."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.world import World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

CAR = vin("alpha", 1)


async def _post(
    world: World, body: dict[str, Any], whose: str = "alpha", car: str = CAR, **headers: str
) -> httpx.Response:
    return await world.client.post(
        f"/v1/vehicles/{car}/commands",
        json=body,
        headers={**world.headers(whose, "operator"), **headers},
    )


async def test_a_command_is_accepted_and_found_where_it_says(world: World) -> None:
    hinted = asyncio.Event()

    async def hint(_: str, payload: bytes) -> None:
        hinted.set()

    listening = await world.log.subscribe("commands.*", hint)
    made = await _post(world, {"kind": "unlock", "parameters": {"doors": "driver"}, "ttl_s": 60})
    assert made.status_code == 202, made.text
    body = made.json()
    assert (body["state"], body["class"], body["priority"]) == ("queued", "interactive", 70)
    assert body["vin"] == CAR
    assert body["parameters"] == {"doors": "driver"}
    span = datetime.fromisoformat(body["deadline"]) - datetime.fromisoformat(body["created"])
    assert span == timedelta(seconds=60)
    found = await world.get("alpha", made.headers["location"])
    assert found.json() == body
    also = await world.get("alpha", f"/v1/commands/{body['id']}")
    assert also.json() == body
    await asyncio.wait_for(hinted.wait(), 10)
    await listening.close()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "fly"}, "kind"),
        ({"kind": "lock", "parameters": {"door": "all"}}, "parameters.door"),
        ({"kind": "report_interval"}, "parameters.interval_s"),
        ({"kind": "charge_limit", "parameters": {"soc_percent": 101}}, "parameters.soc_percent"),
        ({"kind": "set", "parameters": {"signals": {"Vehicle.Speed": 3}}}, "parameters.signals"),
        ({"kind": "lock", "class": "urgent"}, "class"),
        ({"kind": "lock", "priority": 101}, "priority"),
        ({"kind": "lock", "ttl_s": 0}, "ttl_s"),
        ({"kind": "lock", "deadline": "2020-01-01T00:00:00Z"}, "deadline"),
        ({"kind": "lock", "deadline": "2050-01-01T00:00:00"}, "deadline"),
        ({"kind": "lock", "idempotency_key": "\n"}, "idempotency_key"),
    ],
)
async def test_what_is_wrong_is_named(world: World, body: dict[str, Any], field: str) -> None:
    answer = await _post(world, body)
    assert answer.status_code == 400, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_repeated_request_makes_no_second_command(world: World) -> None:
    body = {"kind": "text", "parameters": {"text": "hello"}, "ttl_s": 100}
    first = await _post(world, body, **{"Idempotency-Key": "once"})
    second = await _post(world, {**body, "idempotency_key": "once"})
    assert first.status_code == second.status_code == 202
    assert second.json()["id"] == first.json()["id"]
    assert second.headers["location"] == first.headers["location"]
    many = await asyncio.gather(
        *(_post(world, body, **{"Idempotency-Key": "twenty"}) for _ in range(20))
    )
    assert len({one.json()["id"] for one in many}) == 1
    other = await _post(world, {**body, "ttl_s": 99}, **{"Idempotency-Key": "once"})
    assert other.status_code == 409
    at_another = await _post(world, body, car=vin("alpha", 2), **{"Idempotency-Key": "once"})
    assert at_another.json()["id"] != first.json()["id"]
    both = await _post(world, {**body, "idempotency_key": "a"}, **{"Idempotency-Key": "b"})
    assert both.status_code == 400


async def test_a_queued_command_is_cancelled_once(world: World) -> None:
    path = (await _post(world, {"kind": "lock"})).headers["location"]
    headers = world.headers("alpha", "operator")
    gone = await world.client.delete(path, headers=headers)
    assert gone.status_code == 200
    assert gone.json()["state"] == "cancelled"
    assert gone.json()["ended"] is not None
    again = await world.client.delete(path, headers=headers)
    assert again.status_code == 409
    assert "cancelled" in again.json()["detail"]


async def test_pages_and_filters(world: World) -> None:
    car = vin("alpha", 3)
    deadline = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for kind in ("lock", "unlock", "lock"):
        await _post(world, {"kind": kind, "deadline": deadline}, car=car)
    path = f"/v1/vehicles/{car}/commands"
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await world.get("alpha", path, **query)).json()
        seen += [one["kind"] for one in page["commands"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["lock", "unlock", "lock"]
    locks = (await world.get("alpha", path, kind="lock", state="open")).json()["commands"]
    assert [one["kind"] for one in locks] == ["lock", "lock"]
    none = (await world.get("alpha", path, state="sent,failed")).json()["commands"]
    assert none == []
    assert (await world.get("alpha", path, state="gone")).status_code == 400


async def test_another_tenants_commands_are_as_if_they_were_not(world: World) -> None:
    body = (await _post(world, {"kind": "lock"})).json()
    headers = world.headers("beta", "admin")
    for path in (f"/v1/commands/{body['id']}", f"/v1/vehicles/{CAR}/commands/{body['id']}"):
        assert (await world.client.get(path, headers=headers)).status_code == 404
        assert (await world.client.delete(path, headers=headers)).status_code == 404
    own = vin("beta", 1)
    crossed = f"/v1/vehicles/{own}/commands/{body['id']}"
    assert (await world.client.get(crossed, headers=headers)).status_code == 404
    assert (await _post(world, {"kind": "lock"}, whose="beta")).status_code == 404
    listed = (await world.get("beta", "/v1/commands", limit=1000)).text
    assert body["id"] not in listed


async def test_a_secret_parameter_is_not_shown(world: World) -> None:
    parameters = {"url": "https://example.org/fw", "password": "letmein"}
    made = await _post(world, {"kind": "upgrade", "parameters": parameters})
    assert made.json()["parameters"]["password"] == "set"
    assert "letmein" not in (await world.get("alpha", made.headers["location"])).text


async def test_too_many_open_commands_are_refused(world: World) -> None:
    car = vin("alpha", 5)
    made = await asyncio.gather(*(_post(world, {"kind": "lock"}, car=car) for _ in range(256)))
    assert {one.status_code for one in made} == {202}
    assert len({one.json()["number"] for one in made}) == 256
    full = await _post(world, {"kind": "lock"}, car=car)
    assert full.status_code == 429
    assert full.headers["retry-after"]
