"""Forwarders and their state in PostgreSQL, under row-level security.

In: rules of tenants, progress of workers. Out: the same. What workers do acts for the platform and
says so; everything else is one tenant's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from motorcade.apps.forwarding.parcel import Name
from motorcade.apps.forwarding.rules import Rule
from motorcade.clock import Clock
from motorcade.errors import Conflict, Invalid, NotFound
from motorcade.fleet.store import Connection, Store, moment, one
from motorcade.limits import FORWARDERS_PER_TENANT_MAX

__all__ = ["Forwarder", "Forwarders", "Refusal", "State"]

_log = structlog.get_logger(__name__)


class Refusal(msgspec.Struct, frozen=True):
    """Rows a peer would not take: when (µs UTC), and what it said."""

    time_us: int
    reason: str


class State(msgspec.Struct, kw_only=True):
    """How a forwarder is doing. Counts are rows since it was made; times µs UTC, 0 never."""

    status: str = "new"
    """``new``, ``sending``, ``waiting`` (nothing to send), ``retrying`` (the peer fails),
    ``failing`` (its spool does) or ``paused``."""
    sent: int = 0
    """Acknowledged by the peer."""
    refused: int = 0
    """The peer said it will never take them: dead letters."""
    left_out: int = 0
    """The target's protocol cannot say what they hold."""
    lost: int = 0
    """Gone at the spool's bound, or trimmed from the log before they were read."""
    failures: int = 0
    """Attempts that failed and were tried again."""
    lag_rows: int = 0
    """On the spool."""
    lag_s: float = 0.0
    """Age of the oldest of them."""
    last_error: str = ""
    last_error_us: int = 0
    last_sent_us: int = 0
    refusals: list[Refusal] = []
    """The latest refusals."""
    done: dict[int, int] = {}
    """By partition: rows of the spool that are behind ``position``."""


class Forwarder(msgspec.Struct, kw_only=True, frozen=True):
    """One forwarder as it is stored. ``changed`` grows with every change of any forwarder."""

    id: int
    tenant: int
    tenant_name: str
    name: str
    rule: Rule
    secrets: dict[str, str]
    paused: bool
    created: datetime
    changed: int


class Forwarders:
    """The forwarders' tables over the registry's connections."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(
        self, tenant: int, name: str, rule: Rule, secrets: Mapping[str, str], *, paused: bool
    ) -> Forwarder:
        """A new forwarder; ``Conflict`` where the name is taken, or there are too many."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            changed = await _stamp(connection)
            row = await one(
                connection, "SELECT count(*) FROM forwarders WHERE tenant = %s", (tenant,)
            )
            if row is not None and row[0] >= FORWARDERS_PER_TENANT_MAX:
                raise Conflict(f"a tenant has at most {FORWARDERS_PER_TENANT_MAX} forwarders")
            if await one(
                connection,
                "SELECT 1 FROM forwarders WHERE tenant = %s AND name = %s",
                (tenant, name),
            ):
                raise Conflict(f"there is a forwarder {name!r} already")
            number = await one(
                connection,
                "UPDATE counters SET value = value + 1 WHERE name = 'forwarder' RETURNING value",
            )
            assert number is not None
            values = (number[0], tenant, name, _json(rule), _json(dict(secrets)), paused)
            await connection.execute(
                "INSERT INTO forwarders (id, tenant, name, rule, secrets, paused, created, changed)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (*values, moment(self._clock), changed),
            )
            await connection.execute(
                "INSERT INTO forwarder_states (forwarder, tenant, state) VALUES (%s, %s, %s)",
                (number[0], tenant, _json(State(status="paused" if paused else "new"))),
            )
            return await _find(connection, tenant, name)

    async def forwarders(self, tenant: int) -> list[tuple[Forwarder, State]]:
        """A tenant's forwarders by name, each with its state as it was told last."""
        async with self._store.tenant(tenant) as connection:
            cursor = await connection.execute(
                _SELECT_BOTH + " WHERE f.tenant = %s ORDER BY f.name", (tenant,)
            )
            return [(_forwarder(row), _state(row[9])) for row in await cursor.fetchall()]

    async def forwarder(self, tenant: int, name: str) -> tuple[Forwarder, State]:
        """One of them; ``NotFound``."""
        _check_name(name)
        async with self._store.tenant(tenant) as connection:
            row = await one(
                connection, _SELECT_BOTH + " WHERE f.tenant = %s AND f.name = %s", (tenant, name)
            )
        if row is None:
            raise _unknown(name)
        return _forwarder(row), _state(row[9])

    async def change(
        self, tenant: int, name: str, rule: Rule, secrets: Mapping[str, str]
    ) -> Forwarder:
        """Replace the rule; what is on the spool is sent by the new one. ``NotFound``."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            changed = await _stamp(connection)
            await connection.execute(
                "UPDATE forwarders SET rule = %s, secrets = %s, changed = %s"
                " WHERE tenant = %s AND name = %s",
                (_json(rule), _json(dict(secrets)), changed, tenant, name),
            )
            return await _find(connection, tenant, name)

    async def pause(self, tenant: int, name: str, paused: bool) -> Forwarder:
        """Stop or resume the sending; records gather on the spool meanwhile. ``NotFound``."""
        _check_name(name)
        async with self._store.tenant(tenant, pipeline=False) as connection:
            changed = await _stamp(connection)
            await connection.execute(
                "UPDATE forwarders SET paused = %s, changed = %s WHERE tenant = %s AND name = %s",
                (paused, changed, tenant, name),
            )
            return await _find(connection, tenant, name)

    async def remove(self, tenant: int, name: str) -> None:
        """Forget a forwarder and what it has not sent. ``NotFound``."""
        _check_name(name)
        async with self._store.tenant(tenant, pipeline=False) as connection:
            await _stamp(connection)
            row = await one(
                connection,
                "DELETE FROM forwarders WHERE tenant = %s AND name = %s RETURNING id",
                (tenant, name),
            )
        if row is None:
            raise _unknown(name)

    async def stamp(self) -> int:
        """A number that grows whenever a forwarder is made, changed or removed."""
        async with self._store.unscoped() as connection:
            row = await one(connection, "SELECT value FROM counters WHERE name = 'forwarders'")
        return int(row[0]) if row else 0

    async def every(self) -> list[tuple[Forwarder, int, State]]:
        """Every tenant's forwarders with spool positions and states (platform scope). One whose
        rule cannot be read is logged and left out."""
        async with self._store.platform() as connection:
            cursor = await connection.execute(_SELECT_BOTH + " ORDER BY f.id")
            rows = await cursor.fetchall()
        found = []
        for row in rows:
            try:
                found.append((_forwarder(row), int(row[10]), _state(row[9])))
            except Invalid as error:
                _log.error("forwarder unreadable", forwarder=row[0], detail=error.detail)
        return found

    async def ids(self) -> set[int]:
        """Every tenant's forwarders by number, also those whose rule cannot be read (platform
        scope)."""
        async with self._store.platform() as connection:
            cursor = await connection.execute("SELECT id FROM forwarders")
            return {int(row[0]) for row in await cursor.fetchall()}

    async def positions(self) -> dict[int, int]:
        """How far each partition of the log has been read for all of them (platform scope)."""
        async with self._store.platform() as connection:
            cursor = await connection.execute(
                "SELECT partition, position FROM forwarding_positions"
            )
            return {int(row[0]): int(row[1]) for row in await cursor.fetchall()}

    async def save(
        self, states: Iterable[tuple[int, int, State]], positions: Mapping[int, int]
    ) -> None:
        """Forwarders' ids, spool positions and states, and partitions' positions, in one
        transaction (platform scope)."""
        async with self._store.platform() as connection:
            for forwarder, position, state in states:
                await connection.execute(
                    "UPDATE forwarder_states SET position = %s, state = %s WHERE forwarder = %s",
                    (position, _json(state), forwarder),
                )
            for partition, position in positions.items():
                await connection.execute(
                    "INSERT INTO forwarding_positions VALUES (%s, %s)"
                    " ON CONFLICT (partition) DO UPDATE SET position = EXCLUDED.position",
                    (partition, position),
                )

    async def names_of(self, tenant: int, numbers: Sequence[int]) -> dict[int, Name]:
        """VIN, plate and SIM card by vehicle number, for those that are the tenant's."""
        async with self._store.tenant(tenant) as connection:
            cursor = await connection.execute(
                "SELECT number, vin, plate, iccid FROM vehicles"
                " WHERE tenant = %s AND number = ANY(%s)",
                (tenant, list(numbers)),
            )
            return {int(row[0]): Name(*row[1:]) for row in await cursor.fetchall()}

    async def chosen(
        self, tenant: int, vins: Sequence[str], labels: Sequence[str]
    ) -> NDArray[np.uint64]:
        """Numbers of the tenant's vehicles that are one of ``vins`` or carry one of ``labels``."""
        async with self._store.tenant(tenant) as connection:
            cursor = await connection.execute(
                "SELECT number FROM vehicles WHERE tenant = %s AND (vin = ANY(%s) OR labels && %s)",
                (tenant, [vin.upper() for vin in vins], list(labels)),
            )
            return np.array([row[0] for row in await cursor.fetchall()], np.uint64)


_COLUMNS: Final = (
    "f.id, f.tenant, t.name, f.name, f.rule, f.secrets, f.paused, f.created, f.changed"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM forwarders f JOIN tenants t ON t.number = f.tenant"
_SELECT_BOTH: Final = (
    f"SELECT {_COLUMNS}, s.state, s.position FROM forwarders f JOIN tenants t"
    " ON t.number = f.tenant JOIN forwarder_states s ON s.forwarder = f.id"
)


async def _find(connection: Connection, tenant: int, name: str) -> Forwarder:
    row = await one(connection, _SELECT + " WHERE f.tenant = %s AND f.name = %s", (tenant, name))
    if row is None:
        raise _unknown(name)
    return _forwarder(row)


async def _stamp(connection: Connection) -> int:
    row = await one(
        connection,
        "UPDATE counters SET value = value + 1 WHERE name = 'forwarders' RETURNING value",
    )
    return int(row[0]) if row else 0


def _forwarder(row: Sequence[Any]) -> Forwarder:
    try:
        rule = msgspec.convert(row[4], Rule)
    except msgspec.ValidationError as error:
        raise Invalid(f"the stored rule of forwarder {row[3]} cannot be read: {error}") from error
    return Forwarder(
        id=row[0],
        tenant=row[1],
        tenant_name=row[2],
        name=row[3],
        rule=rule,
        secrets=dict(row[5]),
        paused=row[6],
        created=row[7],
        changed=row[8],
    )


def _state(value: Any) -> State:
    try:
        return msgspec.convert(value, State, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"a forwarder's stored state cannot be read: {error}") from error


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _check_name(name: str) -> None:
    """``NotFound`` for what PostgreSQL would not even look for."""
    if "\0" in name:
        raise _unknown(name)


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no forwarder {name!r}")
