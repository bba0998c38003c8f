"""A query parameter that an address does not know is refused by name, on every address."""

from __future__ import annotations

import pytest
import websockets

from api.world import SPEED, World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_every_address_refuses_what_it_does_not_know(world: World) -> None:
    for path, item in world.openapi()["paths"].items():
        for method in item:
            at = path.replace("{vin}", vin("alpha", 1)).replace("{name}", "alpha")
            answer = await world.client.request(
                method.upper(),
                at.replace("{key_id}", world.key_ids["alpha"]),
                params={"zzz": "1"},
                headers=world.headers("platform", "platform"),
            )
            assert answer.status_code == 400, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert [error["field"] for error in answer.json()["errors"]] == ["zzz"], (method, path)


async def test_the_nearest_known_one_is_named(world: World) -> None:
    state = f"/v1/vehicles/{vin('alpha', 1)}/state"
    for path, query, meant in (
        (state, {"signal": SPEED}, "did you mean signals?"),
        (state, {"Signals": SPEED}, "did you mean signals?"),
        (f"/v1/vehicles/{vin('alpha', 1)}/history", {"since": "-1h"}, "takes aggregate, cursor"),
        ("/v1/vehicles", {"labels": "pilot"}, "did you mean label?"),
        ("/v1/stream", {"vins": vin("alpha", 1)}, "did you mean vin?"),
        ("/v1/health", {"x": "1"}, "takes no query parameters"),
    ):
        answer = await world.get("alpha", path, **query)
        assert answer.status_code == 400, path
        assert meant in answer.json()["detail"]
        assert answer.json()["errors"][0]["field"] == next(iter(query))


async def test_the_short_way_does_not_pass_it_over(world: World) -> None:
    state = f"/v1/vehicles/{vin('alpha', 2)}/state"
    assert (await world.get("alpha", state)).status_code == 200
    assert (await world.get("alpha", state, sginals=SPEED)).status_code == 400
    assert (await world.client.get(f"{state}?", headers=world.headers("alpha"))).status_code == 200


async def test_twice_the_same_is_refused(world: World) -> None:
    answer = await world.client.get("/v1/state?limit=1&limit=2", headers=world.headers("alpha"))
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "limit", "message": "is given more than once"}]


async def test_a_long_name_is_not_said_back_whole(world: World) -> None:
    answer = await world.get("alpha", "/v1/state", **{"x" * 3000: "1"})
    assert answer.status_code == 400
    assert len(answer.content) < 1000


async def test_who_may_not_ask_is_told_so_first(world: World) -> None:
    assert (await world.client.get("/v1/state?zzz=1")).status_code == 401
    answer = await world.get("alpha", "/v1/tenants", zzz="1")
    assert answer.status_code == 403


async def test_a_websocket_is_refused_at_the_handshake(world: World) -> None:
    address = world.server.address.replace("http", "ws") + "/v1/stream?signal=Vehicle.Speed"
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(address, additional_headers=world.headers("alpha"))
    assert refused.value.response.status_code in (400, 403)


async def test_pages_may_be_given_any(world: World) -> None:
    for path in ("/docs?theme=dark", "/openapi.json?v=2"):
        assert (await world.client.get(path)).status_code == 200
