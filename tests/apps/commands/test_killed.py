"""Killed at any moment, engines gone for a while: no command lost, done twice or ended twice."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from apps.commands.killed import Settings
from apps.commands.world import PATH, FakeLink, World
from engines_nats import Nats, until
from motorcade.fleet.engine import EmbeddedPostgres

pytestmark = pytest.mark.engines

ENDS = ("succeeded", "failed", "expired", "cancelled")


def launch(settings: Settings) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "apps.commands.killed"],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(settings))
    process.stdin.close()
    return process


async def all_ended(world: World, count: int) -> bool:
    page = await world.desk.page(world.tenant, states=ENDS, limit=5_000)
    return len(page.rows) == count


async def told_once(world: World, count: int) -> None:
    """Every command's outcome is told, one for each, whatever was told twice."""

    async def told() -> bool:
        rows = await world.told()
        ends = {row[PATH + "Id"] for row in rows if row[PATH + "State"] in ENDS}
        return len(ends) == count

    await until(told, 20.0)
    rows = await world.told()
    seen = {
        (row[PATH + "Id"], row[PATH + "State"], row["vehicle"], row["event_time"], row["record"])
        for row in rows
    }
    states = Counter((name, state) for name, state, *_ in seen)
    assert set(states.values()) == {1}, "a state has one identity, however often it is told"
    ends = Counter(name for name, state, *_ in seen if state in ENDS)
    assert set(ends.values()) == {1}


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_in_the_middle_of_its_work(world: World, nats: Nats, seed: int) -> None:
    dice = random.Random(seed)
    gateway = await world.gateway()
    cars = list((await world.register(world.tenant, 1_000, 60)).values())
    settings = Settings(
        log=nats.config(partitions=2), fleet=world.fleet_config, config=world.config, vehicles=cars
    )
    made = 0
    process = launch(settings)
    try:
        for _ in range(4):
            await asyncio.sleep(1.2 + dice.random() * 0.6)
            for _ in range(5):
                await asyncio.gather(
                    *(world.add(car, "lock", ttl_s=300) for car in dice.sample(cars, 20))
                )
                made += 20
                await asyncio.sleep(dice.random() * 0.03)
            process.kill()
            process.wait()
            process = launch(settings)
        await until(lambda: all_ended(world, made), 60.0)
        await told_once(world, made)
    finally:
        process.kill()
        process.wait()
    page = await world.desk.page(world.tenant, limit=5_000)
    assert Counter(row.state for row in page.rows) == {"succeeded": made}
    assert len(gateway.done) == made, "every one reached its vehicle"
    names = {(one.vehicle, one.command.number, one.command.id) for one in gateway.heard}
    assert len(names) == made, "under one number each, the same in every try"


async def test_nats_and_postgres_gone_for_a_while(
    world: World, nats: Nats, postgres: EmbeddedPostgres
) -> None:
    await world.gateway()
    cars = list(world.vehicles.values())
    async with world.serving():
        for car in cars:
            world.links.up(car, FakeLink(f"l{car}"))
        for _ in range(3):
            await asyncio.gather(*(world.add(car, "lock", ttl_s=300) for car in cars))
        nats.kill()
        await asyncio.sleep(0.5)
        await asyncio.gather(*(world.add(car, "lock", ttl_s=300) for car in cars))
        await nats.start()
        await until(lambda: all_ended(world, 40), 40.0)
        await asyncio.gather(*(world.add(car, "lock", ttl_s=300) for car in cars))
        await asyncio.to_thread(postgres.kill)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(postgres.start)

        async def ended() -> bool:
            try:
                return await all_ended(world, 50)
            except Exception:
                return False

        await until(ended, 40.0)
        await told_once(world, 50)
