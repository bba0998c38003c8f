"""Data files of a table: sorted Parquet written with the statistics queries prune by, and read
back.

Every file is sorted by (vehicle, event time). Statistics exist for these two columns alone: they
are the ones every query names, and each further column would cost write speed and log size."""

from __future__ import annotations

import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from motorcade.errors import CorruptionError, DependencyError

__all__ = ["DataFile", "FileCache", "FileWriter", "Span", "sync", "write_file"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_1_US: Final = -62_135_596_800_000_000
_YEAR_9999_US: Final = 253_402_300_799_999_999
_DELTA_PACKED: Final = ("event_time", "ingest_time")
_NEVER_DICTIONARY: Final = frozenset({"event_time", "ingest_time", "record", "raw", "reissued"})


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows: vehicles ``first``…``last``, event times ``from_us`` ≤ t < ``to_us``."""

    first: int
    last: int
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a table; ``span`` is what its rows cover, ends included."""

    name: str
    size: int
    rows: int
    span: Span

    def statistics(self) -> str:
        """Delta's ``stats`` of an add action."""
        nulls = {"vehicle": 0, "event_time": 0}
        low = {"vehicle": self.span.first, "event_time": _iso(self.span.from_us)}
        high = {"vehicle": self.span.last, "event_time": _iso(self.span.to_us)}
        facts = {"numRecords": self.rows, "minValues": low, "maxValues": high, "nullCount": nulls}
        return msgspec.json.encode(facts).decode()


def write_file(folder: Path, table: pa.Table, row_group_rows: int) -> DataFile:
    """Write sorted, stored rows (at least one) as a new file in ``folder``; see ``FileWriter``."""
    writer = FileWriter(folder, table.schema, row_group_rows)
    writer.write(table)
    return writer.finish()


class FileWriter:
    """Writes one new data file piece by piece; rows must come sorted by (vehicle, event time).

    ``DependencyError`` where the disk refuses; nothing is left behind then.
    """

    def __init__(self, folder: Path, schema: pa.Schema, row_group_rows: int) -> None:
        self._path = folder / f"part-{uuid.uuid4().hex}.zstd.parquet"
        self._row_group_rows = row_group_rows
        self._spans: list[Span] = []
        self._schema = schema
        self.rows = 0
        self._sink: Any = None
        self._writer: Any = None
        with self._guarded():
            self._sink = pa.OSFile(str(self._path), "wb")
            self._writer = pq.ParquetWriter(
                self._sink,
                schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=_dictionary_columns(schema),
                column_encoding=dict.fromkeys(_DELTA_PACKED, "DELTA_BINARY_PACKED"),
                write_statistics=["vehicle", "event_time"],
                store_schema=False,
            )

    def write(self, table: pa.Table) -> None:
        """Add rows (at least one)."""
        with self._guarded():
            self._writer.write_table(table, self._row_group_rows)
        vehicle = table.column("vehicle").to_numpy()
        time = table.column("event_time").cast(pa.int64()).to_numpy()
        ends = (vehicle.min(), vehicle.max(), time.min(), time.max())
        self._spans.append(Span(*(int(end) for end in ends)))
        self.rows += table.num_rows

    def finish(self) -> DataFile:
        """Close and fsync the file."""
        with self._guarded():
            self._writer.close()
            self._sink.close()
            sync(self._path)
            size = self._path.stat().st_size
        spans = self._spans
        span = Span(
            min(one.first for one in spans),
            max(one.last for one in spans),
            min(one.from_us for one in spans),
            max(one.to_us for one in spans),
        )
        return DataFile(self._path.name, size, self.rows, span)

    def discard(self) -> None:
        """Give up and remove what was written."""
        for part in (self._writer, self._sink):
            if part is not None:
                with suppress(OSError):
                    part.close()
        self._path.unlink(missing_ok=True)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.discard()
            raise DependencyError(
                f"the history could not write {self._path.name}: {error}"
            ) from error


def sync(path: Path) -> None:
    """fsync a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class FileCache:
    """Open data files with their parsed footers, the ``files_max`` most recently used.

    Files never change, so what is cached never goes stale. Safe to use from several threads.
    """

    def __init__(self, files_max: int) -> None:
        self._files: OrderedDict[Path, _Opened] = OrderedDict()
        self._files_max = files_max
        self._lock = threading.Lock()

    def read(self, path: Path, columns: Sequence[str], span: Span) -> pa.Table | None:
        """The rows of ``path`` within ``span``, those of ``columns`` it has; None where no row is.

        ``vehicle`` and ``event_time`` must be among ``columns``.
        """
        return self._open(path).read(columns, span)

    def marks(self, path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of every row group: first and last vehicle, first and last time (n, 4), and its rows."""
        opened = self._open(path)
        return opened.bounds, opened.rows

    def columns(self, path: Path) -> Sequence[str]:
        """The columns a file has."""
        return self._open(path).names

    def close(self) -> None:
        """Close every file."""
        with self._lock:
            opened = list(self._files.values())
            self._files.clear()
        for file in opened:
            file.close()

    def _open(self, path: Path) -> _Opened:
        with self._lock:
            opened = self._files.get(path)
            if opened is not None:
                self._files.move_to_end(path)
                return opened
        with _reading(path):
            opened = _Opened(path)
        with self._lock:
            self._files[path] = opened
            dropped = None
            if len(self._files) > self._files_max:
                _, dropped = self._files.popitem(last=False)
        if dropped is not None:
            dropped.close()
        return opened


class _Opened:
    """A data file; ``bounds`` int64 (row groups, 4): first and last vehicle, first and last
    time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._source = pa.OSFile(str(path))  # mapped pages would count as our memory
        self._file: Any = pq.ParquetFile(self._source)
        self.names: Sequence[str] = self._file.schema_arrow.names
        self._have = frozenset(self.names)
        self.bounds, self.rows = _bounds(self._file.metadata)

    def read(self, columns: Sequence[str], span: Span) -> pa.Table | None:
        low = np.array([span.first, span.from_us])
        high = np.array([span.last, span.to_us - 1])
        touched = (self.bounds[:, [0, 2]] <= high).all(1) & (self.bounds[:, [1, 3]] >= low).all(1)
        groups = np.flatnonzero(touched)
        if not len(groups):
            return None
        wanted = [name for name in columns if name in self._have]
        with self._lock, _reading(self._path):
            if self._file is None:
                self._source = pa.OSFile(str(self._path))
                self._file = pq.ParquetFile(self._source)
            table = self._file.read_row_groups(groups.tolist(), wanted, use_threads=False)
        return _within(table, span)

    def close(self) -> None:
        with self._lock:
            self._file.close()
            self._source.close()
            self._file = None


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """``CorruptionError`` for a damaged file, ``DependencyError`` where the disk fails."""
    try:
        yield
    except pa.ArrowInvalid as error:
        raise CorruptionError(f"{path} is damaged: {error}") from error
    except OSError as error:
        raise DependencyError(f"{path} cannot be read: {error}") from error


def _within(table: pa.Table, span: Span) -> pa.Table | None:
    vehicle = table.column("vehicle").to_numpy()
    time = table.column("event_time").cast(pa.int64()).to_numpy()
    inside = (vehicle >= span.first) & (vehicle <= span.last)
    inside &= (time >= span.from_us) & (time < span.to_us)
    rows = np.flatnonzero(inside)
    if not len(rows):
        return None
    start, end = int(rows[0]), int(rows[-1]) + 1
    if end - start == len(rows):
        return table.slice(start, len(rows))
    return table.take(pa.array(rows))


def _bounds(metadata: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    groups = metadata.num_row_groups
    bounds = np.zeros((groups, 4), np.int64)
    rows = np.zeros(groups, np.int64)
    leaf = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
    for group in range(groups):
        facts = metadata.row_group(group)
        rows[group] = facts.num_rows
        vehicle = facts.column(leaf["vehicle"]).statistics
        time = facts.column(leaf["event_time"]).statistics
        bounds[group] = (vehicle.min_raw, vehicle.max_raw, time.min_raw, time.max_raw)
    return bounds, rows


def _dictionary_columns(schema: pa.Schema) -> list[str]:
    return [
        field.name
        for field in schema
        if field.name not in _NEVER_DICTIONARY
        and not pa.types.is_floating(field.type)
        and not pa.types.is_boolean(field.type)
        and not pa.types.is_list(field.type)
    ]


def _iso(time_us: int) -> str:
    bounded = min(max(time_us, _YEAR_1_US), _YEAR_9999_US)
    return (_EPOCH + timedelta(microseconds=bounded)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
