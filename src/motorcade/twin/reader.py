"""The twin's reader: one vehicle's state, or the vehicles a box and a predicate select.

For any process of the host that has the files; it never writes. Row sequences tell it when the
writer was there meanwhile, and it reads again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

from motorcade.errors import DependencyError, NotFound
from motorcade.limits import TWIN_READ_WAIT_S_MAX, TWIN_SPIN_S_MAX
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Catalogue
from motorcade.twin.layout import EPOCH_S
from motorcade.twin.part import Part, View
from motorcade.twin.predicate import Predicate, parse
from motorcade.twin.select import Box, Question, answer

__all__ = ["Reading", "State", "TwinReader", "Box"]

_QUALITIES = tuple(Quality)
_PAUSE_S = 0.0001
_ASYNC_PAUSE_S = 0.001


class Reading(NamedTuple):
    """What a vehicle last said about one signal."""

    value: Any
    """In catalogue units; a word for enumerations, a list for lists; None unless valid."""
    time_us: int
    """Event time: exact where it is the vehicle's newest second, else that second."""
    quality: Quality


@dataclass(frozen=True, slots=True)
class State:
    """A vehicle as it last reported."""

    vehicle: int
    tenant: int
    event_time_us: int
    """Newest event time (at most a minute after its arrival, however wrong the vehicle's clock)."""
    seen_s: int
    """When its newest record came in, Unix seconds."""
    signals: Mapping[str, Reading]


class TwinReader:
    """Reads the partitions whose files are in ``directory``, of ``partitions`` in all.

    Threads may share it. ``only`` restricts it to some partitions (a worker serving its own).
    """

    def __init__(
        self,
        directory: Path,
        partitions: int,
        catalogue: Catalogue,
        *,
        only: Sequence[int] | None = None,
        threads: int = 2,
    ) -> None:
        self._partitions = partitions
        self._catalogue = catalogue
        self._threads = threads
        own = range(partitions) if only is None else only
        self._parts = {number: Part(directory, number, partitions, catalogue) for number in own}

    def state(
        self, vehicle: int, tenant: int, signals: Sequence[str] | None = None
    ) -> State | None:
        """The tenant's vehicle as last reported; None where it never reported or is not its own.

        ``signals`` are paths or branches (``Vehicle.Powertrain``); all where None. ``NotFound`` for
        a path that means nothing, ``DependencyError`` where the row stays half-written (the worker
        died in it; it mends the row when it is back). Blocks for up to 50 ms then; see ``fetch``.
        """
        return _owned(self.platform_state(vehicle, signals), tenant)

    async def fetch(
        self, vehicle: int, tenant: int, signals: Sequence[str] | None = None
    ) -> State | None:
        """``state`` for an event loop: waits for a row being written without holding up others, and
        longer."""
        deadline = 0.0
        while (state := self._try(vehicle, signals)) is _BUSY:
            deadline = deadline or time.monotonic() + TWIN_READ_WAIT_S_MAX
            _check(vehicle, deadline)
            await asyncio.sleep(_ASYNC_PAUSE_S)
        return _owned(state, tenant)

    def platform_state(self, vehicle: int, signals: Sequence[str] | None = None) -> State | None:
        """``state`` of any tenant's vehicle: for the platform, never for a tenant's request."""
        deadline = 0.0
        while (state := self._try(vehicle, signals)) is _BUSY:
            deadline = deadline or time.monotonic() + TWIN_SPIN_S_MAX
            _check(vehicle, deadline)
            time.sleep(_PAUSE_S)
        return state

    def _try(self, vehicle: int, signals: Sequence[str] | None) -> State | None:
        """One look: the state, None, or ``_BUSY`` where the row was being written."""
        part = self._parts.get(vehicle % self._partitions)
        if part is None:
            raise NotFound(f"partition {vehicle % self._partitions} of the twin is not read here")
        row = vehicle // self._partitions
        view = part.view()
        if view is None or row >= view.rows:
            return None
        before = view.sequence(row)
        if before & 1:
            return _BUSY
        state = _read(view, view.chosen(signals), vehicle, row)
        return state if view.sequence(row) == before and part.is_current(view) else _BUSY

    def select(
        self,
        tenant: int,
        *,
        bbox: Box | tuple[float, float, float, float] | None = None,
        where: str | Predicate | None = None,
        signals: Sequence[str] = (),
        limit: int = 1_000,
        after: int = 0,
    ) -> pa.Table:
        """The tenant's vehicles that reported a position in ``bbox`` and for which ``where`` holds.

        ``bbox`` is (west, south, east, north) in degrees, over the antimeridian where west > east.
        Columns: ``vehicle`` (uint64, ascending), ``event_time``, then ``signals`` (paths or
        branches) in their ``stored_type``. At most ``limit`` rows, of vehicles numbered above
        ``after``: the last one leads on. ``Invalid`` for a box or predicate that cannot be,
        ``NotFound`` for signals.
        """
        return self._select(tenant, bbox, where, signals, limit, after)

    def platform_select(
        self,
        *,
        bbox: Box | tuple[float, float, float, float] | None = None,
        where: str | Predicate | None = None,
        signals: Sequence[str] = (),
        limit: int = 1_000,
        after: int = 0,
    ) -> pa.Table:
        """The same over all tenants: for the platform itself, never for a tenant's request."""
        return self._select(None, bbox, where, signals, limit, after)

    def _select(  # noqa: PLR0917
        self,
        tenant: int | None,
        bbox: Box | tuple[float, float, float, float] | None,
        where: str | Predicate | None,
        signals: Sequence[str],
        limit: int,
        after: int,
    ) -> pa.Table:
        question = Question(
            tenant=tenant,
            box=bbox if bbox is None or isinstance(bbox, Box) else Box.of(*bbox),
            where=parse(where, self._catalogue) if isinstance(where, str) else where,
            signals=tuple(self._catalogue.select(signals)),
            limit=limit,
            after=after,
        )
        return answer(question, self._parts, self._partitions, self._threads)


_BUSY: Final = State(0, 0, 0, 0, {})


def _owned(state: State | None, tenant: int) -> State | None:
    return state if state is not None and state.tenant == tenant else None


def _check(vehicle: int, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise DependencyError(
            f"The state of vehicle {vehicle} is being written; its worker does not finish."
        )


def _read(view: View, columns: Any, vehicle: int, row: int) -> State | None:
    """One row, perhaps while it is being written: the caller looks at the sequence."""
    newest = view.times[2 * row]
    if newest == 0:
        return None
    exact = newest // 1_000_000 - EPOCH_S
    found: dict[str, Reading] = {}
    make = tuple.__new__
    plain, special = columns
    at = 2 * row
    for path, stamps, values in plain:
        stamp = stamps[at]
        if stamp:
            second = stamp >> 2
            when = newest if second == exact else (second + EPOCH_S) * 1_000_000
            value = values[at + 1] if stamp & 3 == 1 else None
            found[path] = make(Reading, (value, when, _QUALITIES[stamp & 3]))
    for path, stamps, width, value_of in special:
        stamp = stamps[row * width]
        if stamp:
            second = stamp >> 2
            when = newest if second == exact else (second + EPOCH_S) * 1_000_000
            value = value_of(row) if stamp & 3 == 1 else None
            found[path] = make(Reading, (value, when, _QUALITIES[stamp & 3]))
    seen = view.words[4 * row + 2] + EPOCH_S
    return State(vehicle, view.tenant[row], newest, seen, found)
