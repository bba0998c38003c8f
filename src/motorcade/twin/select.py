"""Selecting vehicles: tenant, box and predicate over whole columns, a chunk of rows at a time.

Two passes per chunk. The first finds candidates with plain array comparisons, cheapest first, and
may see a row half-written. The second reads the candidates' cells under their sequences and asks
again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.errors import DependencyError, Invalid
from motorcade.limits import TWIN_READ_WAIT_S_MAX, TWIN_SELECT_CHUNK_ROWS, TWIN_SELECT_ROWS_MAX
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Signal
from motorcade.twin.cells import DEGREE, LATITUDE, LONGITUDE, column_of, lists_of, split
from motorcade.twin.heap import blocks
from motorcade.twin.part import Cells, Part, View
from motorcade.twin.predicate import Predicate

__all__ = ["Box", "Question", "answer"]

_PAUSE_S: Final = 0.0002
_AHEAD: Final = 2
"""Chunks each thread has waiting: enough to stay busy, little lost when the limit is reached."""
_FEW: Final = 16
"""One in so many rows of a chunk: fewer are gathered one by one, more are compared as a whole."""


class Box(NamedTuple):
    """Positions in 1e-7 degrees, borders included; over the antimeridian where west > east."""

    west: int
    south: int
    east: int
    north: int

    @classmethod
    def of(cls, west: float, south: float, east: float, north: float) -> Box:
        """A box in degrees; ``Invalid`` where it cannot be one."""
        good = -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90
        if not good:
            raise Invalid(
                f"A box is west,south,east,north in degrees with south <= north; "
                f"got {west},{south},{east},{north}."
            )
        return cls(*(round(value * DEGREE) for value in (west, south, east, north)))


_Views = Sequence[tuple[Part, View]]


class Question(NamedTuple):
    """What ``TwinReader.select`` was asked; ``tenant`` None is the platform itself."""

    tenant: int | None
    box: Box | None
    where: Predicate | None
    signals: tuple[Signal, ...]
    limit: int
    after: int


class _Rows(NamedTuple):
    """Selected rows of one partition's chunk: vehicles, times, and the asked columns."""

    vehicle: NDArray[np.uint64]
    time: NDArray[np.int64]
    columns: dict[str, pa.Array]


def answer(
    question: Question, parts: Mapping[int, Part], partitions: int, threads: int
) -> pa.Table:
    """The selected vehicles in ascending order, at most ``question.limit``."""
    if not 0 < question.limit <= TWIN_SELECT_ROWS_MAX:
        raise Invalid(f"A selection is of 1 to {TWIN_SELECT_ROWS_MAX} rows, not {question.limit}.")
    views = [(part, view) for part in parts.values() if (view := part.view()) is not None]
    rows = max((view.rows for _, view in views), default=0)
    first = question.after // partitions
    starts = range(first, rows, TWIN_SELECT_CHUNK_ROWS)
    tables: list[pa.Table] = []
    found = 0
    for table in _in_order(question, views, partitions, starts, threads):
        if table.num_rows:
            tables.append(table)
            found += table.num_rows
        if found >= question.limit:
            break
    if not tables:
        return _schema(question).empty_table()
    return pa.concat_tables(tables).slice(0, question.limit).combine_chunks()


def _in_order(
    question: Question, views: _Views, partitions: int, starts: range, threads: int
) -> Iterator[pa.Table]:
    """Each chunk's table, chunks ascending, several worked on at once."""
    if len(starts) <= 1 or threads <= 1:
        for start in starts:
            yield _chunk(question, views, partitions, start)
        return
    waiting: list[Future[pa.Table]] = []
    with ThreadPoolExecutor(threads, "twin-select") as pool:
        try:
            for start in starts:
                waiting.append(pool.submit(_chunk, question, views, partitions, start))
                if len(waiting) >= threads * _AHEAD:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)


def _chunk(question: Question, views: _Views, partitions: int, start: int) -> pa.Table:
    """One chunk of rows over all partitions, vehicles ascending."""
    tables = []
    for part, view in views:
        stop = min(start + TWIN_SELECT_CHUNK_ROWS, view.rows)
        if start >= stop:
            continue
        rows = _candidates(question, view, start, stop)
        if question.after:
            rows = rows[rows * partitions + part.partition > question.after]
        rows = rows[: question.limit]
        if len(rows):
            tables.append(_table(question, _checked(question, part, rows, partitions)))
    if not tables:
        return _schema(question).empty_table()
    if len(tables) == 1:
        return tables[0]
    return pa.concat_tables(tables).sort_by("vehicle").slice(0, question.limit)


def _candidates(question: Question, view: View, start: int, stop: int) -> NDArray[np.int64]:
    """Rows from ``start`` to ``stop`` that seem to be selected, ascending."""
    rows: NDArray[np.int64] | None = None
    if question.tenant is not None:
        rows = np.flatnonzero(view.tenant_array[start:stop] == question.tenant) + start
    if question.box is not None:
        rows = _in_box(question.box, view, start, stop, rows)
    if rows is None:
        rows = np.flatnonzero(view.time_array[start:stop]) + start
    if question.where is not None and len(rows):
        columns = {
            path: _column(cells, cells.array[rows], view, rows)
            for path in question.where.paths
            if (cells := view.cells.get(path)) is not None
        }
        rows = rows[question.where.mask(columns, len(rows))]
    return rows


def _in_box(
    box: Box, view: View, start: int, stop: int, rows: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Rows whose position cells lie in the box; latitude first, longitude where that holds."""
    latitude, longitude = view.cells.get(LATITUDE), view.cells.get(LONGITUDE)
    if latitude is None or longitude is None:
        return np.zeros(0, np.int64)
    if rows is not None and len(rows) * _FEW < stop - start:
        rows = rows[_between(latitude.array[rows], box.south, box.north)]
    else:
        inside = _between(latitude.array[start:stop], box.south, box.north)
        rows = np.flatnonzero(inside) + start if rows is None else rows[inside[rows - start]]
    if box.west <= box.east:
        return rows[_between(longitude.array[rows], box.west, box.east)]
    outside = _between(longitude.array[rows], box.east + 1, box.west - 1)
    return rows[~outside]


def _between(cells: NDArray[np.uint64], low: int, high: int) -> NDArray[np.bool_]:
    """Which position cells lie from ``low`` to ``high``; unreported ones count as zero.

    The value is the cell's upper half, so one subtraction and one unsigned comparison of the whole
    cell tell.
    """
    base = np.uint64((low << 32) & 0xFFFF_FFFF_FFFF_FFFF)
    span = np.uint64((high - low + 1) << 32)
    inside: NDArray[np.bool_] = cells - base < span
    return inside


def _checked(question: Question, part: Part, rows: NDArray[np.int64], partitions: int) -> _Rows:
    """The rows that are selected for certain, each read while nobody wrote it.

    Where all are being written all the time, fewer are read at once, so that it takes less long.
    """
    deadline = time.monotonic() + TWIN_READ_WAIT_S_MAX
    size = len(rows)
    done: list[_Rows] = []
    while True:
        view = part.view()
        whole = np.zeros(0, np.bool_)
        if view is not None:
            selected, whole = _read(question, view, rows[:size], partitions, part.partition)
            if not part.is_current(view):  # a list may lie beyond the heap as it was mapped
                continue
            done.append(selected)
        if whole.any():
            deadline = time.monotonic() + TWIN_READ_WAIT_S_MAX
            rows = np.concatenate([rows[:size][~whole], rows[size:]])
            if not len(rows):
                return _merged(done)
            continue
        if time.monotonic() > deadline:
            raise DependencyError(
                f"{len(rows)} vehicles are being written; their worker does not finish."
            )
        size = max(size // 2, 1)
        time.sleep(_PAUSE_S)


def _read(
    question: Question, view: View, rows: NDArray[np.int64], partitions: int, partition: int
) -> tuple[_Rows, NDArray[np.bool_]]:
    """The selected ones of these rows, and which of them were whole when they were read."""
    before = view.sequence_array[rows]
    present = {path: view.cells[path] for path in _wanted(question) if path in view.cells}
    raw = {path: cells.array[rows] for path, cells in present.items()}
    columns = {path: _column(cells, raw[path], view, rows) for path, cells in present.items()}
    times, tenants = view.time_array[rows], view.tenant_array[rows]
    whole = (view.sequence_array[rows] == before) & (before & 1 == 0)
    chosen = whole & (times != 0)
    if question.tenant is not None:
        chosen &= tenants == question.tenant
    if question.box is not None:
        chosen &= _surely_in_box(question.box, present, raw)
    if question.where is not None:
        chosen &= question.where.mask(columns, len(rows))
    kept = np.flatnonzero(chosen)
    taken = {path: column.take(pa.array(kept)) for path, column in columns.items()}
    vehicle = rows[kept].astype(np.uint64) * np.uint64(partitions) + np.uint64(partition)
    return _Rows(vehicle, times[kept], taken), whole


def _wanted(question: Question) -> list[str]:
    """Paths of every column a question needs."""
    wanted = {signal.path: None for signal in question.signals}
    wanted |= dict.fromkeys(question.where.paths if question.where is not None else ())
    wanted |= dict.fromkeys((LATITUDE, LONGITUDE) if question.box is not None else ())
    return list(wanted)


def _surely_in_box(
    box: Box, cells: Mapping[str, Cells], raw: Mapping[str, NDArray[np.uint64]]
) -> NDArray[np.bool_]:
    latitude, latitude_stamps = split(cells[LATITUDE].kind, raw[LATITUDE])
    longitude, longitude_stamps = split(cells[LONGITUDE].kind, raw[LONGITUDE])
    inside = (latitude_stamps & 3 == Quality.VALID) & (longitude_stamps & 3 == Quality.VALID)
    inside &= (latitude >= box.south) & (latitude <= box.north)
    east, west = longitude <= box.east, longitude >= box.west
    both: NDArray[np.bool_] = inside & ((west & east) if box.west <= box.east else (west | east))
    return both


def _column(cells: Cells, raw: NDArray[np.uint64], view: View, rows: NDArray[np.int64]) -> pa.Array:
    if not cells.kind.is_heap:
        return column_of(cells.signal, cells.kind, raw)
    handles, stamps = split(cells.kind, raw)
    payload, starts, gone = blocks(view.heap, cells.signal.number, rows, handles)
    gone |= (stamps & 3) != Quality.VALID
    return lists_of(cells.signal, cells.kind, payload, starts, gone)


def _merged(parts: list[_Rows]) -> _Rows:
    """Rows read at several times, vehicles ascending; a column may be newer than the first time."""
    if len(parts) == 1:
        return parts[0]
    vehicle = np.concatenate([part.vehicle for part in parts])
    order = np.argsort(vehicle)
    columns: dict[str, pa.Array] = {}
    for path in {path: None for part in parts for path in part.columns}:
        kind = next(part.columns[path].type for part in parts if path in part.columns)
        pieces = [part.columns.get(path, pa.nulls(len(part.vehicle), kind)) for part in parts]
        columns[path] = pa.concat_arrays(pieces).take(pa.array(order))
    return _Rows(vehicle[order], np.concatenate([part.time for part in parts])[order], columns)


def _schema(question: Question) -> pa.Schema:
    fields: list[Any] = [
        pa.field("vehicle", pa.uint64(), nullable=False),
        pa.field("event_time", pa.timestamp("us", "UTC"), nullable=False),
    ]
    fields += [pa.field(signal.path, signal.stored_type) for signal in question.signals]
    return pa.schema(fields)


def _table(question: Question, rows: _Rows) -> pa.Table:
    schema = _schema(question)
    arrays = [pa.array(rows.vehicle), pa.array(rows.time).view(pa.timestamp("us", "UTC"))]
    for signal in question.signals:
        column = rows.columns.get(signal.path)
        missing = column is None
        arrays.append(pa.nulls(len(rows.vehicle), signal.stored_type) if missing else column)
    return pa.Table.from_arrays(arrays, schema=schema)
