"""Brings desired states about: compares them with what vehicles report, and sends what differs.

In: desired states of the worker's partitions, the twin, links. Out: ``set`` commands. One is out at
a time, and after each the vehicle has time to report: twice as long every time, so that a vehicle
that cannot or will not is not bothered without end. What was reached is compared again now and
then, and whenever the vehicle comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import structlog

from motorcade.apps.commands.asking import ask, row_for
from motorcade.apps.commands.config import Config
from motorcade.apps.commands.desired import desired_subject, differs
from motorcade.apps.commands.desk import insert
from motorcade.apps.commands.policy import Link
from motorcade.apps.commands.row import Row
from motorcade.clock import Clock
from motorcade.errors import CapacityError, Conflict, DependencyError, Invalid
from motorcade.fleet.store import Connection, Store
from motorcade.log.log import Log
from motorcade.signals.catalogue import Catalogue

__all__ = ["DesiredRunner", "Reported"]

_log = structlog.get_logger(__name__)

_PAGE: Final = 200
_LOOK_S: Final = 1.0
_LINKED_MAX: Final = 100_000


class Reported(Protocol):
    """What a vehicle last said: path to value, None where it is not valid; left out: never said."""

    async def __call__(
        self, vehicle: int, tenant: int, paths: Sequence[str]
    ) -> Mapping[str, Any]: ...


class _Due(NamedTuple):
    """A desired state to be looked at."""

    vehicle: int
    tenant: int
    version: int
    signals: dict[str, Any]
    tries: int
    open: bool
    """Whether its last command may still succeed."""


class DesiredRunner:
    """The desired states of ``own`` partitions, of ``partitions`` in all."""

    def __init__(
        self,
        store: Store,
        log: Log,
        catalogue: Catalogue,
        *,
        clock: Clock,
        config: Config,
        own: Sequence[int],
        links: Callable[[int], Sequence[Link]],
        reported: Reported,
        notice: Callable[[Iterable[Row]], None],
        wake: Callable[[int, int, str], None],
    ) -> None:
        self._store = store
        self._log = log
        self._catalogue = catalogue
        self._clock = clock
        self._config = config
        self._own = list(own)
        self._partitions = log.partitions
        self._links = links
        self._reported = reported
        self._notice = notice
        self._wake = wake
        self._linked: set[int] = set()
        self._more = asyncio.Event()

    def linked(self, vehicle: int) -> None:
        """A vehicle can be reached again: what is desired of it is compared at once."""
        if len(self._linked) < _LINKED_MAX:
            self._linked.add(vehicle)
            self._more.set()

    async def run(self) -> None:
        """Work for ever; cancel it to stop."""
        async with contextlib.AsyncExitStack() as stack:
            for partition in self._own:
                hints = await self._log.subscribe(desired_subject(partition), self._hint)
                stack.push_async_callback(hints.close)
            while True:
                try:
                    while await self.step():
                        pass
                except (DependencyError, CapacityError, Conflict) as error:
                    _log.warning("desired states wait", why=error.detail)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await self._more.wait()
                self._more.clear()

    async def step(self) -> bool:
        """Look at a page of what is due; true where there may be more."""
        now_us = self._clock.now_us()
        linked, self._linked = self._linked, set()
        async with self._store.platform() as connection:
            if linked:
                await connection.execute(
                    "UPDATE desired_states SET next_us = 0 WHERE vehicle = ANY(%s::bigint[])"
                    " AND next_us > 0",
                    (sorted(linked),),
                )
            due = await self._due(connection, now_us)
        made: list[tuple[_Due, Row]] = []
        waits: list[tuple[_Due, bool, int]] = []
        for one in due:
            await self._compare(one, now_us, made, waits)
        if due:
            await self._save(made, waits)
        return len(due) == _PAGE

    async def _due(self, connection: Connection, now_us: int) -> list[_Due]:
        cursor = await connection.execute(
            "SELECT d.vehicle, d.tenant, d.version, d.signals, d.tries,"
            " coalesce(c.state IN ('queued', 'sent', 'delivered'), false)"
            " FROM desired_states d LEFT JOIN commands c ON c.id = d.command"
            " WHERE d.partition = ANY(%s::smallint[]) AND d.next_us <= %s"
            " ORDER BY d.next_us LIMIT %s",
            (self._own, now_us, _PAGE),
        )
        return [_Due(*row) for row in await cursor.fetchall()]

    async def _compare(
        self,
        one: _Due,
        now_us: int,
        made: list[tuple[_Due, Row]],
        waits: list[tuple[_Due, bool, int]],
    ) -> None:
        """What is to be done about one."""
        said = await self._reported(one.vehicle, one.tenant, list(one.signals))
        wrong = {
            path: value
            for path, value in one.signals.items()
            if path in self._catalogue
            and differs(value, said.get(path), self._catalogue[path].datatype)
        }
        seldom_us = now_us + round(self._config.desired_max_s * 1e6)
        if not wrong:
            waits.append((one, True, seldom_us))
        elif one.open:
            waits.append((one, False, now_us + round(_LOOK_S * 1e6)))
        elif any(link.reachable for link in self._links(one.vehicle)):
            row = self._asked(one, wrong, now_us)
            if row is None:
                waits.append((one, False, seldom_us))
            else:
                made.append((one, row))
        else:
            self._wake(one.tenant, one.vehicle, "desired")
            waits.append((one, False, seldom_us))

    def _asked(self, one: _Due, wrong: Mapping[str, Any], now_us: int) -> Row | None:
        """The command for what differs; None where the catalogue has no such values any more."""
        try:
            asked = ask(
                "set",
                {"signals": wrong},
                self._catalogue,
                now_us,
                ttl_s=self._config.desired_deadline_s,
                maker="desired",
            )
        except Invalid as error:
            _log.error("a desired state means nothing", vehicle=one.vehicle, why=error.detail)
            return None
        return row_for(asked, one.tenant, one.vehicle, partitions=self._partitions, now_us=now_us)

    async def _save(
        self, made: list[tuple[_Due, Row]], waits: list[tuple[_Due, bool, int]]
    ) -> None:
        """Make the commands and remember when to look again; a state that was changed meanwhile is
        left alone, its command with it."""
        async with self._store.platform() as connection:
            cursor = await connection.execute(
                "SELECT vehicle, version FROM desired_states WHERE vehicle = ANY(%s::bigint[])"
                " ORDER BY vehicle FOR UPDATE",
                ([one.vehicle for one, _ in made] + [one.vehicle for one, _, _ in waits],),
            )
            versions: dict[int, int] = dict(await cursor.fetchall())
            now = [(one, row) for one, row in made if versions.get(one.vehicle) == one.version]
            rows = [row for _, row in now]
            fits = await insert(connection, rows, {})
            for one, row in now:
                await connection.execute(
                    "UPDATE desired_states SET converged = false, tries = tries + 1, next_us = %s,"
                    " command = %s WHERE vehicle = %s",
                    (
                        row.made_us + self._patience_us(one.tries),
                        row.id if row.id in fits else None,
                        one.vehicle,
                    ),
                )
            for one, converged, next_us in waits:
                if versions.get(one.vehicle) == one.version:
                    await connection.execute(
                        "UPDATE desired_states SET converged = %s, next_us = %s,"
                        " tries = CASE WHEN %s THEN 0 ELSE tries END WHERE vehicle = %s",
                        (converged, next_us, converged, one.vehicle),
                    )
        self._notice(row for row in rows if row.number)

    def _patience_us(self, tries: int) -> int:
        wait_s = self._config.desired_first_s * float(1 << min(tries, 20))
        return round(min(wait_s, self._config.desired_max_s) * 1e6)

    async def _hint(self, _: str, __: bytes) -> None:
        self._more.set()
