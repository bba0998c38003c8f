"""Merging: many small files become few sorted ones of one day each, and doubles go.

Which files: those whose event times lie within one day (UTC) are grouped by day, the others
together (``_mixed``). Within a group, files of similar size form a tier; where ``fan_in`` files of
a tier cover the same vehicles they are merged. So a row is rewritten about once per factor
``fan_in`` of a day's size. Some time after a day's end its files are merged into one run, if there
is enough to gain.

How: by ranges of vehicles, so that a merge of any size holds ``compact_rows_max`` rows at a time.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from motorcade.history.config import Config
from motorcade.history.files import DataFile, FileCache, FileWriter, Span
from motorcade.history.ranges import vehicle_ranges
from motorcade.history.rows import join, ordered, times
from motorcade.history.table import Snapshot, TelemetryTable

__all__ = ["DAY_US", "MergeStoppedError", "Merged", "merge", "plan"]

DAY_US: Final = 86_400_000_000
_MIXED: Final = -(1 << 40)
_MIXED_DAYS_MAX: Final = 16
_CLOSE_GAIN: Final = 0.1
_EVERYTHING: Final = Span(-(1 << 62), 1 << 62, -(1 << 62), 1 << 62)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: rows read and written (the difference were doubles), files before,
    after."""

    rows_read: int
    rows_written: int
    files_read: int
    files_written: int


class MergeStoppedError(Exception):
    """A merge was given up because the process ends; it has left nothing behind."""


def plan(snapshot: Snapshot, now_us: int, config: Config) -> list[list[DataFile]]:
    """The groups of files worth merging, smallest first; a file is in one group at most."""
    days: dict[int, list[DataFile]] = defaultdict(list)
    for file in snapshot.files:
        day = file.span.from_us // DAY_US
        days[day if file.span.to_us // DAY_US == day else _MIXED].append(file)
    groups = []
    for day, files in days.items():
        closed_us = (day + 1) * DAY_US + round(config.compact_close_after_s * 1e6)
        if day != _MIXED and closed_us <= now_us and _worth_closing(files, config.compact_fan_in):
            groups.append(files)
        else:
            groups += _tiers(files, config.compact_fan_in)
    return sorted(groups, key=lambda group: sum(file.rows for file in group))


def merge(
    table: TelemetryTable,
    snapshot: Snapshot,
    files: Sequence[DataFile],
    config: Config,
    stop: threading.Event | None = None,
) -> Merged:
    """Write the rows of ``files`` anew, sorted and without doubles, and put them in their place.

    ``DependencyError`` where the disk fails, ``CorruptionError`` where a file is damaged; the table
    is as before then. ``MergeStoppedError`` soon after ``stop`` is set, likewise.
    """
    cache = FileCache(len(files))
    paths = [snapshot.folder / file.name for file in files]
    try:
        have = {name for path in paths for name in cache.columns(path)}
        schema = pa.schema([field for field in snapshot.columns if field.name in have])
        output = _Output(table, schema, config)
        try:
            for first, last in vehicle_ranges(
                snapshot, files, cache, _EVERYTHING, config.compact_rows_max
            ):
                if stop is not None and stop.is_set():
                    raise MergeStoppedError
                span = Span(first, last, _EVERYTHING.from_us, _EVERYTHING.to_us)
                parts = [cache.read(path, schema.names, span) for path in paths]
                output.write(ordered(join([part for part in parts if part is not None])))
            written = output.finish()
        except BaseException:
            output.discard()
            raise
    finally:
        cache.close()
    table.commit(written, files, columns=snapshot.columns, changes_data=False)
    return Merged(
        sum(file.rows for file in files),
        sum(file.rows for file in written),
        len(files),
        len(written),
    )


class _Output:
    """A file per day, a new one at ``file_rows_max``; odd days beyond a bound share one file."""

    def __init__(self, table: TelemetryTable, schema: pa.Schema, config: Config) -> None:
        self._folder = table.folder
        self._schema = schema
        self._config = config
        self._open: dict[int, FileWriter] = {}
        self._done: list[DataFile] = []

    def write(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        rows = _conformed(rows, self._schema)
        day = times(rows) // DAY_US
        names, counts = np.unique(day, return_counts=True)
        target = np.full(len(names), _MIXED)
        for index in np.argsort(-counts):
            known = int(names[index]) in self._open
            if known or len(self._open) < _MIXED_DAYS_MAX:
                target[index] = names[index]
                self._writer(int(names[index]))
        targets = target[np.searchsorted(names, day)]
        for name in np.unique(target).tolist():
            part = rows if len(names) == 1 else rows.take(pa.array(np.flatnonzero(targets == name)))
            writer = self._writer(name)
            writer.write(part)
            if writer.rows >= self._config.file_rows_max:
                self._done.append(self._open.pop(name).finish())

    def finish(self) -> list[DataFile]:
        while self._open:
            self._done.append(self._open.popitem()[1].finish())
        return self._done

    def discard(self) -> None:
        for writer in self._open.values():
            writer.discard()
        for file in self._done:
            (self._folder / file.name).unlink(missing_ok=True)

    def _writer(self, day: int) -> FileWriter:
        writer = self._open.get(day)
        if writer is None:
            writer = FileWriter(self._folder, self._schema, self._config.row_group_rows)
            self._open[day] = writer
        return writer


def _conformed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """``rows`` with exactly the columns of ``schema``."""
    have = set(rows.schema.names)
    columns = [
        rows.column(field.name).cast(field.type)
        if field.name in have
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _tiers(files: Sequence[DataFile], fan_in: int) -> list[list[DataFile]]:
    tiers: dict[int, list[DataFile]] = defaultdict(list)
    for file in files:
        tiers[_tier(file, fan_in)].append(file)
    return [tier for tier in tiers.values() if _depth(tier) >= fan_in]


def _worth_closing(files: Sequence[DataFile], fan_in: int) -> bool:
    highest = max(_tier(file, fan_in) for file in files)
    base = [file for file in files if _tier(file, fan_in) == highest]
    rest = [file for file in files if _tier(file, fan_in) < highest]
    if _depth(base) > 1:
        return True
    gain = sum(file.rows for file in rest) >= _CLOSE_GAIN * sum(file.rows for file in base)
    return bool(rest) and (gain or len(rest) >= fan_in)


def _tier(file: DataFile, fan_in: int) -> int:
    return int(math.log(max(file.rows, 1), fan_in))


def _depth(files: Sequence[DataFile]) -> int:
    """The most files that cover one vehicle."""
    first = np.sort([file.span.first for file in files])
    last = np.sort([file.span.last for file in files])
    opened = np.arange(1, len(files) + 1)
    closed = np.searchsorted(last, first, "left")
    return int((opened - closed).max(initial=0))
