"""The commands' table: numbers, keys, claims, and what only one process may do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.commands.world import World
from motorcade.apps.commands import store
from motorcade.apps.commands.policies import Policies
from motorcade.apps.commands.row import Row
from motorcade.errors import CapacityError, Conflict, NotFound
from motorcade.fleet.store import Connection

pytestmark = pytest.mark.engines


async def sql(world: World, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
    async with world.fleet.store.platform() as connection:
        cursor = await connection.execute(query.encode(), values)
        return await cursor.fetchall() if cursor.description else []


async def claim(connection: Connection, wanted: list[store.Wanted], now: int) -> list[Row]:
    found = await store.turn(connection, wanted=wanted, now_us=now, until_us=now + 5)
    return await found()


async def test_numbers_go_round_and_pass_over_open_ones(world: World) -> None:
    car = world.vehicles[1]
    held = await world.add(car, "lock")
    assert held.number == 1
    await sql(world, "UPDATE command_numbers SET last = 65534")
    numbers = [(await world.add(car, "lock")).number for _ in range(3)]
    assert numbers == [65535, 2, 3], "1 is in use still"


async def test_many_made_at_once_have_numbers_of_their_own(world: World) -> None:
    car, other = world.vehicles[1], world.vehicles[2]
    rows = await asyncio.gather(*(world.add(one, "lock") for one in (car, other) * 100))
    assert len({(row.vehicle, row.number) for row in rows}) == 200
    assert sorted(row.number for row in rows if row.vehicle == car) == list(range(1, 101))


async def test_a_key_is_a_command_of_one_vehicle(world: World) -> None:
    car = world.vehicles[1]
    asked = world.ask("lock", ttl_s=60, idempotency="k")
    one, two = await asyncio.gather(*(world.desk.add(world.tenant, car, asked) for _ in range(2)))
    assert one.id == two.id
    with pytest.raises(Conflict):
        await world.desk.add(world.tenant, car, world.ask("unlock", ttl_s=60, idempotency="k"))
    elsewhere = await world.desk.add(world.tenant, world.vehicles[2], asked)
    assert elsewhere.id != one.id
    await asyncio.gather(*(world.add(car, "lock") for _ in range(255)))
    with pytest.raises(CapacityError):
        await world.add(car, "lock")
    again = await world.desk.add(world.tenant, car, asked)
    assert again.id == one.id, "a repetition is no further command"


async def test_tenants_see_their_own_alone(world: World) -> None:
    mine = await world.add(world.vehicles[1], "lock")
    with pytest.raises(NotFound):
        await world.desk.get(world.other, mine.id)
    with pytest.raises(NotFound):
        await world.desk.cancel(world.other, mine.id)
    assert (await world.desk.page(world.other)).rows == []
    async with world.fleet.store.tenant(world.other) as connection:
        cursor = await connection.execute("SELECT count(*) FROM commands")
        assert await cursor.fetchall() == [(0,)]
    async with world.fleet.store.unscoped() as connection:
        cursor = await connection.execute("SELECT count(*) FROM commands")
        assert await cursor.fetchall() == [(0,)]


async def test_a_claim_is_by_priority_then_age_once_and_within_bounds(world: World) -> None:
    car = world.vehicles[1]
    for priority in (10, 90, 50, 90):
        await world.add(car, "lock", priority=priority)
    await world.add(car, "locate", message_class="bulk", priority=100)
    now = world.clock.now_us()
    wanted = [store.Wanted(car, 2, ["interactive"])]
    async with world.fleet.store.platform() as connection:
        first = await claim(connection, wanted, now)
        assert sorted(row.number for row in first) == [2, 4]
        assert {row.wait_us for row in first} == {now + 5}
        second = await claim(connection, wanted, now)
        assert [row.priority for row in second] == [50, 10]
        assert await claim(connection, wanted, now) == []
        assert await claim(connection, wanted, now + (1 << 50)) == [], "too late"
        found = await store.out(connection, [0, 1])
        assert len(found) == 4
        waiting = await store.waiting(connection, [0, 1], 0, 10)
        assert [(one.vehicle, one.tenant) for one in waiting] == [(car, world.tenant)]
        assert await store.waiting_of(connection, [car, 99_999]) == waiting


async def hold(world: World, held: dict[int, store.Held]) -> None:
    async with world.fleet.store.platform() as connection:
        await store.turn(connection, held=held)


async def test_whoever_takes_over_holds(world: World) -> None:
    async with world.fleet.store.platform() as connection:
        old = await store.take_over(connection, [0, 1])
    await hold(world, {0: old[0]._replace(sequence=7), 1: old[1]})
    async with world.fleet.store.platform() as connection:
        new = await store.take_over(connection, [0])
    assert new[0].sequence == 7
    with pytest.raises(Conflict, match="another process"):
        await hold(world, {0: old[0], 1: old[1]._replace(sequence=9)})
    await hold(world, {**old, **new})
    async with world.fleet.store.platform() as connection:
        again = await store.take_over(connection, [0, 1])
    assert again[0].sequence == 7, "a position never goes back"
    assert again[1].sequence == 0, "whoever holds not all of them writes nothing"


async def test_a_claim_rewrites_rows_in_their_page(world: World) -> None:
    rows = [await world.add(car, "lock") for car in world.vehicles.values()]
    wanted = [store.Wanted(row.vehicle, 1, ["interactive"]) for row in rows]
    now = world.clock.now_us()
    async with world.fleet.store.platform() as connection:
        claimed = await store.turn(connection, wanted=wanted, now_us=now, until_us=now + 5)
        cursor = await connection.execute(
            "SELECT pg_stat_get_xact_tuples_hot_updated('commands'::regclass)"
        )
    assert len(await claimed()) == len(rows)
    assert await cursor.fetchall() == [(len(rows),)]


async def test_an_answers_key_means_the_command_that_awaits_it(world: World) -> None:
    car = world.vehicles[1]
    rows = [await world.add(car, "lock") for _ in range(3)]
    async with world.fleet.store.platform() as connection:
        for row, state, wait in ((rows[0], "sent", 5), (rows[1], "succeeded", 0)):
            row.keys, row.state, row.wait_us = ["k", "j"], state, wait
        rows[2].keys = ["other"]
        await store.turn(connection, saved=rows)
        found = await store.matched(connection, [(car, "k"), (car, "?"), (7, "k"), (car, "other")])
    assert sorted(found) == [(0, rows[0].id), (3, rows[2].id)]


async def test_what_has_ended_is_not_saved_over(world: World) -> None:
    row = await world.add(world.vehicles[1], "lock")
    await world.desk.cancel(world.tenant, row.id)
    row.state = "sent"
    async with world.fleet.store.platform() as connection:
        await store.turn(connection, saved=[row])
    assert (await world.desk.get(world.tenant, row.id)).state == "cancelled"


async def test_old_ones_are_forgotten_once_they_are_told(world: World) -> None:
    rows = [await world.add(world.vehicles[1], "lock") for _ in range(3)]
    for row in rows[:2]:
        await world.desk.cancel(world.tenant, row.id)
    later = world.clock.now_us() + 1_000_000
    async with world.fleet.store.platform() as connection:
        assert await store.sweep(connection, [0, 1], later, 10) == 0
        await store.turn(connection, told={rows[0].id: 9, rows[2].id: 1})
        assert await store.sweep(connection, [0, 1], later, 10) == 1
    left = {row.id for row in (await world.desk.page(world.tenant)).rows}
    assert left == {rows[1].id, rows[2].id}


async def test_policies_are_read_again_and_a_broken_one_is_left_out(world: World) -> None:
    policies = Policies(world.fleet.store)
    await policies.write(world.tenant, {"in_flight_per_vehicle": 3})
    assert policies.of(world.tenant).in_flight_per_vehicle == 1
    await policies.refresh()
    assert policies.of(world.tenant).in_flight_per_vehicle == 3
    assert policies.of(world.other).in_flight_per_vehicle == 1
    await sql(world, "UPDATE tenant_policies SET policy = '{\"bearers\": {\"pigeon\": {}}}',"
              " version = 2")  # fmt: skip
    await policies.refresh()
    assert policies.of(world.tenant).in_flight_per_vehicle == 1
