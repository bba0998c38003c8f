"""Registering, listing and removing vehicles over HTTP."""

from __future__ import annotations

import pytest

from api.world import World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_json_and_csv_in_all_or_nothing(world: World) -> None:
    headers = world.headers("beta", "operator")
    rows = [{"vin": vin("beta", n), "labels": ["many"]} for n in range(1000, 3000)]
    made = await world.client.post("/v1/vehicles", json=rows, headers=headers)
    assert made.status_code == 201
    assert made.json() == {"added": 2000}
    text = f"vin,model\n{vin('beta', 4000)},M\n{vin('beta', 1000)},M\nSHORT,M\n"
    answer = await world.client.post(
        "/v1/vehicles", content=text, headers={**headers, "Content-Type": "text/csv"}
    )
    assert answer.status_code == 400
    errors = answer.json()["errors"]
    assert [error["line"] for error in errors] == [3, 4]
    missing = await world.get("beta", f"/v1/vehicles/{vin('beta', 4000)}")
    assert missing.status_code == 404, "nothing is half imported"


async def test_a_large_list_says_which_row_is_wrong(world: World) -> None:
    rows: list[object] = [{"vin": vin("beta", n), "model": "M" * 40} for n in range(5000, 7000)]
    rows[1233] = {"vin": 5}
    headers = world.headers("beta", "operator")
    answer = await world.client.post("/v1/vehicles", json=rows, headers=headers)
    assert answer.status_code == 400
    assert "row 1234" in answer.json()["errors"][0]["message"]


async def test_pages_filters_and_search(world: World) -> None:
    rows = [{"vin": vin("beta", n), "labels": ["paged"]} for n in range(10_000, 12_000)]
    headers = world.headers("beta", "operator")
    assert (await world.client.post("/v1/vehicles", json=rows, headers=headers)).is_success
    seen: list[str] = []
    cursor = None
    while True:
        query = {"label": "paged", "limit": 900, **({"cursor": cursor} if cursor else {})}
        page = (await world.get("beta", "/v1/vehicles", **query)).json()
        seen += [row["vin"] for row in page["vehicles"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 2000
    found = await world.get("beta", "/v1/vehicles", search=vin("beta", 11_234)[-6:])
    assert [row["vin"] for row in found.json()["vehicles"]] == [vin("beta", 11_234)]
    assert "number" not in found.json()["vehicles"][0], "numbers are for the platform alone"


async def test_a_removed_vehicle_is_gone_at_once(world: World) -> None:
    gone, headers = vin("beta", 9_999), world.headers("beta", "operator")
    answer = await world.client.post("/v1/vehicles", json=[{"vin": gone}], headers=headers)
    assert answer.status_code in (200, 201)
    assert (await world.get("beta", f"/v1/vehicles/{gone}")).status_code == 200
    answer = await world.client.delete(f"/v1/vehicles/{gone}", headers=headers)
    assert answer.status_code == 204
    assert (await world.get("beta", f"/v1/vehicles/{gone}")).status_code == 404


async def test_bodies_nobody_can_read(world: World) -> None:
    headers = world.headers("beta", "operator")
    for content, kind in (
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"vim":"x"}', "application/json"),
        (b"\xff\xfe", "text/csv"),
        (b"<vin/>", "application/xml"),
    ):
        answer = await world.client.post(
            "/v1/vehicles", content=content, headers={**headers, "Content-Type": kind}
        )
        assert answer.status_code == 400, content
        assert answer.headers["content-type"] == "application/problem+json"
