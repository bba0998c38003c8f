"""Credentials: API keys of people and programs, accounts of platforms that forward GB/T 32960.

In: secrets as they were presented. Out: who that is. Secrets are never stored: a key's 256 random
bits as their SHA-256, a password, which people choose, by scrypt.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, get_args

import msgspec

from motorcade.clock import Clock
from motorcade.errors import Conflict, Invalid, NotFound
from motorcade.fleet.cache import Believed
from motorcade.fleet.passwords import Passwords
from motorcade.fleet.store import Connection, Part, moment, one

__all__ = ["Key", "NewKey", "PlatformAccount", "Principal", "Keys", "Role"]

Role = Literal["admin", "operator", "reader", "platform"]
"""What a key may do; ``platform`` belongs to no tenant."""


class Principal(msgspec.Struct, kw_only=True, frozen=True):
    """Whom a key speaks for; ``tenant`` and ``tenant_name`` are null for the platform's."""

    key: str
    role: Role
    tenant: int | None
    tenant_name: str | None


class Key(msgspec.Struct, kw_only=True, frozen=True):
    """An API key without its secret; ``id`` is the part of the token that may be shown."""

    id: str
    tenant: int | None
    role: Role
    name: str
    created: datetime
    revoked: datetime | None = None


class NewKey(msgspec.Struct, kw_only=True, frozen=True):
    """A key just made; ``token`` is shown this once."""

    key: Key
    token: str


class PlatformAccount(msgspec.Struct, kw_only=True, frozen=True):
    """A platform that forwards many vehicles of one tenant over GB/T 32960 links."""

    name: str
    tenant: int
    created: datetime


class Keys(Part):
    """The registry's methods about credentials."""

    _clock: Clock
    _principals: Believed[bytes, Principal]
    _strangers: Believed[bytes, bool]
    """Unknown tokens, apart: a guesser must not push good keys out."""
    _passwords: Passwords

    async def create_key(self, tenant: int, role: Role, name: str = "") -> NewKey:
        """A key of one tenant with role ``admin``, ``operator`` or ``reader``; ``Invalid``."""
        if role == "platform" or role not in get_args(Role):
            raise Invalid(f"a tenant's key is admin, operator or reader, not {role!r}")
        async with self._store.tenant(tenant) as connection:
            return await self._create_key(connection, tenant, role, name)

    async def create_platform_key(self, name: str = "") -> NewKey:
        """A key that acts for the platform (platform scope)."""
        async with self._store.platform() as connection:
            return await self._create_key(connection, None, "platform", name)

    async def keys(self, tenant: int) -> list[Key]:
        """A tenant's keys, the oldest first, revoked ones among them."""
        async with self._store.tenant(tenant) as connection:
            return await _keys(connection, "tenant = %s", (tenant,))

    async def platform_keys(self) -> list[Key]:
        """The platform's own keys (platform scope)."""
        async with self._store.platform() as connection:
            return await _keys(connection, "tenant IS NULL", ())

    async def revoke_key(self, tenant: int, key: str) -> Key:
        """End a tenant's key; it works nowhere after ``cache_s``. ``NotFound``."""
        async with self._store.tenant(tenant) as connection:
            return await self._revoke(connection, "tenant = %s", key, tenant)

    async def revoke_platform_key(self, key: str) -> Key:
        """End a key of the platform (platform scope); ``NotFound``."""
        async with self._store.platform() as connection:
            return await self._revoke(connection, "tenant IS NULL", key)

    async def verify_key(self, token: str) -> Principal | None:
        """Whom ``token`` speaks for, or null (platform scope); believed for ``cache_s``."""
        digest = hashlib.sha256(token.encode()).digest()
        believed = self._principals.get(digest)
        if believed is not None:
            return believed[0]
        if self._strangers.get(digest) is not None:
            return None
        principal = await self._verify(token)
        if principal is None:
            self._strangers.put(digest, True)
        else:
            self._principals.put(digest, principal)
        return principal

    async def create_platform_account(
        self, tenant: int, name: str, password: str
    ) -> PlatformAccount:
        """An account for a tenant's platform link (GB/T 32960.3: user up to 12 bytes, password up
        to 20); ``Conflict`` where the name is taken, ``Invalid``."""
        if not re.fullmatch(r"[!-~]{1,12}", name) or not 1 <= len(password.encode()) <= 20:
            raise Invalid(
                "a platform account has a name of 1 to 12 and a password of 1 to 20 bytes"
            )
        created = moment(self._clock)
        hashed = await self._passwords.make(password)
        async with self._store.tenant(tenant, pipeline=False) as connection:
            cursor = await connection.execute(
                "INSERT INTO platform_accounts (name, tenant, password, created)"
                " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (name, tenant, hashed, created),
            )
            if cursor.rowcount == 0:
                raise Conflict(f"the account name {name!r} is taken")
        return PlatformAccount(name=name, tenant=tenant, created=created)

    async def platform_accounts(self, tenant: int) -> list[PlatformAccount]:
        """A tenant's accounts by name."""
        async with self._store.tenant(tenant) as connection:
            cursor = await connection.execute(
                "SELECT name, tenant, created FROM platform_accounts WHERE tenant = %s"
                " ORDER BY name",
                (tenant,),
            )
            rows = await cursor.fetchall()
        return [PlatformAccount(name=row[0], tenant=row[1], created=row[2]) for row in rows]

    async def remove_platform_account(self, tenant: int, name: str) -> None:
        """End an account; links that are open stay. ``NotFound``."""
        async with self._store.tenant(tenant) as connection:
            row = await one(
                connection,
                "DELETE FROM platform_accounts WHERE tenant = %s AND name = %s RETURNING name",
                (tenant, name),
            )
        if row is None:
            raise NotFound(f"there is no account {name!r}")

    async def platform_login(self, user: str, password: str) -> int | None:
        """The tenant number of the account, or null for a wrong name or password (platform scope).

        A wrong name takes as long as a wrong password; a right one is proven once and remembered
        for ``PASSWORD_PROVEN_S``, so that a platform's many links come back at once.
        ``CapacityError`` where many different passwords are tried at one account: the others'
        logins do not wait for those.
        """
        row = None
        if user and "\0" not in user:
            async with self._store.platform() as connection:
                row = await one(
                    connection,
                    "SELECT password, tenant FROM platform_accounts WHERE name = %s",
                    (user,),
                )
        fits = await self._passwords.fits(user, password, row[0] if row else None)
        return int(row[1]) if row is not None and fits else None

    async def _create_key(
        self, connection: Connection, tenant: int | None, role: Role, name: str
    ) -> NewKey:
        if len(name) > 100 or "\0" in name:
            raise Invalid("name: 100 characters at most")
        identity, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        created = moment(self._clock)
        await connection.execute(
            "INSERT INTO api_keys (id, tenant, role, name, hash, created)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (identity, tenant, role, name, _hash(secret), created),
        )
        key = Key(id=identity, tenant=tenant, role=role, name=name, created=created)
        return NewKey(key=key, token=f"mc_{identity}_{secret}")

    async def _revoke(self, connection: Connection, whose: str, key: str, *values: Any) -> Key:
        query = (
            "UPDATE api_keys SET revoked = coalesce(revoked, %s)"
            f" WHERE id = %s AND {whose} RETURNING {_COLUMNS}"
        )
        row = await one(connection, query.encode(), (moment(self._clock), key, *values))
        self._principals.forget()
        if row is None:
            raise NotFound(f"there is no key {key!r}")
        return _key(row)

    async def _verify(self, token: str) -> Principal | None:
        form = _TOKEN.fullmatch(token)
        if form is None:
            return None
        async with self._store.platform() as connection:
            row = await one(
                connection,
                "SELECT k.hash, k.role, k.tenant, t.name FROM api_keys k"
                " LEFT JOIN tenants t ON t.number = k.tenant"
                " WHERE k.id = %s AND k.revoked IS NULL",
                (form["id"],),
            )
        if row is None or not hmac.compare_digest(_hash(form["secret"]), bytes(row[0])):
            return None
        return Principal(key=form["id"], role=row[1], tenant=row[2], tenant_name=row[3])


_TOKEN: Final = re.compile(r"mc_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_COLUMNS: Final = "id, tenant, role, name, created, revoked"


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _key(row: Sequence[Any]) -> Key:
    return Key(id=row[0], tenant=row[1], role=row[2], name=row[3], created=row[4], revoked=row[5])


async def _keys(connection: Connection, whose: str, values: Sequence[Any]) -> list[Key]:
    query = f"SELECT {_COLUMNS} FROM api_keys WHERE {whose} ORDER BY created, id"
    cursor = await connection.execute(query.encode(), values)
    return [_key(row) for row in await cursor.fetchall()]
