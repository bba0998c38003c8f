"""Making commands: a fault of ours is told to who asked, and is over with that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.commands.world import CATALOGUE, World
from engines_nats import until
from motorcade.apps.commands import desk
from motorcade.apps.commands.asking import ask
from motorcade.apps.commands.bulk import Bulks, Chosen
from motorcade.apps.commands.hints import hint_subject, read_hint
from motorcade.apps.commands.row import Row
from motorcade.clock import SteerableClock
from motorcade.errors import CapacityError, Conflict, DependencyError, Invalid
from motorcade.limits import COMMANDS_OPEN_PER_VEHICLE_MAX

pytestmark = pytest.mark.engines


def after_deadline(deadline_us: int) -> SteerableClock:
    return SteerableClock(deadline_us + 1)


async def test_a_fault_of_ours_leaves_nobody_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> set[Any]:
        raise RuntimeError("a fault of ours")

    car = world.vehicles[1]
    with monkeypatch.context() as patched:
        patched.setattr(desk, "insert", broken)
        async with asyncio.timeout(5):
            with pytest.raises(RuntimeError):
                await world.add(car, "lock")
    async with asyncio.timeout(5):
        assert (await world.add(car, "lock")).number == 1


async def test_what_was_made_is_answered_and_hinted_whatever_becomes_of_the_repetitions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any) -> Any:
        raise DependencyError("PostgreSQL is gone")

    car = world.vehicles[1]
    repeated = world.ask("lock", ttl_s=60, idempotency="k")
    before = await world.desk.add(world.tenant, car, repeated)
    hinted: list[Row] = []

    async def heard(_: str, payload: bytes) -> None:
        hinted.extend(read_hint(payload))

    hints = await world.log.subscribe(hint_subject(before.partition), heard)
    with monkeypatch.context() as patched:
        patched.setattr(desk, "_before", gone)
        made, again = await asyncio.gather(
            world.add(car, "unlock"),
            world.desk.add(world.tenant, car, repeated),
            return_exceptions=True,
        )
    assert isinstance(again, DependencyError)
    assert isinstance(made, Row), "it was committed"

    async def there() -> bool:
        return [row.id for row in hinted] == [made.id]

    await until(there)
    await hints.close()
    assert len((await world.desk.page(world.tenant)).rows) == 2
    assert (await world.desk.add(world.tenant, car, repeated)).id == before.id


async def test_a_batch_does_not_pass_what_a_vehicle_may_have_open(world: World) -> None:
    car, other = world.vehicles[1], world.vehicles[2]
    desks = [world.desk, desk.Desk(world.fleet.store, world.log, world.clock, 2)]
    tries = COMMANDS_OPEN_PER_VEHICLE_MAX // 2 + 20
    made = await asyncio.gather(
        *(
            one.add(world.tenant, vehicle, world.ask("lock"))
            for _ in range(tries)
            for one, vehicle in ((desks[0], car), (desks[1], car), (desks[0], other))
        ),
        return_exceptions=True,
    )
    rows = [one for one in made if not isinstance(one, BaseException)]
    refused = [one for one in made if isinstance(one, BaseException)]
    assert sum(row.vehicle == car for row in rows) == COMMANDS_OPEN_PER_VEHICLE_MAX
    assert sum(row.vehicle == other for row in rows) == tries
    assert len(refused) == 40
    assert {type(one) for one in refused} == {CapacityError}
    assert len({(row.vehicle, row.number) for row in rows}) == len(rows)


async def test_a_repetition_in_one_batch_takes_no_room(world: World) -> None:
    car = world.vehicles[1]
    await asyncio.gather(*(world.add(car) for _ in range(COMMANDS_OPEN_PER_VEHICLE_MAX - 1)))
    same = world.ask("lock", ttl_s=60, idempotency="k")
    else_ = world.ask("unlock", ttl_s=60, idempotency="k")
    made = await asyncio.gather(
        *(world.desk.add(world.tenant, car, one) for one in (same, same, else_, same)),
        return_exceptions=True,
    )
    assert isinstance(made[2], Conflict)
    ids = {one.id for one in made if not isinstance(one, BaseException)}
    assert len(ids) == 1
    with pytest.raises(CapacityError):
        await world.add(car)


async def test_a_repetition_after_the_deadline_gets_the_first_answer(world: World) -> None:
    car = world.vehicles[1]
    now_us = world.clock.now_us()
    deadline_us = now_us + 60_000_000
    asked = world.ask("lock", deadline_us=deadline_us, idempotency="late")
    first = await world.desk.add(world.tenant, car, asked)
    after = after_deadline(deadline_us)
    late = desk.Desk(world.fleet.store, world.log, after, world.log.partitions)

    def again(kind: str, key: str | None) -> Any:
        return ask(kind, {}, CATALOGUE, after.now_us(), deadline_us=deadline_us, idempotency=key)

    row = await late.add(world.tenant, car, again("lock", "late"))
    assert (row.id, row.number) == (first.id, first.number)
    with pytest.raises(Conflict):
        await late.add(world.tenant, car, again("unlock", "late"))
    with pytest.raises(Invalid, match="deadline"):
        await late.add(world.tenant, car, again("lock", "never before"))
    with pytest.raises(Invalid, match="deadline"):
        again("lock", None)


async def test_a_job_repeated_after_the_deadline_is_the_first_one(world: World) -> None:
    deadline_us = world.clock.now_us() + 60_000_000
    asked = world.ask("lock", deadline_us=deadline_us, idempotency="late")
    jobs = [
        Bulks(world.fleet.store, world.log, clock, world.log.partitions)
        for clock in (world.clock, after_deadline(deadline_us))
    ]
    cars = list(world.vehicles.values())
    first, again = [
        await one.create(world.tenant, asked, Chosen(), vehicles=cars, rate=1.0) for one in jobs
    ]
    assert again.id == first.id
    other = world.ask("lock", deadline_us=deadline_us, idempotency="never before")
    with pytest.raises(Invalid, match="deadline"):
        await jobs[1].create(world.tenant, other, Chosen(), vehicles=cars, rate=1.0)
