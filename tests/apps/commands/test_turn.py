"""One turn after the other, by hand: what ends by a deadline, and what is told once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import pytest

from apps.commands.world import CATALOGUE, PATH, FakeLink, World
from engines_nats import until
from motorcade.apps.commands import turn
from motorcade.apps.commands.desk import Desk
from motorcade.apps.commands.row import Row
from motorcade.apps.commands.service import CommandsService
from motorcade.clock import SteerableClock

pytestmark = pytest.mark.engines

_NEVER_US = 1 << 62


class TickingClock(SteerableClock):
    """A µs later whenever it is read, from when ``ticks`` is 1."""

    ticks: int = 0

    def now_us(self) -> int:
        self.us += self.ticks
        return self.us


@asynccontextmanager
async def by_hand(world: World, clock: SteerableClock) -> AsyncIterator[CommandsService]:
    """A service that makes a turn when it is told to."""
    service = CommandsService(
        world.fleet.store, world.log, world.links, CATALOGUE,
        clock=clock, partitions=range(world.log.partitions), config=world.config,
    )  # fmt: skip
    await service.start()
    await service._begin()
    try:
        yield service
    finally:
        await service._sender.close()
        world.links.forget_callbacks()


async def sent_just_before_its_deadline(
    world: World, service: CommandsService, clock: SteerableClock
) -> Row:
    """A command whose gateway has said that it was sent, which is not yet written."""
    gateway = await world.gateway()
    gateway.answers = lambda _: ()
    car = world.vehicles[1]
    world.links.up(car, FakeLink("l"))
    desk = Desk(world.fleet.store, world.log, clock, world.log.partitions)
    made = await desk.add(world.tenant, car, world.ask("lock", deadline_us=clock.us + 50_000))
    await service._one_turn()  # the poll finds it out; from here it has heard of it
    service.notice([made])
    await service._one_turn()

    async def said() -> bool:
        return bool(service._results)

    await until(said)
    return made


async def until_expired(world: World, service: CommandsService, command: UUID) -> Row:
    for _ in range(10):
        await service._one_turn()
        row = await world.desk.get(world.tenant, command)
        if row.state == "expired":
            return row
    raise AssertionError(f"it is {row}")


@pytest.mark.parametrize("reads", range(1, 5))
async def test_what_was_sent_is_known_whenever_in_a_turn_its_deadline_passes(
    world: World, reads: int
) -> None:
    clock = world.clock = TickingClock(world.clock.now_us())
    async with by_hand(world, clock) as service:
        made = await sent_just_before_its_deadline(world, service, clock)
        clock.us, clock.ticks = made.deadline_us - reads, 1
        row = await until_expired(world, service, made.id)
        assert (row.code, row.sent_us is None) == ("no_answer", False)


async def test_what_was_sent_is_known_where_a_poll_finds_its_deadline_past(world: World) -> None:
    clock = world.clock = SteerableClock(world.clock.now_us())
    async with by_hand(world, clock) as service:
        made = await sent_just_before_its_deadline(world, service, clock)
        clock.us = made.deadline_us + 1
        # As after a poll while the partition's events from before were not accounted for.
        service._deadline_us, service._poll_us = _NEVER_US, clock.us
        row = await until_expired(world, service, made.id)
        assert (row.code, row.sent_us is None) == ("no_answer", False)


async def test_many_of_one_deadline_wait_for_no_poll(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "_DUE_MAX", 3)
    clock = world.clock = SteerableClock(world.clock.now_us())
    async with by_hand(world, clock) as service:
        deadline_us = clock.us + 50_000
        desk = Desk(world.fleet.store, world.log, clock, world.log.partitions)
        for car in world.vehicles.values():
            await desk.add(world.tenant, car, world.ask("lock", deadline_us=deadline_us))
        await service._one_turn()
        clock.us = deadline_us
        assert clock.us < service._poll_us
        turns = 0
        while service._due():
            await service._one_turn()
            turns += 1
        page = await world.desk.page(world.tenant, states=["expired"])
        assert (len(page.rows), turns) == (len(world.vehicles), 4)


async def states_in_the_log(world: World, command: UUID) -> list[str]:
    """As often as they are there."""
    return [row[PATH + "State"] for row in await world.told() if row[PATH + "Id"] == command.hex]


async def test_each_state_is_in_the_log_once_after_polls(world: World) -> None:
    gateway = await world.gateway()
    gateway.answers = lambda _: ()
    world.config = msgspec.structs.replace(world.config, poll_s=0.1)
    waits, out = world.vehicles[1], world.vehicles[3]
    assert waits % world.log.partitions == out % world.log.partitions
    world.links.up(out, FakeLink("l"))

    async def written(made: Row, bits: int) -> None:
        async def there() -> bool:
            async with world.fleet.store.platform() as connection:
                cursor = await connection.execute(
                    "SELECT told FROM commands WHERE id = %s", (made.id,)
                )
                return await cursor.fetchall() == [(bits,)]

        await until(there)

    async with world.serving():
        first = [await world.add(waits), await world.add(out)]
        await written(first[0], 1)
        await written(first[1], 3)
        # What is told later is later in the log: had the first been told again, it would be there.
        for _ in range(2):
            await written(await world.add(waits), 1)
        assert await states_in_the_log(world, first[0].id) == ["queued"]
        assert await states_in_the_log(world, first[1].id) == ["queued", "sent"]
