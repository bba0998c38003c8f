"""Forwarders in PostgreSQL: a tenant's own, whatever is asked; states; what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apps.forwarding.world import World, vin
from motorcade.apps.forwarding.parcel import Name
from motorcade.apps.forwarding.rules import Filter, Rule
from motorcade.apps.forwarding.store import Refusal, State
from motorcade.errors import Conflict, NotFound
from motorcade.limits import FORWARDERS_PER_TENANT_MAX

pytestmark = pytest.mark.engines

RULE = Rule(kind="webhook", target={"url": "https://x.example"}, filter=Filter(labels=("a",)))


async def test_what_is_stored_comes_back_to_its_tenant_alone(world: World) -> None:
    acme, other = await world.tenant("acme", 1), await world.tenant("other", 1, first=5)
    before = await world.store.stamp()
    made = await world.store.create(acme, "one", RULE, {"secret": "s"}, paused=False)
    assert (made.rule, made.secrets, made.tenant_name, made.paused) == (
        RULE, {"secret": "s"}, "acme", False,
    )  # fmt: skip
    assert abs((datetime.now(UTC) - made.created).total_seconds()) < 60
    assert await world.store.stamp() == made.changed > before
    with pytest.raises(Conflict):
        await world.store.create(acme, "one", RULE, {}, paused=False)
    assert await world.store.forwarders(other) == []
    for asked in (
        world.store.forwarder(other, "one"),
        world.store.pause(other, "one", True),
        world.store.change(other, "one", RULE, {}),
        world.store.remove(other, "one"),
    ):
        with pytest.raises(NotFound):
            await asked
    ((found, state),) = await world.store.forwarders(acme)
    assert found == made
    assert state == State()
    paused = await world.store.pause(acme, "one", True)
    assert paused.paused
    assert paused.changed > made.changed


async def test_states_and_positions_are_saved_together(world: World) -> None:
    acme = await world.tenant("acme", 1)
    made = await world.store.create(acme, "one", RULE, {}, paused=False)
    state = State(
        status="sending", sent=5, lag_s=1.5, done={0: 3, 1: 2}, refusals=[Refusal(7, "no")]
    )
    await world.store.save([(made.id, 42, state)], {0: 100, 1: 200})
    await world.store.save([], {1: 201})
    assert await world.store.positions() == {0: 100, 1: 201}
    assert await world.store.every() == [(made, 42, state)]
    await world.store.remove(acme, "one")
    assert await world.store.every() == []
    await world.store.save([(made.id, 43, state)], {})


async def test_a_rule_that_cannot_be_read_holds_up_nobody(world: World) -> None:
    acme = await world.tenant("acme", 1)
    for name in ("bad", "good"):
        await world.store.create(acme, name, RULE, {}, paused=False)
    async with world.fleet.store.tenant(acme) as connection:
        await connection.execute("UPDATE forwarders SET rule = '{}' WHERE name = 'bad'")
    assert [found.name for found, _, _ in await world.store.every()] == ["good"]


async def test_vehicles_by_name_and_label(world: World) -> None:
    acme = await world.tenant("acme", 2, labels=("a", "b"), plate="沪A1", iccid="8986")
    other = await world.tenant("other", 1, first=5, labels=("a",))
    mine = {vin(n): world.vehicles[vin(n)] for n in (1, 2)}
    assert set((await world.store.chosen(acme, [], ["a"])).tolist()) == set(mine.values())
    assert (await world.store.chosen(acme, [vin(2).lower(), vin(5)], [])).tolist() == [mine[vin(2)]]
    assert (await world.store.chosen(acme, [], ["c"])).tolist() == []
    named = await world.store.names_of(acme, list(world.vehicles.values()))
    assert named == {number: Name(one, "沪A1", "8986") for one, number in mine.items()}
    assert len(await world.store.names_of(other, list(world.vehicles.values()))) == 1


async def test_a_tenant_has_so_many_and_no_more(world: World) -> None:
    acme = await world.tenant("acme", 1)
    for number in range(FORWARDERS_PER_TENANT_MAX):
        await world.store.create(acme, f"f{number}", RULE, {}, paused=False)
    with pytest.raises(Conflict, match="at most"):
        await world.store.create(acme, "more", RULE, {}, paused=False)
