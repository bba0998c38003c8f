"""Whose a phone number is, end to end: real sockets, a real registry, a real log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from engines import fresh_database, start_postgres
from gateway.terminals import DEVICE, Terminal, location
from gateway.world import World, eventually
from motorcade.clock import SystemClock
from motorcade.fleet.engine import EmbeddedPostgres
from motorcade.fleet.registry import Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.gateway.config import Config, ListenerConfig
from motorcade.gateway.gateway import Gateway

pytestmark = pytest.mark.engines

VIN = "LNSTEST0000000001"
PHONE = "13800001111"
OTHER = (b"OTHER", b"TERM002")
_SHUT = ListenerConfig()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    engine = start_postgres(tmp_path_factory.mktemp("terminals"))
    yield engine
    engine.stop()


@pytest.fixture
async def fleet(postgres: EmbeddedPostgres) -> AsyncIterator[Fleet]:
    """A registry with one car that has a phone number."""
    with fresh_database(postgres) as config:
        await Fleet.migrate(config)
        found = await Fleet.connect(config, SystemClock())
        await found.create_tenant("northstar")
        await found.add_vehicles(1, [NewVehicle(vin=VIN)])
        await found.add_identity(1, VIN, "phone", PHONE)
        yield found
        await found.close()


@pytest.fixture
async def doors(world: World, fleet: Fleet) -> AsyncIterator[list[Gateway]]:
    """Two gateways of one platform."""
    rules = ListenerConfig(listen="127.0.0.1:0")
    config = Config(gbt32960=_SHUT, mqtt=_SHUT, jt808=rules)
    gateways = [Gateway(config, world.log, fleet) for _ in range(2)]
    for gateway in gateways:
        await gateway.start()
    yield gateways
    for gateway in gateways:
        await gateway.drain_and_stop()


async def terminal(world: World, gateway: Gateway) -> Terminal:
    car: Terminal = world.own(await Terminal.open(PHONE, gateway.addresses["jt808"][0]))
    return car


async def test_another_terminal_gets_nothing_and_takes_nothing(
    world: World, fleet: Fleet, doors: list[Gateway]
) -> None:
    car, thief = await terminal(world, doors[0]), await terminal(world, doors[1])
    result, code = await car.register()
    assert (result, await car.login(code)) == (0, 0)
    assert await thief.register(VIN, OTHER) == (1, "")
    assert await thief.login(code[::-1]) != 0
    car.send(location(PHONE, 5))
    assert await car.receive() == (0x8001, bytes.fromhex("0005020000"))
    (row,) = await world.rows()
    assert row["vehicle"] == 1
    assert doors[1].metrics.rejects["other_terminal"] == 1

    async def kept() -> bool:
        page = await world.log.quarantined(1, 100)
        return ("other_terminal", PHONE) in {(one.code, one.vin) for one in page.entries}

    await eventually(kept)
    # What it is remembered by, and that it stays so over connections.
    assert [one.terminal for one in await fleet.identities_of(1, VIN)] == ["MAKER/TERM001"]
    await car.close()
    back = await terminal(world, doors[1])
    assert await back.register(device=DEVICE) == (0, code)


async def test_a_swapped_device_comes_in_once_the_number_was_given_again(
    world: World, fleet: Fleet, doors: list[Gateway]
) -> None:
    old, new = await terminal(world, doors[0]), await terminal(world, doors[1])
    assert (await old.register())[0] == 0
    assert await new.register(device=OTHER) == (1, "")
    await fleet.unbind(1, VIN, "phone", PHONE)
    await fleet.add_identity(1, VIN, "phone", PHONE)
    await fleet.create_credential(1, VIN, "auth_code")
    result, code = await new.register(device=OTHER)
    assert (result, await new.login(code)) == (0, 0)
    assert await old.register() == (1, "")


async def test_of_many_that_come_at_once_by_two_doors_one_gets_the_code(
    world: World, doors: list[Gateway]
) -> None:
    cars = [await terminal(world, doors[place % 2]) for place in range(8)]
    said = await asyncio.gather(
        *(car.register(device=(b"MAKER", b"T%d" % place)) for place, car in enumerate(cars))
    )
    assert sorted(result for result, _ in said) == [0] + [1] * 7
    assert [bool(code) for result, code in said] == [result == 0 for result, _ in said]
