"""Links over HTTP: how a vehicle is connected, what became of its links, who is online."""

from __future__ import annotations

import pytest
import pytest_asyncio

from api.world import PARTITIONS, SPEED, World, vin
from motorcade.api.v1.vehicles.links.history import routes as history
from motorcade.api.v1.vehicles.links.registry import routes as now
from motorcade.apps.sessions.rows import batch_of
from motorcade.apps.sessions.rules import Table
from motorcade.apps.sessions.sessions import Change
from motorcade.apps.sessions.store import SessionStore
from motorcade.log.events import Event, LinkDown, LinkUp

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]
assert history
assert now

S = 1_000_000
ROOT = "Vehicle.Connectivity."
GATEWAYS = ("gateway-0.1763990000000000", "gateway-1.1763990000000001")


class Sessions:
    """The sessions app's work, step by step, into the world's twin, history and PostgreSQL."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now_us = world.clock.now_us() - 600 * S
        self.start_us = self.now_us
        self.tables = [Table(3 * S, 60 * S) for _ in range(PARTITIONS)]
        self.store = SessionStore(world.fleet.store)
        self.sequence = 0

    async def at(self, seconds: float, *events: Event) -> None:
        """A message of events, so long after the start."""
        world = self.world
        self.sequence += 1
        time_us = self.start_us + round(seconds * S)
        for partition, table in enumerate(self.tables):
            mine = [one for one in events if _vehicle(one) % PARTITIONS == partition]
            change = Change()
            table.apply(self.sequence, time_us, mine, change)
            owner = (await self.store.take_over(partition)).owner
            touched = [table.sessions[vehicle] for vehicle in change.touched]
            await self.store.commit(partition, owner, self.sequence, sessions=touched)
            if change.rows:
                batch = batch_of(change.rows, time_us)
                sequence = await world.log.append(partition, [batch])
                world.twins[partition].apply([batch])
                world.histories[partition].add(sequence, [batch])

    def up(
        self, tenant: str, number: int, link: int, bearer: str, gateway: str = GATEWAYS[0]
    ) -> LinkUp:
        return LinkUp(
            vehicle=self.world.numbers[vin(tenant, number)],
            tenant=self.world.tenants[tenant],
            link=f"{gateway}/jt808/{link}",
            incarnation=gateway,
            protocol="jt808",
            bearer=bearer,
            address=f"198.51.100.{number}:{link}",
            epoch=link,
            at_us=0,
            identity=f"1380000000{number}",
        )

    def down(self, tenant: str, number: int, link: int, gateway: str = GATEWAYS[0]) -> LinkDown:
        return LinkDown(
            vehicle=self.world.numbers[vin(tenant, number)],
            tenant=self.world.tenants[tenant],
            link=f"{gateway}/jt808/{link}",
            at_us=0,
            reason="idle",
        )


def _vehicle(event: Event) -> int:
    assert isinstance(event, LinkUp | LinkDown)
    return event.vehicle


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sessions(world: World) -> Sessions:
    """Car 1 changes over from LTE to NR at another gateway; car 2 goes away; car 3 is in the time
    of grace; car 4 never came."""
    found = Sessions(world)
    await found.at(0, *(found.up("alpha", car, car, "lte") for car in (1, 2, 3)))
    await found.at(0, found.up("beta", 1, 9, "lte"))
    await found.at(10, found.up("alpha", 1, 11, "nr", GATEWAYS[1]), found.down("alpha", 2, 2))
    await found.at(12, found.down("alpha", 1, 1))
    await found.at(20, found.up("alpha", 1, 12, "satellite"), found.down("beta", 1, 9))
    await found.at(590, found.down("alpha", 3, 3))
    return found


async def test_links_are_listed_newest_first(world: World, sessions: Sessions) -> None:
    body = (await world.get("alpha", f"/v1/vehicles/{vin('alpha', 1)}/links")).json()
    assert (body["online"], body["reachable"], body["bearer"]) == (True, True, "satellite")
    assert [(one["bearer"], one["gateway"]) for one in body["links"]] == [
        ("satellite", "gateway-0"),
        ("nr", "gateway-1"),
    ]
    assert body["links"][1]["name"] == f"{GATEWAYS[1]}/jt808/11"
    assert body["links"][1]["identity"] == "13800000001"
    assert body["links"][1]["address"] == "198.51.100.1:11"
    assert body["last_seen"].endswith("Z")
    assert body["offline_at"] is None


async def test_online_ends_with_the_time_of_grace(world: World, sessions: Sessions) -> None:
    gone = (await world.get("alpha", f"/v1/vehicles/{vin('alpha', 2)}/links")).json()
    assert (gone["online"], gone["links"], gone["bearer"]) == (False, [], "lte")
    waiting = (await world.get("alpha", f"/v1/vehicles/{vin('alpha', 3)}/links")).json()
    assert (waiting["online"], waiting["links"]) == (True, [])
    assert waiting["offline_at"] is not None
    never = (await world.get("alpha", f"/v1/vehicles/{vin('alpha', 4)}/links")).json()
    assert (never["online"], never["bearer"], never["links"]) == (False, None, [])


async def test_history_tells_handovers_and_gaps(world: World, sessions: Sessions) -> None:
    path = f"/v1/vehicles/{vin('alpha', 1)}/links/history"
    body = (await world.get("alpha", path, **{"from": "-1h"})).json()
    told = [
        (one["event"], one["link_bearer"], one.get("previous_bearer"), one["links"])
        for one in body["changes"]
    ]
    assert told == [
        ("up", "lte", None, 1),
        ("up", "nr", "lte", 2),
        ("down", "lte", None, 1),
        ("up", "satellite", "nr", 2),
    ]
    assert body["changes"][2]["reason"] == "idle"
    assert body["changes"][2]["duration_s"] == 12.0
    assert (body["complete"], body["next"]) == (True, None)


async def test_history_comes_in_pages(world: World, sessions: Sessions) -> None:
    path = f"/v1/vehicles/{vin('alpha', 2)}/links/history"
    events, cursor = [], None
    for _ in range(3):
        query = {"from": "-1h", "limit": 1, **({"cursor": cursor} if cursor else {})}
        body = (await world.get("alpha", path, **query)).json()
        events += [one["event"] for one in body["changes"]]
        cursor = body["next"]
    assert events == ["up", "down", "offline"]
    assert cursor is None
    later = (await world.get("alpha", path, **{"from": "-30s"})).json()
    assert later["changes"] == []
    wrong = await world.get("alpha", path, **{"from": "now", "to": "-1h"})
    assert wrong.status_code == 400


async def test_who_is_online_is_a_question_to_the_state(world: World, sessions: Sessions) -> None:
    where = f"{ROOT}IsOnline = TRUE"
    body = (await world.get("alpha", "/v1/state", where=where, signals=SPEED)).json()
    assert {car["vin"] for car in body["vehicles"]} == {vin("alpha", 1), vin("alpha", 3)}
    where = f"{ROOT}Bearer = 'SATELLITE' AND {ROOT}LinkCount >= 2"
    body = (await world.get("alpha", "/v1/state", where=where)).json()
    assert [car["vin"] for car in body["vehicles"]] == [vin("alpha", 1)]
    body = (await world.get("beta", "/v1/state", where=f"{ROOT}IsOnline = FALSE")).json()
    assert [car["vin"] for car in body["vehicles"]] == [vin("beta", 1)]


async def test_reports_and_links_do_not_disturb_each_other(
    world: World, sessions: Sessions
) -> None:
    path = f"/v1/vehicles/{vin('alpha', 1)}"
    state = (await world.get("alpha", f"{path}/state")).json()["signals"]
    assert state[SPEED]["value"] == pytest.approx(39.1)
    assert state[f"{ROOT}Link.Event"]["value"] == "UP"
    assert state[f"{ROOT}Link.PreviousBearer"]["value"] == "NR"
    rows = (await world.get("alpha", f"{path}/history", **{"from": "-1h"})).json()["rows"]
    kinds = [row["kind"] for row in rows]
    assert (kinds.count("report"), kinds.count("link")) == (3, 4)
    assert all(SPEED not in row["signals"] for row in rows if row["kind"] == "link")
    query = {"from": "-1h", "every": "1h", "aggregate": "last"}
    windows = (await world.get("alpha", f"{path}/history", **query)).json()["rows"]
    assert all(f"{ROOT}IsOnline" not in row["signals"] for row in windows)


async def test_another_tenants_links_are_nobodys(world: World, sessions: Sessions) -> None:
    for suffix in ("links", "links/history"):
        path = f"/v1/vehicles/{vin('beta', 1)}/{suffix}"
        assert (await world.get("alpha", path)).status_code == 404
        assert (await world.get("beta", path)).status_code == 200
