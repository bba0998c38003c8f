"""``/v1/quarantine``: what could not be read, the newest first, in pages."""

from __future__ import annotations

import pytest

from api.world import World, vin
from motorcade.log.quarantine import Quarantined

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_pages_of_pieces_with_reason_and_hex(world: World) -> None:
    made = (await world.fleet.create_tenant("quarantined")).number
    token = (await world.fleet.create_key(made, "operator", "q")).token
    pieces = [
        Quarantined(
            time_us=world.clock.now_us(), tenant=made, protocol="gbt32960", peer="127.0.0.1:1",
            vin=vin("alpha", n), code="checksum", reason=f"piece {n}", data=bytes([n]) * 3,
        )
        for n in range(5)
    ]  # fmt: skip
    await world.log.quarantine(pieces)
    headers = {"Authorization": f"Bearer {token}"}
    seen, query = [], {"limit": "2"}
    while True:
        answer = await world.client.get("/v1/quarantine", params=query, headers=headers)
        assert answer.status_code == 200
        seen += answer.json()["entries"]
        if answer.json()["next"] is None:
            break
        query["cursor"] = answer.json()["next"]
    assert [entry["reason"] for entry in seen] == [f"piece {n}" for n in (4, 3, 2, 1, 0)]
    assert seen[0]["hex"] == "040404"
    assert seen[0]["code"] == "checksum"
    assert seen[0]["time"].endswith("Z")


async def test_a_page_is_in_order_of_time_and_the_next_one_goes_on_behind_it(world: World) -> None:
    """Gateways write theirs when they come to it: the log's order is not that of time."""
    made = (await world.fleet.create_tenant("quarantined-late")).number
    token = (await world.fleet.create_key(made, "operator", "q")).token
    now = world.clock.now_us()
    for n in (0, 2, 1, 4, 3, 5, 6):
        piece = Quarantined(
            time_us=now + n * 1_000_000, tenant=made, protocol="gbt32960", peer="127.0.0.1:1",
            code="checksum", reason=f"piece {n}", data=b"x",
        )  # fmt: skip
        await world.log.quarantine([piece])
    pages: list[list[str]] = []
    query = {"limit": "4"}
    while len(pages) < 3:
        answer = await world.client.get(
            "/v1/quarantine", params=query, headers={"Authorization": f"Bearer {token}"}
        )
        pages.append([entry["reason"].removeprefix("piece ") for entry in answer.json()["entries"]])
        if answer.json()["next"] is None:
            break
        query["cursor"] = answer.json()["next"]
    assert pages == [["6", "5", "4", "3"], ["2", "1", "0"]]


async def test_the_platform_sees_all_and_may_name_one(world: World) -> None:
    every = (await world.get("platform", "/v1/quarantine", "platform")).json()["entries"]
    assert {"garbage of alpha", "garbage of beta"} <= {entry["reason"] for entry in every}
    one = await world.get("platform", "/v1/quarantine", "platform", tenant="beta")
    assert {entry["reason"] for entry in one.json()["entries"]} == {"garbage of beta"}


async def test_wrong_cursors_and_limits_are_refused(world: World) -> None:
    for query in ({"cursor": "!!"}, {"limit": 0}, {"limit": 5000}):
        answer = await world.get("alpha", "/v1/quarantine", "operator", **query)
        assert answer.status_code == 400, query
