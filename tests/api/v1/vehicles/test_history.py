"""One vehicle's history over HTTP, in every representation."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest

from api.world import SOC, SPEED, World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


def path(number: int = 2) -> str:
    return f"/v1/vehicles/{vin('alpha', number)}/history"


async def test_raw_rows_are_in_order_each_once(world: World) -> None:
    answer = await world.get("alpha", path(), **{"from": "-1h", "signals": SPEED})
    assert answer.status_code == 200
    body = answer.json()
    assert [row["signals"][SPEED] for row in body["rows"]] == [47.1, 48.1, 49.1]
    assert body["rows"] == sorted(body["rows"], key=lambda row: row["event_time"])
    assert body["complete"] is True
    assert body["next"] is None
    assert body["rows"][0]["kind"] == "report"


async def test_a_row_says_when_it_came_and_what_was_not_valid(world: World) -> None:
    rows = (await world.get("alpha", path(), **{"from": "-1h"})).json()["rows"]
    for row in rows:
        assert list(row)[:4] == ["event_time", "ingest_time", "kind", "reissued"]
        assert all(name.startswith("Vehicle.") for name in row["signals"])
    assert rows[-1]["quality"] == {SOC: "invalid"}
    assert "quality" not in rows[0], "what is null is left out"
    assert "raw" not in rows[0]
    headers = {**world.headers("alpha"), "Accept": "text/csv"}
    answer = await world.client.get(path(), params={"from": "-1h"}, headers=headers)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    head = next(csv.reader(io.StringIO(answer.text)))
    assert head[:6] == ["event_time", "ingest_time", "kind", "reissued", "quality", "raw"]
    assert all(name.startswith("Vehicle.") for name in head[6:])


async def test_pages_lead_on(world: World) -> None:
    speeds, cursor = [], None
    for _ in range(3):
        query = {"from": "-1h", "signals": SPEED, "limit": 1}
        if cursor:
            query["cursor"] = cursor
        body = (await world.get("alpha", path(), **query)).json()
        speeds += [row["signals"][SPEED] for row in body["rows"]]
        cursor = body["next"]
    assert speeds == [47.1, 48.1, 49.1]
    assert cursor is None


async def test_rows_that_say_nothing_of_the_signals_are_left_out(world: World) -> None:
    """Neither a value nor that it is not valid; pages lead over them all the same."""
    query = {"from": "-1h", "signals": SOC}
    rows = (await world.get("alpha", path(), **query)).json()["rows"]
    assert [(row["quality"], row["signals"]) for row in rows] == [({SOC: "invalid"}, {})]
    seen, pages = [], 0
    cursor = None
    while pages == 0 or cursor is not None:
        page = {**query, "limit": 1, **({"cursor": cursor} if cursor else {})}
        body = (await world.get("alpha", path(), **page)).json()
        seen += body["rows"]
        cursor, pages = body["next"], pages + 1
    assert (seen, pages) == (rows, 3)
    headers = {**world.headers("alpha"), "Accept": "text/csv"}
    answer = await world.client.get(path(), params=query, headers=headers)
    assert len(answer.text.splitlines()) == 2


async def test_rows_of_one_kind(world: World) -> None:
    query = {"from": "-1h", "signals": SPEED}
    every = (await world.get("alpha", path(), **query)).json()["rows"]
    reports = (await world.get("alpha", path(), **query, kind="report")).json()["rows"]
    assert [row["kind"] for row in reports] == ["report"] * 3
    assert reports == every
    other = (await world.get("alpha", path(), **query, kind="link")).json()
    assert (other["rows"], other["next"]) == ([], None)


async def test_pages_of_one_kind(world: World) -> None:
    """A car whose logins lie between its reports: pages are full of the kind that was asked for."""
    who, now = vin("alpha", 4), world.clock.now_us()
    for second in (6, 4, 2):
        at = now - second * 1_000_000
        await world.report("alpha", [who], {SPEED: [float(second)]}, time_us=at)
        await world.report("alpha", [who], {}, time_us=at + 1_000_000, kind="login")
    query = {"from": "-10s", "kind": "login", "limit": 2}
    first = (await world.get("alpha", path(4), **query)).json()
    assert [row["kind"] for row in first["rows"]] == ["login"] * 2
    rest = (await world.get("alpha", path(4), **query, cursor=first["next"])).json()
    assert [row["kind"] for row in rest["rows"]] == ["login"]
    assert rest["next"] is None


async def test_down_sampling(world: World) -> None:
    for aggregate, value in (("max", 49.1), ("min", 47.1), ("last", 49.1)):
        query = {"from": "-1d", "signals": SPEED, "every": "1w", "aggregate": aggregate}
        rows = (await world.get("alpha", path(), **query)).json()["rows"]
        assert [row["signals"][SPEED] for row in rows][-1] == value


async def test_csv_and_arrow(world: World) -> None:
    query = {"from": "-1h", "signals": SPEED, "limit": 2}
    headers = world.headers("alpha")
    answer = await world.client.get(path(), params=query, headers={**headers, "Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["next-cursor"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row[SPEED] for row in rows] == ["47.1", "48.1"]
    kind = "application/vnd.apache.arrow.stream"
    answer = await world.client.get(path(), params=query, headers={**headers, "Accept": kind})
    assert answer.headers["content-type"] == kind
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column(SPEED).type == pa.float32()
    assert table.num_rows == 2


async def test_what_is_wrong_is_named(world: World) -> None:
    for query, field in (
        ({"from": "yesterday"}, "from"),
        ({"every": "5"}, "every"),
        ({"limit": 0}, "limit"),
        ({"from": "now", "to": "-1h"}, "from"),
        ({"aggregate": "median"}, "aggregate"),
        ({"kind": "No such!"}, "kind"),
        ({"kind": "login", "every": "5m"}, "kind"),
    ):
        answer = await world.get("alpha", path(), **query)
        assert answer.status_code == 400, query
        assert answer.json()["errors"][0]["field"] == field
    answer = await world.client.get(
        path(), headers={**world.headers("alpha"), "Accept": "image/png"}
    )
    assert answer.status_code == 406
