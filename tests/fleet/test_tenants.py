"""Tenants: names, dense numbers, settings that are checked, prefixes that belong to one."""

from __future__ import annotations

import asyncio
import json

import psycopg
import pytest

from motorcade.clock import SteerableClock
from motorcade.errors import Conflict, Invalid, NotFound
from motorcade.fleet.registry import Config, Fleet
from motorcade.fleet.settings import Gbt32960Settings, TenantSettings
from motorcade.fleet.store import moment

pytestmark = pytest.mark.engines


async def test_numbers_are_dense_and_names_unique(fleet: Fleet, clock: SteerableClock) -> None:
    made = await asyncio.gather(*(fleet.create_tenant(f"maker-{n}") for n in range(5)))
    with pytest.raises(Conflict):
        await fleet.create_tenant("maker-0")
    last = await fleet.create_tenant("another")
    assert sorted(tenant.number for tenant in made) == [1, 2, 3, 4, 5]
    assert last.number == 6
    assert last.created == moment(clock)
    assert [tenant.number for tenant in await fleet.tenants()] == [1, 2, 3, 4, 5, 6]
    assert await fleet.tenant(6) == last
    assert await fleet.tenant_named("another") == last


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a" * 64, "a\n", "ä", "a\0"])
async def test_names_that_are_none(fleet: Fleet, name: str) -> None:
    with pytest.raises(Invalid):
        await fleet.create_tenant(name)


async def test_who_is_not_there(fleet: Fleet) -> None:
    with pytest.raises(NotFound):
        await fleet.tenant(7)
    with pytest.raises(NotFound):
        await fleet.tenant_named("nobody")
    with pytest.raises(NotFound):
        await fleet.update_settings(7, TenantSettings())


async def test_settings_and_their_stamp(fleet: Fleet) -> None:
    await fleet.create_tenant("a")
    before = await fleet.settings_stamp()
    assert await fleet.settings_stamp() == before
    wanted = TenantSettings(
        auto_register_wmi=("LSV", "LFVA"),
        gbt32960=Gbt32960Settings(acknowledge_reports="standard", aes_key_hex="0f" * 16),
    )
    assert (await fleet.update_settings(1, wanted)).settings == wanted
    assert await fleet.settings_stamp() > before
    assert await fleet.gateway_settings() == {1: wanted}
    after = await fleet.settings_stamp()
    await fleet.create_tenant("b")
    assert await fleet.settings_stamp() > after


async def test_a_prefix_belongs_to_one_tenant(fleet: Fleet) -> None:
    lsv = TenantSettings(auto_register_wmi=("LSV",))
    await fleet.create_tenant("a", lsv)
    with pytest.raises(Conflict, match="LSV"):
        await fleet.create_tenant("b", lsv)
    b = await fleet.create_tenant("b")
    assert b.number == 2
    with pytest.raises(Conflict, match="LSV"):
        await fleet.update_settings(2, lsv)
    await fleet.update_settings(1, lsv)
    await fleet.update_settings(1, TenantSettings())
    await fleet.update_settings(2, lsv)


@pytest.mark.parametrize(("first", "second"), [("LSV", "LSVAB"), ("LSVAB", "LSV")])
async def test_a_prefix_overlaps_no_other_tenants(fleet: Fleet, first: str, second: str) -> None:
    """Whichever is longer: a longer one would take the other tenant's vehicles."""
    await fleet.create_tenant("a", TenantSettings(auto_register_wmi=(first, "LFV", "LFVA")))
    wanted = TenantSettings(auto_register_wmi=("LAA", second))
    with pytest.raises(Conflict, match=second):
        await fleet.create_tenant("b", wanted)
    b = await fleet.create_tenant("b", TenantSettings(auto_register_wmi=("LAA",)))
    with pytest.raises(Conflict, match=second):
        await fleet.update_settings(b.number, wanted)
    assert (await fleet.tenant(b.number)).settings.auto_register_wmi == ("LAA",)
    others = TenantSettings(auto_register_wmi=("LSX", "LSW12"))
    assert (await fleet.update_settings(b.number, others)).settings == others


async def test_of_claims_at_once_one_wins(fleet: Fleet) -> None:
    wanted = [TenantSettings(auto_register_wmi=("LSVABC"[:size],)) for size in (3, 4, 5, 6)]
    made = await asyncio.gather(
        *(fleet.create_tenant(f"t{n}", settings) for n, settings in enumerate(wanted)),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, Conflict) for one in made) == [False, True, True, True]


async def test_unknown_settings_in_the_database_are_errors(fleet: Fleet, config: Config) -> None:
    await fleet.create_tenant("a")
    with psycopg.connect(config.owner_url, autocommit=True) as connection:
        connection.execute("UPDATE tenants SET settings = %s", (json.dumps({"colour": "red"}),))
    with pytest.raises(Invalid, match="colour"):
        await fleet.tenants()
    assert await fleet.gateway_settings() == {}


async def test_one_tenants_unreadable_settings_are_not_the_others(
    fleet: Fleet, config: Config
) -> None:
    wanted = TenantSettings(history_retention_days=0)
    for name in ("a", "b"):
        await fleet.create_tenant(name, wanted)
    with psycopg.connect(config.owner_url, autocommit=True) as connection:
        connection.execute("SET motorcade.platform = 'on'")
        changed = json.dumps({"colour": "red"})
        connection.execute("UPDATE tenants SET settings = %s WHERE number = 1", (changed,))
    assert await fleet.gateway_settings() == {2: wanted}


async def test_a_path_the_catalogue_lost_spoils_no_settings(fleet: Fleet, config: Config) -> None:
    await fleet.create_tenant("a")
    stored = {"gbt32960": {"custom": [{"type": 128, "fields": [{"path": "Vehicle.Gone"}]}]}}
    with psycopg.connect(config.owner_url, autocommit=True) as connection:
        connection.execute("SET motorcade.platform = 'on'")
        connection.execute("UPDATE tenants SET settings = %s", (json.dumps(stored),))
    assert (await fleet.gateway_settings())[1].custom[0].fields[0].path == "Vehicle.Gone"
