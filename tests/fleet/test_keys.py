"""Keys and accounts: who they speak for, that they end, and that secrets are nowhere stored."""

from __future__ import annotations

import psycopg
import pytest

from motorcade.clock import SteerableClock
from motorcade.errors import Conflict, Invalid, NotFound
from motorcade.fleet.keys import Principal, Role
from motorcade.fleet.registry import Config, Fleet

pytestmark = pytest.mark.engines


async def test_a_key_speaks_for_its_tenant(fleet: Fleet) -> None:
    await fleet.create_tenant("a")
    made = await fleet.create_key(1, "reader", "dashboard")
    who = await fleet.verify_key(made.token)
    assert who == Principal(key=made.key.id, role="reader", tenant=1, tenant_name="a")
    platform = await fleet.create_platform_key("ops")
    who = await fleet.verify_key(platform.token)
    assert who == Principal(key=platform.key.id, role="platform", tenant=None, tenant_name=None)
    assert await fleet.keys(1) == [made.key]
    assert await fleet.platform_keys() == [platform.key]


async def test_tokens_that_are_none(fleet: Fleet) -> None:
    await fleet.create_tenant("a")
    token = (await fleet.create_key(1, "admin")).token
    swapped = token[:-1] + ("A" if token[-1] != "A" else "B")
    other = (await fleet.create_key(1, "admin")).token
    crossed = token[:16] + other[16:]
    for wrong in ("", "x", token[:-1], token + "A", swapped, crossed, token + "\n", "mc_\0"):
        assert await fleet.verify_key(wrong) is None
    assert await fleet.verify_key(token) is not None


async def test_a_revoked_key_ends(fleet: Fleet, config: Config, clock: SteerableClock) -> None:
    for name in ("a", "b"):
        await fleet.create_tenant(name)
    made = await fleet.create_key(1, "admin")
    elsewhere = await Fleet.connect(config, clock)
    assert await elsewhere.verify_key(made.token) is not None
    with pytest.raises(NotFound):
        await fleet.revoke_key(2, made.key.id)
    with pytest.raises(NotFound):
        await fleet.revoke_platform_key(made.key.id)
    revoked = await fleet.revoke_key(1, made.key.id)
    assert revoked.revoked is not None
    assert await fleet.verify_key(made.token) is None
    assert await elsewhere.verify_key(made.token) is not None  # believed for a moment
    clock.advance(config.cache_s + 0.1)
    assert await elsewhere.verify_key(made.token) is None
    assert (await fleet.revoke_key(1, made.key.id)).revoked == revoked.revoked
    platform = await fleet.create_platform_key()
    await fleet.revoke_platform_key(platform.key.id)
    assert await fleet.verify_key(platform.token) is None
    await elsewhere.close()


@pytest.mark.parametrize("role", ["platform", "owner", ""])
async def test_a_tenant_has_no_platform_key(fleet: Fleet, role: Role) -> None:
    await fleet.create_tenant("a")
    with pytest.raises(Invalid):
        await fleet.create_key(1, role)


async def test_a_key_needs_a_tenant(fleet: Fleet) -> None:
    with pytest.raises(Conflict):
        await fleet.create_key(9, "reader")
    await fleet.create_tenant("a")
    with pytest.raises(Invalid):
        await fleet.create_key(1, "reader", "n" * 101)


async def test_platform_accounts(fleet: Fleet) -> None:
    for name in ("a", "b"):
        await fleet.create_tenant(name)
    account = await fleet.create_platform_account(2, "link-1", "päss wörd")
    assert await fleet.platform_login("link-1", "päss wörd") == 2
    for user, password in (("link-1", ""), ("link-1", "x"), ("nobody", "x"), ("", ""), ("\0", "")):
        assert await fleet.platform_login(user, password) is None
    with pytest.raises(Conflict):
        await fleet.create_platform_account(1, "link-1", "mine")
    assert await fleet.platform_accounts(2) == [account]
    assert await fleet.platform_accounts(1) == []
    with pytest.raises(NotFound):
        await fleet.remove_platform_account(1, "link-1")
    await fleet.remove_platform_account(2, "link-1")
    assert await fleet.platform_login("link-1", "päss wörd") is None


@pytest.mark.parametrize(
    ("name", "password"), [("", "x"), ("n" * 13, "x"), ("ü", "x"), ("n", ""), ("n", "x" * 21)]
)
async def test_accounts_the_standard_cannot_carry(fleet: Fleet, name: str, password: str) -> None:
    await fleet.create_tenant("a")
    with pytest.raises(Invalid):
        await fleet.create_platform_account(1, name, password)


async def test_no_secret_is_stored(fleet: Fleet, config: Config) -> None:
    await fleet.create_tenant("a")
    made = await fleet.create_key(1, "admin")
    await fleet.create_platform_account(1, "link", "hunter2hunter2")
    with psycopg.connect(config.owner_url) as connection:
        stored = repr(connection.execute("SELECT * FROM api_keys").fetchall())
        stored += repr(connection.execute("SELECT * FROM platform_accounts").fetchall())
    assert made.token[16:] not in stored
    assert "hunter2" not in stored


async def test_a_proven_password_is_believed_until_it_changes(fleet: Fleet) -> None:
    tenant = await fleet.create_tenant("many-links")
    await fleet.create_platform_account(tenant.number, "links", "secret")
    for _ in range(3):
        assert await fleet.platform_login("links", "secret") == tenant.number
    assert await fleet.platform_login("links", "wrong") is None
    await fleet.remove_platform_account(tenant.number, "links")
    await fleet.create_platform_account(tenant.number, "links", "other")
    assert await fleet.platform_login("links", "secret") is None
    assert await fleet.platform_login("links", "other") == tenant.number
