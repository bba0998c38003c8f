"""What vehicles prove themselves with: tokens, pre-shared keys, JT/T 808 codes.

In: a tenant's vehicles. Out: secrets, shown once. Of a token only the SHA-256 is kept; a key is
kept as it is, because a signature can be checked in no other way; a code is derived.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from motorcade.clock import Clock
from motorcade.errors import Conflict, Invalid, NotFound
from motorcade.fleet.codes import code_of
from motorcade.fleet.identities import Identities, number_of
from motorcade.fleet.store import Connection, moment, one
from motorcade.limits import TOKENS_PER_VEHICLE_MAX

__all__ = ["Created", "Credential", "CredentialKind", "Credentials"]

CredentialKind = Literal["token", "key", "auth_code"]
"""``token``: 256 random bits, presented at login (MQTT password, HTTP bearer); several are valid at
once, so that one can be replaced while the other is still in use. ``key``: 16 bytes that sign
datagrams; a new one ends the old one. ``auth_code``: a JT/T 808 terminal's; a new one ends the old
one."""


class Credential(msgspec.Struct, kw_only=True, frozen=True):
    """A token or key without its secret."""

    id: str
    kind: CredentialKind
    name: str
    created: datetime
    revoked: datetime | None = None


class Created(msgspec.Struct, kw_only=True, frozen=True):
    """A credential just made; ``secret`` is shown this once (a key as 32 hexadecimal digits)."""

    credential: Credential
    secret: str


class Credentials(Identities):
    """The registry's methods about what vehicles prove themselves with."""

    _clock: Clock

    async def create_credential(
        self,
        tenant: int,
        vin: str,
        kind: CredentialKind = "token",
        name: str = "",
        *,
        key: bytes = b"",
    ) -> Created:
        """A token, a key in place of the present one, or a code in place of the present one.
        ``key``: the one the vehicle was made with, instead of a new one.

        ``NotFound``, ``Invalid``; ``Conflict`` where ``TOKENS_PER_VEHICLE_MAX`` tokens are
        valid.
        """
        if len(name) > 100 or "\0" in name:
            raise Invalid("name: 100 characters at most")
        if key and (kind != "key" or len(key) != _KEY_BYTES):
            raise Invalid(f"a key has {_KEY_BYTES} bytes, and only a key is brought along")
        created = moment(self._clock)
        async with self._store.tenant(tenant, pipeline=False) as connection:
            vehicle = await number_of(connection, tenant, vin)
            if kind == "auth_code":
                code = await self._rotated(connection, vehicle)
                made = Credential(id="auth_code", kind=kind, name="", created=created)
                return Created(credential=made, secret=code)
            if kind == "token":
                await _check_room(connection, vehicle)
                secret = _token()
                stored = hashlib.sha256(secret.encode()).digest()
            elif kind == "key":
                stored = key or secrets.token_bytes(_KEY_BYTES)
                secret = stored.hex()
                await connection.execute(
                    "UPDATE credentials SET revoked = %s"
                    " WHERE vehicle = %s AND kind = 'key' AND revoked IS NULL",
                    (created, vehicle),
                )
            else:
                raise Invalid(f"a credential is a token, a key or an auth_code, not {kind!r}")
            made = Credential(id=secrets.token_hex(6), kind=kind, name=name, created=created)
            await connection.execute(
                "INSERT INTO credentials (id, vehicle, tenant, kind, secret, name, created)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (made.id, vehicle, tenant, kind, stored, name, created),
            )
        return Created(credential=made, secret=secret)

    async def create_tokens(
        self, tenant: int, vins: Sequence[str], name: str = ""
    ) -> list[tuple[str, str]]:
        """A token of each of many vehicles: (VIN, token) in the order of ``vins``; all or none.

        ``NotFound`` where one is not the tenant's, ``Conflict`` where one has
        ``TOKENS_PER_VEHICLE_MAX`` already. A million take half a minute.
        """
        wanted = list(dict.fromkeys(vin.upper() for vin in vins))
        created = moment(self._clock)
        made: dict[str, str] = {}
        async with self._store.tenant(tenant, pipeline=False) as connection:
            for first in range(0, len(wanted), _TOKENS_AT_ONCE):
                some = wanted[first : first + _TOKENS_AT_ONCE]
                tokens, ids, hashes = await asyncio.to_thread(_tokens, len(some))
                cursor = await connection.execute(
                    _INSERT_TOKENS,
                    (tenant, name, created, ids, some, hashes, tenant,
                     TOKENS_PER_VEHICLE_MAX),
                )  # fmt: skip
                if cursor.rowcount != len(some):
                    raise await _why_not(connection, tenant, some)
                made |= zip(some, tokens, strict=True)
        return list(made.items())

    async def set_keys(
        self, tenant: int, keys: Sequence[tuple[str, bytes]], name: str = ""
    ) -> None:
        """Give many vehicles the keys they were made with: (VIN, 16 bytes); all or none. Keys they
        have now end, unless they are the same. ``NotFound`` where one is not the tenant's,
        ``Invalid``."""
        wanted = {vin.upper(): key for vin, key in keys}
        if any(len(key) != _KEY_BYTES for key in wanted.values()):
            raise Invalid(f"a key has {_KEY_BYTES} bytes")
        created, vins = moment(self._clock), list(wanted)
        ids = [secrets.token_hex(6) for _ in wanted]
        async with self._store.tenant(tenant, pipeline=False) as connection:
            await connection.execute(_END_KEYS, (created, vins, list(wanted.values()), tenant))
            await connection.execute(
                _INSERT_KEYS, (tenant, name, created, ids, vins, list(wanted.values()), tenant)
            )
            missing = await _missing(connection, tenant, vins)
            if missing:
                raise missing

    async def remove_tokens(self, tenant: int, name: str) -> int:
        """Forget every token of a tenant that was made under this name; returns how many."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            cursor = await connection.execute(
                "DELETE FROM credentials WHERE tenant = %s AND kind = 'token' AND name = %s",
                (tenant, name),
            )
            return cursor.rowcount

    async def credentials(self, tenant: int, vin: str) -> list[Credential]:
        """A vehicle's tokens and keys, the oldest first, revoked ones among them; ``NotFound``."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            vehicle = await number_of(connection, tenant, vin)
            cursor = await connection.execute(
                f"SELECT {_COLUMNS} FROM credentials WHERE vehicle = %s"
                " ORDER BY created, id".encode(),
                (vehicle,),
            )
            return [_credential(row) for row in await cursor.fetchall()]

    async def revoke_credential(self, tenant: int, vin: str, credential: str) -> Credential:
        """End a token or key: the next login with it is refused, links that are open stay.
        ``NotFound``."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            vehicle = await number_of(connection, tenant, vin)
            row = await one(
                connection,
                "UPDATE credentials SET revoked = coalesce(revoked, %s)"
                f" WHERE id = %s AND vehicle = %s RETURNING {_COLUMNS}".encode(),
                (moment(self._clock), credential, vehicle),
            )
        if row is None:
            raise NotFound(f"the vehicle {vin!r} has no credential {credential!r}")
        return _credential(row)

    async def _rotated(self, connection: Connection, vehicle: int) -> str:
        row = await one(
            connection,
            "UPDATE vehicles SET code_rotation = code_rotation + 1 WHERE number = %s"
            " RETURNING code_rotation",
            (vehicle,),
        )
        return code_of(await self._codes_secret(), vehicle, row[0] if row else 0)


_KEY_BYTES: Final = 16
_TOKENS_AT_ONCE: Final = 50_000
_COLUMNS: Final = "id, kind, name, created, revoked"

_INSERT_TOKENS: Final = (
    "INSERT INTO credentials (id, vehicle, tenant, kind, secret, name, created)"
    " SELECT r.id, v.number, %s, 'token', r.hash, %s, %s"
    " FROM unnest(%s::text[], %s::text[], %s::bytea[]) AS r (id, vin, hash)"
    " JOIN vehicles v ON v.vin = r.vin WHERE v.tenant = %s AND"
    " (SELECT count(*) FROM credentials c WHERE c.vehicle = v.number AND c.kind = 'token'"
    "  AND c.revoked IS NULL) < %s"
)


_END_KEYS: Final = (
    "UPDATE credentials c SET revoked = %s FROM unnest(%s::text[], %s::bytea[]) AS r (vin, key)"
    " JOIN vehicles v ON v.vin = r.vin WHERE v.tenant = %s AND c.vehicle = v.number"
    " AND c.kind = 'key' AND c.revoked IS NULL AND c.secret <> r.key"
)

_INSERT_KEYS: Final = (
    "INSERT INTO credentials (id, vehicle, tenant, kind, secret, name, created)"
    " SELECT r.id, v.number, %s, 'key', r.key, %s, %s"
    " FROM unnest(%s::text[], %s::text[], %s::bytea[]) AS r (id, vin, key)"
    " JOIN vehicles v ON v.vin = r.vin WHERE v.tenant = %s ON CONFLICT DO NOTHING"
)


def _token() -> str:
    return "vt_" + secrets.token_urlsafe(32)


def _tokens(count: int) -> tuple[list[str], list[str], list[bytes]]:
    """Tokens, their ids and what is kept of them."""
    tokens = [_token() for _ in range(count)]
    ids = [secrets.token_hex(6) for _ in range(count)]
    return tokens, ids, [hashlib.sha256(token.encode()).digest() for token in tokens]


async def _check_room(connection: Connection, vehicle: int) -> None:
    row = await one(
        connection,
        "SELECT count(*) FROM credentials WHERE vehicle = %s AND kind = 'token'"
        " AND revoked IS NULL",
        (vehicle,),
    )
    if row and row[0] >= TOKENS_PER_VEHICLE_MAX:
        raise _full()


async def _why_not(connection: Connection, tenant: int, vins: Sequence[str]) -> NotFound | Conflict:
    """Why some of these vehicles got no token."""
    return await _missing(connection, tenant, vins) or _full()


async def _missing(connection: Connection, tenant: int, vins: Sequence[str]) -> NotFound | None:
    """That some of these vehicles are not the tenant's."""
    cursor = await connection.execute(
        "SELECT vin FROM vehicles WHERE tenant = %s AND vin = ANY(%s)", (tenant, list(vins))
    )
    there = {row[0] for row in await cursor.fetchall()}
    missing = [vin for vin in vins if vin not in there]
    if missing:
        return NotFound(f"{len(missing)} of the vehicles are not there, such as {missing[0]!r}")
    return None


def _full() -> Conflict:
    return Conflict(f"a vehicle has {TOKENS_PER_VEHICLE_MAX} valid tokens at most; revoke one")


def _credential(row: Sequence[Any]) -> Credential:
    return Credential(id=row[0], kind=row[1], name=row[2], created=row[3], revoked=row[4])
