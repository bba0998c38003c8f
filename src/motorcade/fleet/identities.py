"""What vehicles are called: VINs, phone numbers, IMEIs and device names, and who is behind them.

In: identities as frames carry them, a batch at a time. Out: vehicle, tenant, VIN and what the
vehicle proves itself with, for those who are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from motorcade.clock import Clock
from motorcade.errors import Conflict, NotFound
from motorcade.fleet.arrays import numbers, texts
from motorcade.fleet.codes import code_digest, code_of
from motorcade.fleet.logins import Logins
from motorcade.fleet.names import IdentityKind, tidied
from motorcade.fleet.store import Connection, moment, one
from motorcade.limits import IDENTITIES_PER_VEHICLE_MAX

__all__ = ["Identified", "Identities", "Identity", "number_of"]


class Identified(NamedTuple):
    """A vehicle that was asked for by some identity. ``secrets``: SHA-256 of every token it may
    present now, and for a phone number of its JT/T 808 ``code``; ``key``: its pre-shared key, 16
    bytes, or none; ``terminal``: which one the phone number is of, or empty."""

    vehicle: int
    tenant: int
    vin: str
    secrets: tuple[bytes, ...] = ()
    key: bytes = b""
    code: str = ""
    terminal: str = ""


class Identity(msgspec.Struct, kw_only=True, frozen=True):
    """A name of a vehicle besides its VIN."""

    kind: IdentityKind
    value: str
    created: datetime
    terminal: str | None = None
    """Of a phone number: maker and id of the JT/T 808 terminal that registered by it first,
    ``70111/A000042``; what is no letter, digit or ``_.-~`` as ``%XX``."""


class Identities(Logins):
    """The registry's methods about names of vehicles."""

    _clock: Clock
    _code_secret: bytes = b""

    async def identify(
        self,
        kind: str,
        values: Sequence[str],
        *,
        register: bool = True,
        terminals: Mapping[str, str] | None = None,
    ) -> dict[str, Identified]:
        """The vehicles behind ``values`` (platform scope), by value; who is not in the answer is
        unknown. ``kind``: ``vin`` or an ``IdentityKind``. One query for all; VINs that a tenant
        claims by prefix are registered with ``register``, as by ``resolve``. ``terminals``, by
        value: who registers now; names that are no terminal's yet become theirs for good, in the
        same round trip."""
        wanted = [value for value in dict.fromkeys(values) if "\0" not in value]
        found: dict[str, Identified] = {}
        async with self._store.platform() as connection:
            if terminals:
                told = (texts(terminals), texts(terminals.values()), kind)
                await connection.execute(_REMEMBER, told)
            if kind == "vin":
                cursor = await connection.execute(_BY_VIN, (texts(wanted),))
            else:
                cursor = await connection.execute(_BY_IDENTITY, (kind, texts(wanted)))
            rows = await cursor.fetchall()
        secret = await self._codes_secret() if kind == "phone" and rows else b""
        for value, terminal, number, tenant, vin, rotation, tokens, key in rows:
            secrets, code = tuple(map(bytes, tokens)), ""
            if secret:
                code = code_of(secret, number, rotation)
                secrets += (code_digest(code),)
            found[value] = Identified(
                number, tenant, vin, secrets, bytes(key or b""), code, terminal
            )
        if kind == "vin" and register and len(found) < len(wanted):
            known = await self._register_claimed([vin for vin in wanted if vin not in found])
            found |= {vin: Identified(new.vehicle, new.tenant, vin) for vin, new in known.items()}
        return found

    async def bind(self, kind: str, value: str, vehicle: int) -> bool:
        """Call a vehicle by ``value`` too (platform scope); whether that is new.

        ``Conflict`` where another vehicle is called so, whoever's it is, or where this one has
        ``IDENTITIES_PER_VEHICLE_MAX`` names; ``NotFound`` for a vehicle number nobody has;
        ``Invalid`` for a value of another form.
        """
        value = tidied(kind, value)
        async with self._store.platform(pipeline=False) as connection:
            return await _bound(connection, kind, value, vehicle, moment(self._clock))

    async def add_identity(self, tenant: int, vin: str, kind: str, value: str) -> Identity:
        """Call a tenant's vehicle by ``value`` too; harmless to repeat. Raises what ``bind``
        does."""
        value, created = tidied(kind, value), moment(self._clock)
        async with self._store.tenant(tenant, pipeline=False) as connection:
            vehicle = await number_of(connection, tenant, vin)
            new = await _bound(connection, kind, value, vehicle, created)
            row = None if new else await one(connection, _GIVEN_BEFORE, (kind, value))
        return _identity(row or (kind, value, created, None))

    async def add_identities(self, tenant: int, names: Sequence[tuple[str, str, str]]) -> None:
        """Call many of a tenant's vehicles so: (VIN, kind, value); all or none, in one statement,
        harmless to repeat. ``Conflict`` where a name is another vehicle's or the VIN is not the
        tenant's; ``Invalid``. For provisioning: ``IDENTITIES_PER_VEHICLE_MAX`` is not looked
        at."""
        vins = [vin.upper() for vin, _, _ in names]
        kinds = [kind for _, kind, _ in names]
        values = [tidied(kind, value) for _, kind, value in names]
        async with self._store.tenant(tenant, pipeline=False) as connection:
            given = (texts(kinds), texts(values), texts(vins))
            await connection.execute(_BIND, (moment(self._clock), *given, tenant))
            row = await one(connection, _UNBOUND, given)
            if row is not None:
                raise Conflict(f"the {row[0]} {row[1]!r} is not available for {row[2]!r}")

    async def unbind(self, tenant: int, vin: str, kind: str, value: str) -> None:
        """No longer call a tenant's vehicle so, and forget the name's terminal; links that are open
        stay. ``NotFound``."""
        value = tidied(kind, value)
        async with self._store.tenant(tenant, pipeline=False) as connection:
            vehicle = await number_of(connection, tenant, vin)
            row = await one(
                connection,
                "DELETE FROM identities WHERE kind = %s AND value = %s AND vehicle = %s"
                " RETURNING value",
                (kind, value, vehicle),
            )
        if row is None:
            raise NotFound(f"the vehicle {vin!r} has no {kind} {value!r}")

    async def identities_of(self, tenant: int, vin: str) -> list[Identity]:
        """What a tenant's vehicle is called besides its VIN, the oldest name first;
        ``NotFound``."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            vehicle = await number_of(connection, tenant, vin)
            cursor = await connection.execute(
                f"SELECT {_SHOWN} FROM identities WHERE vehicle = %s"
                " ORDER BY created, kind, value".encode(),
                (vehicle,),
            )
            return [_identity(row) for row in await cursor.fetchall()]

    async def auth_code(self, vehicle: int) -> str:
        """The JT/T 808 authentication code of a vehicle (platform scope), 16 characters: the same
        for ever, until it is replaced. ``NotFound``."""
        codes = await self.auth_codes([vehicle])
        if vehicle not in codes:
            raise NotFound(f"there is no vehicle number {vehicle}")
        return codes[vehicle]

    async def auth_codes(self, vehicles: Sequence[int]) -> dict[int, str]:
        """The JT/T 808 authentication codes of those of ``vehicles`` that exist (platform scope),
        in one query."""
        async with self._store.platform() as connection:
            cursor = await connection.execute(
                "SELECT number, code_rotation FROM vehicles WHERE number = ANY(%s::bigint[])",
                (numbers(vehicles),),
            )
            rows = await cursor.fetchall()
        secret = await self._codes_secret() if rows else b""
        return {number: code_of(secret, number, rotation) for number, rotation in rows}

    async def _codes_secret(self) -> bytes:
        """What codes are derived from; it never changes, so it is asked for once."""
        if not self._code_secret:
            async with self._store.platform() as connection:
                row = await one(
                    connection, "SELECT value FROM platform_secrets WHERE name = 'jt808_codes'"
                )
            if row is None:
                raise NotFound("the registry has lost the secret of its JT/T 808 codes")
            self._code_secret = bytes(row[0])
        return self._code_secret


_KNOWN: Final = (
    "v.number, v.tenant, v.vin, v.code_rotation,"
    " ARRAY(SELECT c.secret FROM credentials c"
    "  WHERE c.vehicle = v.number AND c.kind = 'token' AND c.revoked IS NULL),"
    " (SELECT c.secret FROM credentials c"
    "  WHERE c.vehicle = v.number AND c.kind = 'key' AND c.revoked IS NULL)"
)

_BY_VIN: Final = (
    f"SELECT v.vin, '', {_KNOWN} FROM vehicles v WHERE v.vin = ANY(%s::text[])".encode()
)

_BY_IDENTITY: Final = (
    f"SELECT i.value, coalesce(i.terminal, ''), {_KNOWN} FROM identities i"
    " JOIN vehicles v ON v.number = i.vehicle WHERE i.kind = %s AND i.value = ANY(%s::text[])"
).encode()

_SHOWN: Final = "kind, value, created, terminal"

_GIVEN_BEFORE: Final = f"SELECT {_SHOWN} FROM identities WHERE kind = %s AND value = %s".encode()

# In the order of the names, so that rounds of several gateways wait for each other in a row.
_REMEMBER: Final = (
    "UPDATE identities i SET terminal = f.terminal FROM (SELECT k.kind, k.value, r.terminal"
    " FROM unnest(%s::text[], %s::text[]) AS r (value, terminal)"
    " JOIN identities k ON k.kind = %s AND k.value = r.value WHERE k.terminal IS NULL"
    " ORDER BY k.value FOR UPDATE OF k) f WHERE i.kind = f.kind AND i.value = f.value"
)

_GIVEN: Final = "unnest(%s::text[], %s::text[], %s::text[]) AS r (kind, value, vin)"

_BIND: Final = (
    "INSERT INTO identities (kind, value, vehicle, tenant, created)"
    f" SELECT r.kind, r.value, v.number, v.tenant, %s FROM {_GIVEN}"
    " JOIN vehicles v ON v.vin = r.vin WHERE v.tenant = %s ON CONFLICT DO NOTHING"
).encode()

_UNBOUND: Final = (
    f"SELECT r.kind, r.value, r.vin FROM {_GIVEN} WHERE NOT EXISTS (SELECT FROM identities i"
    " JOIN vehicles v ON v.number = i.vehicle"
    " WHERE i.kind = r.kind AND i.value = r.value AND v.vin = r.vin) LIMIT 1"
).encode()


async def number_of(connection: Connection, tenant: int, vin: str) -> int:
    """The number of a tenant's vehicle, held until the transaction ends; ``NotFound``."""
    row = await one(
        connection,
        "SELECT number FROM vehicles WHERE tenant = %s AND vin = %s FOR SHARE",
        (tenant, vin.upper()),
    )
    if row is None:
        raise NotFound(f"there is no vehicle {vin!r}")
    return int(row[0])


async def _bound(
    connection: Connection, kind: str, value: str, vehicle: int, created: datetime
) -> bool:
    row = await one(connection, "SELECT count(*) FROM identities WHERE vehicle = %s", (vehicle,))
    full = bool(row and row[0] >= IDENTITIES_PER_VEHICLE_MAX)
    cursor = await connection.execute(
        "INSERT INTO identities (kind, value, vehicle, tenant, created)"
        " SELECT %s, %s, number, tenant, %s FROM vehicles WHERE number = %s AND NOT %s"
        " ON CONFLICT DO NOTHING",
        (kind, value, created, vehicle, full),
    )
    if cursor.rowcount:
        return True
    found = await one(
        connection,
        "SELECT v.number, (SELECT i.vehicle FROM identities i WHERE kind = %s AND value = %s)"
        " FROM vehicles v WHERE v.number = %s",
        (kind, value, vehicle),
    )
    if found is None:
        raise NotFound(f"there is no vehicle number {vehicle}")
    if found[1] == vehicle:
        return False
    if full:
        raise Conflict(
            f"a vehicle has {IDENTITIES_PER_VEHICLE_MAX} identities at most; take one away"
        )
    raise Conflict(f"this {kind} is not available")


def _identity(row: Sequence[Any]) -> Identity:
    return Identity(kind=row[0], value=row[1], created=row[2], terminal=row[3])
