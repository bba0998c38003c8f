"""The reading side of the history: a vehicle's rows, raw or down-sampled, and a tenant's export.

Committed rows come from the tenant's Delta table, newer ones from the hot tail of the worker that
has the vehicle's partition; the answer is the same wherever a row lies. Every method names its
tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.clock import Clock
from motorcade.errors import Invalid
from motorcade.history.config import Config
from motorcade.history.cursor import Place, decode_cursor, encode_cursor
from motorcade.history.files import FileCache, Span
from motorcade.history.ranges import vehicle_ranges
from motorcade.history.rows import join, ordered, times
from motorcade.history.schema import STORED_META, answer_type, meta_and, read_back
from motorcade.history.table import Snapshot, table_folder
from motorcade.history.views import TailCall, View, Views
from motorcade.history.windows import AGGREGATES, downsample
from motorcade.limits import API_HISTORY_ROWS_DEFAULT, API_HISTORY_ROWS_MAX
from motorcade.signals.catalogue import Catalogue

__all__ = ["HistoryReader", "QueryResult", "TailCall"]

_DAY_US: Final = 86_400_000_000
_TIME_MAX_US: Final = 253_402_300_800_000_000
_VEHICLE_MAX: Final = (1 << 62) - 1
_EXPORT_ROWS: Final = 100_000
_RAW_COLUMNS: Final = ("event_time", "kind", "reissued", "ingest_time", "quality", "raw", "record")


@dataclass(frozen=True, slots=True)
class QueryResult:
    """``table``: ``event_time`` first, then (raw rows only) ``kind``, ``reissued``,
    ``ingest_time``, ``quality``, ``raw`` and ``record``, then the signals in
    ``Signal.stored_type``. ``cursor``: where the next page begins, None at the end. ``partial``:
    the newest rows may be missing because the worker that holds them did not answer."""

    table: pa.Table
    cursor: str | None
    partial: bool


@dataclass(frozen=True, slots=True)
class _Page:
    span: Span
    after: Place | None
    limit: int
    every_us: int | None
    aggregate: str
    kind: str | None = None


class HistoryReader:
    """Answers history queries; ``tail`` asks a partition's worker. Used from one event loop."""

    def __init__(
        self,
        directory: Path,
        partitions: int,
        catalogue: Catalogue,
        clock: Clock,
        tail: TailCall,
        *,
        config: Config | None = None,
    ) -> None:
        config = config or Config()
        self._directory = directory
        self._catalogue = catalogue
        self._executor = ThreadPoolExecutor(config.query_threads, "history")
        self._views = Views(
            directory, partitions, tail, clock, config=config, executor=self._executor
        )
        self._files = FileCache(config.files_open_max)

    def close(self) -> None:
        """Wait for queries that run, close files."""
        self._executor.shutdown()
        self._files.close()

    async def query(  # noqa: PLR0917 - what the HTTP route of this name takes, in its order
        self,
        tenant: int,
        vehicle: int,
        signals: Sequence[str] | None = None,
        from_us: int = 0,
        to_us: int = _TIME_MAX_US,
        every_us: int | None = None,
        aggregate: str = "mean",
        limit: int = API_HISTORY_ROWS_DEFAULT,
        cursor: str | None = None,
        kind: str | None = None,
    ) -> QueryResult:
        """A vehicle's rows with ``from_us`` ≤ event time < ``to_us``, oldest first, ``limit`` at
        most.

        ``signals`` None means every signal the tenant's table has. With ``every_us`` a row per
        window (``history.windows``) of its reports; else ``kind`` chooses rows of one message kind.
        ``Invalid`` where an argument is out of range, ``NotFound`` for an unknown signal,
        ``DependencyError`` where the disk fails."""
        table_folder(self._directory, tenant)
        paths = self._paths(signals)
        page = _checked(
            vehicle,
            from_us,
            to_us,
            every_us=every_us,
            aggregate=aggregate,
            limit=limit,
            cursor=cursor,
        )
        page = replace(page, kind="report" if every_us is not None else kind)
        if page.span.from_us >= page.span.to_us:
            return QueryResult(self._empty(paths or (), every_us), None, False)
        view = await self._views.view(tenant, page.span, paths)
        names = paths if paths is not None else self._every_path(view)
        loop = asyncio.get_running_loop()
        table, cursor = await loop.run_in_executor(self._executor, self._page, view, page, names)
        return QueryResult(table, cursor, view.partial)

    async def export(
        self,
        tenant: int,
        signals: Sequence[str] | None = None,
        *,
        from_us: int = 0,
        to_us: int = _TIME_MAX_US,
    ) -> AsyncIterator[QueryResult]:
        """Every vehicle's raw rows in tables of about 100,000, by vehicle and event time.

        Tables begin with ``vehicle``; each vehicle's rows are complete in one table. Memory is
        bounded by a table, however long the time.
        """
        table_folder(self._directory, tenant)
        paths = self._paths(signals)
        loop = asyncio.get_running_loop()
        page = _checked(1, from_us, to_us, every_us=None, aggregate="last", limit=1, cursor=None)
        first = 1
        while first <= _VEHICLE_MAX:
            rest = Span(first, _VEHICLE_MAX, page.span.from_us, page.span.to_us)
            snapshot = await self._views.snapshot(tenant)
            part = await loop.run_in_executor(self._executor, self._first_range, snapshot, rest)
            view = await self._views.view(tenant, part, paths)
            names = paths if paths is not None else self._every_path(view)
            rows = await loop.run_in_executor(self._executor, self._rows, view, part, names)
            if rows.num_rows:
                table = self._shaped(rows, ("vehicle", *_RAW_COLUMNS), names)
                yield QueryResult(table, None, view.partial)
            first = part.last + 1

    def _paths(self, signals: Sequence[str] | None) -> tuple[str, ...] | None:
        if signals is None:
            return None
        return tuple(signal.path for signal in self._catalogue.select(signals))

    def _every_path(self, view: View) -> tuple[str, ...]:
        names = set(view.snapshot.columns.names) if view.snapshot else set()
        if view.tail is not None:
            names |= set(view.tail.schema.names)
        return tuple(sorted(name for name in names if name in self._catalogue))

    def _first_range(self, snapshot: Snapshot | None, span: Span) -> Span:
        if snapshot is None:
            return span
        files = snapshot.covering(span)
        first, last = vehicle_ranges(snapshot, files, self._files, span, _EXPORT_ROWS)[0]
        return Span(first, last, span.from_us, span.to_us)

    def _page(self, view: View, page: _Page, paths: Sequence[str]) -> tuple[pa.Table, str | None]:
        found: list[pa.Table] = []
        count = 0
        for span in _slices(view, page):
            rows = self._rows(view, span, paths)
            if page.kind is not None:
                rows = rows.filter(pc.equal(rows.column("kind"), page.kind))
            if page.every_us is None and page.after and span.from_us == page.after.time_us:
                rows = _after(rows, page.after)
            if not rows.num_rows:
                continue
            shaped = self._answered(rows, page, paths)
            found.append(shaped)
            count += shaped.num_rows
            if count > page.limit:
                break
        if not found:
            return self._empty(paths, page.every_us), None
        table = pa.concat_tables(found)
        if count <= page.limit:
            return table, None
        return table.slice(0, page.limit), _cursor(table, page)

    def _rows(self, view: View, span: Span, paths: Sequence[str]) -> pa.Table:
        """Stored rows of ``span`` from table and tail, in order, each record once."""
        wanted = meta_and(paths)
        parts = []
        if view.snapshot is not None:
            for file in view.snapshot.covering(span):
                part = self._files.read(view.snapshot.folder / file.name, wanted, span)
                if part is not None:
                    parts.append(part)
        if view.tail is not None:
            time = times(view.tail)
            inside = np.flatnonzero((time >= span.from_us) & (time < span.to_us))
            if len(inside):
                parts.append(view.tail.take(pa.array(inside)))
        return ordered(join(parts))

    def _answered(self, rows: pa.Table, page: _Page, paths: Sequence[str]) -> pa.Table:
        if page.every_us is None:
            return self._shaped(rows, _RAW_COLUMNS, paths)
        shaped = self._shaped(rows, ("event_time",), paths)
        return downsample(shaped, times(rows), page.every_us, page.aggregate, paths)

    def _shaped(self, rows: pa.Table, meta: Sequence[str], paths: Sequence[str]) -> pa.Table:
        """``meta`` and ``paths`` in the types of answers; null where the rows lack a column."""
        have = set(rows.schema.names)
        back = read_back(rows.select([n for n in (*meta, *paths) if n in have]), self._catalogue)
        columns = [
            back.column(name)
            if name in have
            else pa.chunked_array([pa.nulls(len(rows), answer_type(name, self._catalogue))])
            for name in (*meta, *paths)
        ]
        return pa.table(columns, names=[*meta, *paths])

    def _empty(self, paths: Sequence[str], every_us: int | None) -> pa.Table:
        meta = _RAW_COLUMNS if every_us is None else ("event_time",)
        return self._shaped(STORED_META.empty_table(), meta, paths)


def _checked(
    vehicle: int,
    from_us: int,
    to_us: int,
    *,
    every_us: int | None,
    aggregate: str,
    limit: int,
    cursor: str | None,
) -> _Page:
    if not 1 <= vehicle <= _VEHICLE_MAX:
        raise Invalid(f"{vehicle} is not a vehicle number")
    if aggregate not in AGGREGATES:
        raise Invalid(f"aggregate is one of {', '.join(AGGREGATES)}, not {aggregate!r}")
    if not 1 <= limit <= API_HISTORY_ROWS_MAX:
        raise Invalid(f"limit is between 1 and {API_HISTORY_ROWS_MAX}")
    if every_us is not None and not 1 <= every_us <= _TIME_MAX_US:
        raise Invalid("every must be at least a microsecond")
    after = decode_cursor(cursor) if cursor else None
    from_us = max(from_us, -_TIME_MAX_US) if after is None else max(from_us, after.time_us)
    span = Span(vehicle, vehicle, from_us, min(to_us, _TIME_MAX_US))
    return _Page(span, after, limit, every_us, aggregate)


def _slices(view: View, page: _Page) -> Iterator[Span]:
    """``page.span`` in pieces of about a day (whole windows), those nothing lies in left out."""
    span = page.span
    every_us = page.every_us or 1
    step = every_us * -(-_DAY_US // every_us)
    bounds = [np.zeros((0, 2), np.int64)]
    if view.snapshot is not None:
        spans = [file.span for file in view.snapshot.covering(span)]
        bounds += [np.array([[one.from_us, one.to_us]]) for one in spans]
    if view.tail is not None and view.tail.num_rows:
        time = times(view.tail)
        bounds.append(np.array([[time.min(), time.max()]]))
    low, high = np.concatenate(bounds).T
    start = span.from_us
    while start < span.to_us:
        ahead = low[high >= start]
        if not len(ahead):
            return
        start = max(start, int(ahead.min()) // step * step)
        end = min((start // step + 1) * step, span.to_us)
        if start < end:
            yield Span(span.first, span.last, start, end)
        start = end


def _after(rows: pa.Table, place: Place) -> pa.Table:
    """Rows after ``place``; ``rows`` are in order."""
    time = times(rows)
    head = int(np.searchsorted(time, place.time_us, "right"))
    if not head:
        return rows
    kind: NDArray[np.object_] = np.array(rows.column("kind").slice(0, head).to_pylist(), object)
    record = rows.column("record").slice(0, head).to_numpy()
    after = (time[:head] > place.time_us) | (kind > place.kind)
    after |= (kind == place.kind) & (record > place.record)
    keep = np.concatenate((np.flatnonzero(after), np.arange(head, len(time))))
    return rows.take(pa.array(keep))


def _cursor(table: pa.Table, page: _Page) -> str:
    if page.every_us is not None:
        return encode_cursor(Place(int(times(table)[page.limit])))
    row = page.limit - 1
    record = np.uint64(table.column("record")[row].as_py()).astype(np.int64)
    kind = table.column("kind")[row].as_py()
    return encode_cursor(Place(int(times(table)[row]), kind, int(record)))
