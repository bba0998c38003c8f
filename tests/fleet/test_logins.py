"""Logins: known vehicles, claimed prefixes, gateways that race, imports that run."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import psycopg
import pytest

from motorcade.clock import SteerableClock
from motorcade.fleet.logins import Known
from motorcade.fleet.registry import Config, Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.fleet.settings import TenantSettings
from motorcade.fleet.vin import build

pytestmark = pytest.mark.engines

V = build(np.random.default_rng(5), "LSV", 300)
OTHER = build(np.random.default_rng(5), "LFV", 3)
STRICT = build(np.random.default_rng(5), "LAA", 1)[0]
WRONG = V[0][:8] + ("1" if V[0][8] != "1" else "2") + V[0][9:]


async def test_known_and_unknown(fleet: Fleet) -> None:
    await fleet.create_tenant("a")
    await fleet.add_vehicles(1, [NewVehicle(vin=V[0])])
    asked = [V[0], V[1], V[0], "", "\0", "LSV", "é" * 17]
    assert await fleet.resolve(asked) == {V[0]: Known(1, 1, V[0])}
    assert await fleet.resolve([]) == {}


async def test_a_claimed_prefix_registers(fleet: Fleet, clock: SteerableClock) -> None:
    await fleet.create_tenant("lax", TenantSettings(auto_register_wmi=("LSV",)))
    await fleet.create_tenant(
        "strict", TenantSettings(auto_register_wmi=("LAA", "LAA123"), vin_check_digit=True)
    )
    assert await fleet.resolve([V[0]], register=False) == {}
    found = await fleet.resolve([V[0], STRICT, OTHER[0], "LSVx", "LSVOOOOOOOOOOOOOO"])
    assert found == {V[0]: Known(1, 1, V[0]), STRICT: Known(2, 2, STRICT)}
    assert await fleet.resolve([STRICT, V[0]]) == found
    assert list(await fleet.resolve([WRONG])) == [WRONG]
    await fleet.update_settings(
        1, TenantSettings(auto_register_wmi=("LSV", "LFV"), vin_check_digit=True)
    )
    wrong = V[2][:8] + ("1" if V[2][8] != "1" else "2") + V[2][9:]
    clock.advance(10)
    assert await fleet.resolve([wrong]) == {}
    assert (await fleet.resolve([OTHER[0]]))[OTHER[0]].vehicle == 4


async def test_gateways_that_race_agree(fleet: Fleet, config: Config) -> None:
    await fleet.create_tenant("a", TenantSettings(auto_register_wmi=("LSV",)))
    gateways = [await Fleet.connect(config, SteerableClock()) for _ in range(3)]
    answers = await asyncio.gather(
        *(gateway.resolve(V[n * 20 :]) for gateway in gateways for n in range(4))
    )
    everybody = answers[0]
    assert len(everybody) == 300
    assert all(everybody[vin] == known for answer in answers for vin, known in answer.items())
    assert sorted(known.vehicle for known in everybody.values()) == list(range(1, 301))
    for gateway in gateways:
        await gateway.close()


async def test_a_running_import_holds_no_known_vehicle_up(config: Config, fleet: Fleet) -> None:
    await fleet.create_tenant("a", TenantSettings(auto_register_wmi=("LSV",)))
    await fleet.add_vehicles(1, [NewVehicle(vin=V[0])])
    gateway = await Fleet.connect(
        msgspec.structs.replace(config, register_wait_s=0.05), SteerableClock()
    )
    with psycopg.connect(config.owner_url) as importing:
        importing.execute("UPDATE counters SET value = value WHERE name = 'vehicle'")
        assert list(await gateway.resolve([V[0], V[1]])) == [V[0]]
    assert (await gateway.resolve([V[0], V[1]]))[V[1]] == Known(2, 1, V[1])
    await gateway.close()
