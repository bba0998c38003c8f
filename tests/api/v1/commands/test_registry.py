"""A tenant's commands over HTTP: listed over all vehicles, looked at and cancelled by id."""

from __future__ import annotations

from uuid import uuid4

import pytest

from api.world import World, vin
from motorcade.api.command_views import EXAMPLE, CommandView

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_commands_of_all_vehicles_are_listed_and_cancelled(world: World) -> None:
    headers = world.headers("beta", "operator")
    made = []
    for n in (1, 2, 3):
        path = f"/v1/vehicles/{vin('beta', n)}/commands"
        body = {"kind": "charge_limit", "parameters": {"soc_percent": 80}}
        made.append((await world.client.post(path, json=body, headers=headers)).json()["id"])
    page = (await world.get("beta", "/v1/commands", kind="charge_limit", limit=2)).json()
    assert [one["id"] for one in page["commands"]] == made[:0:-1]
    assert [one["vin"] for one in page["commands"]] == [vin("beta", 3), vin("beta", 2)]
    rest = await world.get(
        "beta", "/v1/commands", kind="charge_limit", limit=2, cursor=page["next"]
    )
    assert [one["id"] for one in rest.json()["commands"]] == made[:1]
    assert rest.json()["next"] is None
    gone = await world.client.delete(f"/v1/commands/{made[0]}", headers=headers)
    assert gone.json()["state"] == "cancelled"
    listed = await world.get("beta", "/v1/commands", kind="charge_limit", state="cancelled")
    assert [one["id"] for one in listed.json()["commands"]] == made[:1]


async def test_ids_and_cursors_nobody_gave_out(world: World) -> None:
    for path in (f"/v1/commands/{uuid4().hex}", "/v1/commands/no-id", "/v1/commands/bulk/no-id"):
        assert (await world.get("beta", path)).status_code == 404
    for cursor in ("abc", "!!", "gqVhYmMB"):
        assert (await world.get("beta", "/v1/commands", cursor=cursor)).status_code == 400
    assert (await world.get("beta", "/v1/commands", bulk="no-id")).status_code == 404


async def test_the_example_has_every_member() -> None:
    names = {"class" if f == "message_class" else f for f in CommandView.__struct_fields__}
    assert set(EXAMPLE) == names
