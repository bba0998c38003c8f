"""The whole fleet's state over HTTP."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from api.world import LATITUDE, SPEED, World, vin
from motorcade.api.parameters import cursor as written

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_a_box_and_a_predicate_choose(world: World) -> None:
    query = {"bbox": "121,31,122,31.2025", "where": f"{SPEED} >= 49"}
    body = (await world.get("alpha", "/v1/state", **query)).json()
    assert [car["vin"] for car in body["vehicles"]] == [vin("alpha", 2), vin("alpha", 3)]
    assert body["vehicles"][0]["signals"][SPEED] == 49.1
    assert LATITUDE in body["vehicles"][0]["signals"], "position is shown without asking"


async def test_pages_lead_on(world: World) -> None:
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await world.get("alpha", "/v1/state", **query)).json()
        seen += [car["vin"] for car in page["vehicles"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [vin("alpha", n) for n in range(1, 6)]


async def test_csv_and_arrow(world: World) -> None:
    headers = world.headers("alpha")
    answer = await world.client.get("/v1/state", headers={**headers, "Accept": "text/csv"})
    assert answer.text.splitlines()[0].startswith('"vin","event_time"') or answer.text.startswith(
        "vin,event_time"
    )
    assert len(answer.text.splitlines()) == 6
    kind = "application/vnd.apache.arrow.stream"
    answer = await world.client.get("/v1/state", headers={**headers, "Accept": kind})
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table.column("vin").to_pylist() == [vin("alpha", n) for n in range(1, 6)]


async def test_what_is_wrong_is_named(world: World) -> None:
    for query, field in (
        ({"bbox": "1,2,3"}, "bbox"),
        ({"bbox": "nan,0,1,1"}, "bbox"),
        ({"bbox": "0,50,1,40"}, "bbox"),
        ({"where": "Vehicle.Speed >"}, "where"),
        ({"where": "drop table"}, "where"),
        ({"signals": "Nothing.*"}, "signals"),
        ({"cursor": "!"}, "cursor"),
        ({"cursor": written(-5)}, "cursor"),
        ({"cursor": written(1 << 63)}, "cursor"),
        ({"limit": 10_001}, "limit"),
        ({"limit": "x"}, "limit"),
    ):
        answer = await world.get("alpha", "/v1/state", **query)
        assert answer.status_code == 400, query
        assert answer.json()["code"] == "caller.invalid"
        assert answer.json()["errors"][0]["field"] == field, answer.text
