"""Bulk jobs carried out: every chosen vehicle once, at the rate, through pauses and restarts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from uuid import UUID

import pytest

from apps.commands.world import World, vin
from engines_nats import until
from motorcade.apps.commands.bulk import Bulks, Chosen, Job
from motorcade.apps.commands.bulk_runner import BulkRunner
from motorcade.errors import Conflict, Invalid

pytestmark = pytest.mark.engines


class Bulk:
    """Jobs and their runners over a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bulks = Bulks(world.fleet.store, world.log, world.clock, world.log.partitions)
        self.noticed: list[UUID] = []
        self.twin: list[int] = []

    def runner(self, own: Iterable[int] = (0, 1), page: int = 50) -> BulkRunner:
        world = self.world
        return BulkRunner(
            world.fleet.store, world.log, world.clock,
            own=list(own), select=self._select, page=page, notice=self.noticed.extend,
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def running(self, own: Iterable[int] = (0, 1)) -> AsyncIterator[None]:
        task = asyncio.create_task(self.runner(own).run())
        try:
            yield
            assert not task.done() or task.result() is None
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def create(self, chosen: Chosen | None = None, **more: object) -> Job:
        given = {"rate": 5_000.0, **more}
        template = self.world.ask("locate", ttl_s=600)
        return await self.bulks.create(
            self.world.tenant,
            template,
            chosen or Chosen(),
            **given,  # type: ignore[arg-type]
        )

    async def until_done(self, job: Job, state: str = "done") -> Job:
        found: list[Job] = []

        async def there() -> bool:
            found[:] = [await self.bulks.job(self.world.tenant, job.id)]
            return found[0].state == state

        await until(there, 30.0)
        return found[0]

    async def commanded(self, job: Job) -> list[int]:
        page = await self.world.desk.page(self.world.tenant, bulk=job.id, limit=5_000)
        return sorted(row.vehicle for row in page.rows)

    def _select(
        self, partition: int, tenant: int, chosen: Chosen, after: int, limit: int
    ) -> list[int]:
        if chosen.where == "broken":
            raise Invalid("there is no such signal any more")
        found = [n for n in self.twin if n % 2 == partition and n > after]
        return sorted(found)[:limit]


@pytest.fixture
def bulk(world: World) -> Bulk:
    return Bulk(world)


async def test_every_vehicle_of_the_tenant_once(bulk: Bulk, world: World) -> None:
    cars = await world.register(world.tenant, 1_000, 300)
    async with bulk.running():
        job = await bulk.until_done(await bulk.create())
    assert await bulk.commanded(job) == sorted([*cars.values(), *world.vehicles.values()])
    assert (job.made, job.skipped, job.states) == (310, 0, {"queued": 310})
    assert len(bulk.noticed) == 310
    assert job.ended_us is not None


async def test_filters_of_registry_twin_and_names(bulk: Bulk, world: World) -> None:
    cars = list((await world.register(world.tenant, 1_000, 20)).values())
    own = list(world.vehicles.values())
    async with bulk.running():
        prefix = await bulk.create(Chosen(vin_prefix=vin(1_000)[:-2]))
        assert await bulk.commanded(await bulk.until_done(prefix)) == sorted(cars)
        nobody = await bulk.create(Chosen(label="nobody"))
        assert await bulk.commanded(await bulk.until_done(nobody)) == []
        named = await bulk.create(vehicles=[own[3], own[1], own[1]])
        job = await bulk.until_done(named)
        assert await bulk.commanded(job) == sorted([own[1], own[3]])
        assert job.vehicles == 2
        bulk.twin = [*own[:4], cars[0], *world.strangers.values()]
        both = await bulk.create(Chosen(where="Vehicle.Speed > 1", vin_prefix=vin(1)[:-2]))
        assert await bulk.commanded(await bulk.until_done(both)) == sorted(own[:4]), (
            "the registry and the tenant restrict what the twin chose"
        )


async def test_the_rate_holds_and_a_pause_stops(bulk: Bulk, world: World) -> None:
    await world.register(world.tenant, 1_000, 200)
    async with bulk.running():
        job = await bulk.create(rate=40.0)
        began = asyncio.get_running_loop().time()

        async def some() -> bool:
            return len(await bulk.commanded(job)) >= 40

        await until(some)
        assert asyncio.get_running_loop().time() - began > 0.5
        await bulk.bulks.change(world.tenant, job.id, "paused")
        await asyncio.sleep(0.3)
        paused = len(await bulk.commanded(job))
        await asyncio.sleep(0.5)
        assert len(await bulk.commanded(job)) == paused < 200
        await bulk.bulks.change(world.tenant, job.id, "running")

        async def more() -> bool:
            return len(await bulk.commanded(job)) > paused

        await until(more)
        await bulk.bulks.change(world.tenant, job.id, "cancelled")
        await asyncio.sleep(0.3)
        job = await bulk.bulks.job(world.tenant, job.id)
        assert set(job.states) == {"cancelled"}
        assert job.states["cancelled"] == job.made < 210
        with pytest.raises(Conflict):
            await bulk.bulks.change(world.tenant, job.id, "paused")


async def test_whoever_is_killed_in_between_makes_none_twice(bulk: Bulk, world: World) -> None:
    """Two runners of the same shares, as when an old process has not noticed its end."""
    await world.register(world.tenant, 1_000, 300)
    job = await bulk.create()
    first, second = bulk.runner(page=20), bulk.runner(page=20)

    async def work(runner: BulkRunner) -> None:
        while await runner.step():
            pass

    task = asyncio.create_task(work(first))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.gather(work(second), work(bulk.runner(page=30)))
    job = await bulk.until_done(job)
    found = await bulk.commanded(job)
    assert len(found) == len(set(found)) == 310 == job.made


async def test_each_worker_does_its_share(bulk: Bulk, world: World) -> None:
    async with bulk.running([0]):
        job = await bulk.create()
        await asyncio.sleep(0.5)
        assert {one % 2 for one in await bulk.commanded(job)} == {0}
        async with bulk.running([1]):
            job = await bulk.until_done(job)
    assert await bulk.commanded(job) == sorted(world.vehicles.values())


async def test_a_filter_that_means_nothing_any_more_ends_the_job(bulk: Bulk, world: World) -> None:
    async with bulk.running():
        job = await bulk.until_done(await bulk.create(Chosen(where="broken")), "cancelled")
        assert job.made == 0
        fine = await bulk.until_done(await bulk.create())
        assert fine.made == 10


async def test_full_vehicles_are_skipped_and_counted(bulk: Bulk, world: World) -> None:
    full = world.vehicles[1]
    await asyncio.gather(*(world.add(full, "lock") for _ in range(256)))
    async with bulk.running():
        job = await bulk.until_done(await bulk.create())
    assert (job.made, job.skipped) == (9, 1)


async def test_a_cancelled_job_makes_no_further_command(bulk: Bulk, world: World) -> None:
    """Also where a worker had already begun with its next page."""
    runner = bulk.runner()
    for state in ("cancelled", "paused"):
        job = await bulk.create()
        shares = [share for share in await runner._shares() if share.bulk == job.id]
        await bulk.bulks.change(world.tenant, job.id, state)
        for share in shares:
            with pytest.raises(Conflict, match="stopped"):
                await runner._advance(share, 50)
        assert await bulk.commanded(job) == []
        assert (await bulk.bulks.job(world.tenant, job.id)).state == state


async def test_a_job_nobody_can_read_ends_and_holds_up_nobody(bulk: Bulk, world: World) -> None:
    odd, job = await bulk.create(), await bulk.create()
    async with world.fleet.store.tenant(world.tenant) as connection:
        await connection.execute(
            "UPDATE command_bulks SET template = template - 'kind' WHERE id = %s", (odd.id,)
        )
    async with bulk.running():
        await bulk.until_done(job)
    async with world.fleet.store.tenant(world.tenant) as connection:
        cursor = await connection.execute(
            "SELECT state FROM command_bulks WHERE id = %s", (odd.id,)
        )
        assert await cursor.fetchall() == [("cancelled",)]
