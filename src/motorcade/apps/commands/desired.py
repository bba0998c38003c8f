"""Desired states: which values a vehicle's actuator signals are to have, kept until they have them.

In: signals and values, with conditions on the version they replace. Out: versions, and what the
workers have to bring about (``desired_runner``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np

from motorcade.apps.commands.rules import check_signals
from motorcade.clock import Clock
from motorcade.errors import Invalid, NotFound, PreconditionFailed
from motorcade.fleet.store import Connection, Store, one
from motorcade.limits import COMMAND_SIGNALS_MAX
from motorcade.log.log import Log
from motorcade.signals.catalogue import Catalogue

__all__ = ["Condition", "Desired", "DesiredStates", "desired_subject", "differs"]


class Desired(msgspec.Struct, kw_only=True):
    """A vehicle's desired state. ``command``: the one that was sent last to bring it about."""

    vehicle: int
    version: int
    signals: dict[str, Any]
    changed_us: int
    maker: str = ""
    command: UUID | None = None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold before a change: ``versions`` one of which it is (None: whatever it is; empty:
    that there is one at all), or ``absent``: that there is none."""

    versions: tuple[int, ...] | None = None
    absent: bool = False


class DesiredStates:
    """The desired states of tenants' vehicles. ``partitions``: how many the log has."""

    def __init__(
        self, store: Store, log: Log, catalogue: Catalogue, clock: Clock, partitions: int
    ) -> None:
        self._store = store
        self._log = log
        self._catalogue = catalogue
        self._clock = clock
        self._partitions = partitions

    async def get(self, tenant: int, vehicle: int) -> Desired:
        """``NotFound`` where nothing is desired."""
        async with self._store.tenant(tenant) as connection:
            found = await _read(connection, tenant, vehicle)
        if found is None:
            raise _none()
        return found

    async def put(
        self,
        tenant: int,
        vehicle: int,
        signals: Mapping[str, Any],
        condition: Condition,
        *,
        maker: str = "",
        merge: bool = False,
    ) -> tuple[Desired, UUID | None]:
        """Replace the desired state, or with ``merge`` change it signal by signal (null takes one
        out). Returns the new one and the command that the one before had sent. Raises ``Invalid``
        for what is no actuator, ``PreconditionFailed`` where the condition does not hold."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            version = await _lock(connection, tenant, vehicle)
            before = await _read(connection, tenant, vehicle)
            _hold(condition, before)
            values = {**before.signals, **signals} if merge and before else dict(signals)
            if merge:
                values = {path: value for path, value in values.items() if value is not None}
            good = _checked(values, self._catalogue)
            after = Desired(
                vehicle=vehicle,
                version=version + 1,
                signals=good,
                changed_us=self._clock.now_us(),
                maker=maker,
            )
            await self._write(connection, tenant, after)
        await self._log.publish(desired_subject(vehicle % self._partitions))
        return after, before.command if before else None

    async def delete(self, tenant: int, vehicle: int, condition: Condition) -> UUID | None:
        """Desire nothing any more; returns the command that was sent last. ``NotFound``,
        ``PreconditionFailed``."""
        async with self._store.tenant(tenant, pipeline=False) as connection:
            await _lock(connection, tenant, vehicle)
            before = await _read(connection, tenant, vehicle)
            if before is None:
                raise _none()
            _hold(condition, before)
            await connection.execute(
                "DELETE FROM desired_states WHERE vehicle = %s AND tenant = %s", (vehicle, tenant)
            )
        return before.command

    async def _write(self, connection: Connection, tenant: int, after: Desired) -> None:
        await connection.execute(
            "INSERT INTO desired_states (vehicle, tenant, partition, version, signals, changed_us,"
            " maker) VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s) ON CONFLICT (vehicle) DO UPDATE"
            " SET version = excluded.version, signals = excluded.signals,"
            " changed_us = excluded.changed_us, maker = excluded.maker, converged = false,"
            " tries = 0, next_us = 0, command = NULL",
            (
                after.vehicle,
                tenant,
                after.vehicle % self._partitions,
                after.version,
                msgspec.json.encode(after.signals).decode(),
                after.changed_us,
                after.maker,
            ),
        )
        await connection.execute(
            "UPDATE desired_versions SET version = %s WHERE vehicle = %s",
            (after.version, after.vehicle),
        )


def desired_subject(partition: int) -> str:
    """Where it is said that a desired state of a partition changed."""
    return f"desired.{partition}"


def differs(desired: Any, reported: Any, datatype: str) -> bool:
    """Whether a vehicle reports another value than is desired; single precision is compared as
    such."""
    if reported is None:
        return True
    if isinstance(desired, list):
        if not isinstance(reported, list | tuple) or len(desired) != len(reported):
            return True
        of = datatype.removesuffix("[]")
        return any(differs(one, other, of) for one, other in zip(desired, reported, strict=True))
    if datatype == "float":
        return bool(np.float32(desired) != np.float32(reported))
    return bool(desired != reported)


_COLUMNS: Final = "vehicle, version, signals, changed_us, maker, command"


async def _lock(connection: Connection, tenant: int, vehicle: int) -> int:
    """Take the vehicle's turn among callers; the last version it had."""
    row = await one(
        connection,
        "INSERT INTO desired_versions AS v (vehicle, tenant, version) VALUES (%s, %s, 0)"
        " ON CONFLICT (vehicle) DO UPDATE SET version = v.version RETURNING version",
        (vehicle, tenant),
    )
    return int(row[0]) if row else 0


async def _read(connection: Connection, tenant: int, vehicle: int) -> Desired | None:
    row = await one(
        connection,
        f"SELECT {_COLUMNS} FROM desired_states WHERE vehicle = %s AND tenant = %s".encode(),
        (vehicle, tenant),
    )
    return None if row is None else Desired(**dict(zip(_COLUMNS.split(", "), row, strict=True)))


def _hold(condition: Condition, before: Desired | None) -> None:
    if condition.absent and before is not None:
        raise PreconditionFailed(f"There is a desired state already, version {before.version}.")
    if condition.versions is None:
        return
    if before is None:
        raise PreconditionFailed("There is no desired state yet.")
    if condition.versions and before.version not in condition.versions:
        raise PreconditionFailed(f"The desired state is of version {before.version} by now.")


def _checked(values: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    try:
        if not 1 <= len(values) <= COMMAND_SIGNALS_MAX:
            raise ValueError(f"must be 1 to {COMMAND_SIGNALS_MAX} signals; to desire none, DELETE")
        return check_signals(values, catalogue)
    except ValueError as error:
        field = {"field": "signals", "message": str(error)}
        raise Invalid(f"signals: {error}", errors=[field]) from error


def _none() -> NotFound:
    return NotFound("Nothing is desired of this vehicle.")
