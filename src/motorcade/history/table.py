"""One tenant's Delta table: its files, its columns, and commits that carry log positions.

Files are written by ``files``; this module only changes which of them make up the table. Every
change is made under a file lock beside the table, so that commits, merges and other workers never
conflict.

``<directory>/<tenant number>/telemetry/``   the table
``<directory>/<tenant number>/lock``         held while the table's log is written
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
)
from deltalake._internal import RemoveAction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction
from numpy.typing import NDArray

from motorcade.errors import DependencyError, Invalid
from motorcade.history.files import DataFile, Span, sync
from motorcade.history.schema import STORED_META, stored_type

__all__ = ["Covers", "Snapshot", "TelemetryTable", "app_id", "table_folder", "tenants_in"]

_SETTINGS: Final[Mapping[str, str]] = {
    "delta.dataSkippingStatsColumns": "vehicle,event_time",
    "delta.checkpointInterval": "100",
    "delta.logRetentionDuration": "interval 1 hours",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
}
_TENANT_MAX: Final = (1 << 32) - 1
_LONGEST: Final = 1 << 62


def app_id(partition: int) -> str:
    """Delta application transaction that holds a log partition's position."""
    return f"motorcade-{partition}"


def table_folder(directory: Path, tenant: int) -> Path:
    """Where a tenant's table lies; ``Invalid`` where ``tenant`` is no tenant number."""
    if type(tenant) is not int or not 0 <= tenant <= _TENANT_MAX:
        raise Invalid(f"{tenant!r} is not a tenant number")
    return directory / str(tenant) / "telemetry"


def tenants_in(directory: Path) -> list[int]:
    """Numbers of the tenants that have a table, ascending."""
    found = (path.parent.parent.name for path in directory.glob("*/telemetry/_delta_log"))
    return sorted(int(name) for name in found if name.isdecimal())


@dataclass(frozen=True, slots=True)
class Covers:
    """A commit holds a partition's rows above log sequence ``after``, up to and with
    ``through``."""

    partition: int
    after: int
    through: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a table: its files with what they cover, its columns, its log positions.

    ``files`` (n); ``bounds`` int64 (n, 4): first and last vehicle, first and last event time.
    """

    folder: Path
    version: int
    files: Sequence[DataFile]
    bounds: NDArray[np.int64]
    columns: pa.Schema
    positions: Mapping[int, int]

    def covering(self, span: Span) -> list[DataFile]:
        """Files that may hold rows of ``span``."""
        if not self.files:
            return []
        low = np.array([span.first, span.from_us])
        high = np.array([span.last, span.to_us - 1])
        bounds = self.bounds
        touched = (bounds[:, [0, 2]] <= high).all(1) & (bounds[:, [1, 3]] >= low).all(1)
        return [self.files[index] for index in np.flatnonzero(touched).tolist()]


class TelemetryTable:
    """A tenant's table on this machine's disk. Not safe to use from several threads at once.

    Every method raises ``DependencyError`` where the disk or the table's log refuses.
    """

    def __init__(self, directory: Path, tenant: int) -> None:
        self.folder = table_folder(directory, tenant)
        self._log = self.folder / "_delta_log"
        self._table: DeltaTable | None = None
        self._seen_ns = 0

    def position(self, partition: int) -> int:
        """Log sequence through which the table holds the partition's rows; 0 before the first."""
        table = self._refreshed()
        if table is None:
            return 0
        return table.transaction_version(app_id(partition)) or 0

    def snapshot(self, partitions: int) -> Snapshot | None:
        """The newest version; None where the tenant has no table yet."""
        with _faults(self.folder):
            table = self._refreshed()
            if table is None:
                return None
            files, bounds = _files(table)
            positions = {
                partition: table.transaction_version(app_id(partition)) or 0
                for partition in range(partitions)
            }
            columns = pa.schema(table.schema().to_arrow())
            return Snapshot(self.folder, table.version(), files, bounds, columns, positions)

    def prepare(self) -> None:
        """Make the table's folder, so that files can be written into it."""
        with _faults(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def commit(
        self,
        added: Sequence[DataFile],
        removed: Sequence[DataFile] = (),
        *,
        columns: pa.Schema = STORED_META,
        covers: Covers | None = None,
        changes_data: bool = True,
    ) -> None:
        """Replace ``removed`` by ``added`` and note the log position ``covers``, in one step.

        ``columns`` the table lacks are added to it first. Durable when it returns. Refused where
        the table's position is not ``covers.after``: someone else has written the partition."""
        self.prepare()
        with _faults(self.folder), self.locked():
            table = self._refreshed() or self._create()
            self._widen(table, columns)
            if covers is not None:
                _check(table, covers)
            sync(self.folder)
            table.create_write_transaction(
                _actions(added, removed, changes_data),
                "append",
                table.schema(),
                commit_properties=_properties(covers),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=True),
            )
            sync(self._log / f"{table.version() + 1:020d}.json")
            sync(self._log)

    def vacuum(self, after_hours: int) -> int:
        """Delete files no version within ``after_hours`` refers to, also those of a crash; how
        many."""
        with _faults(self.folder), self.locked():
            table = self._refreshed()
            if table is None:
                return 0
            gone = table.vacuum(
                after_hours, dry_run=False, enforce_retention_duration=False, full=True
            )
            table.update_incremental()
            return len(gone)

    @contextmanager
    def locked(self, name: str = "lock", *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock file beside the table; yields False where ``wait`` is off and it is held."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / name).open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True

    def _refreshed(self) -> DeltaTable | None:
        with _faults(self.folder):
            changed_ns = self._changed_ns()
            if self._table is not None:
                if self._current(self._table, changed_ns):
                    return self._table
                try:
                    self._table.update_incremental()
                except DeltaError:
                    self._table = None  # its log was cleaned past our version: open it anew
                else:
                    self._seen_ns = changed_ns
                    return self._table
            try:
                self._table = DeltaTable(self.folder)
            except TableNotFoundError:
                return None
            self._seen_ns = changed_ns
            return self._table

    def _changed_ns(self) -> int:
        try:
            return self._log.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _current(self, table: DeltaTable, changed_ns: int) -> bool:
        """Whether the log is as at the last refresh: its folder has not changed and (two changes
        may fall into one tick of the file system's clock) there is no next version."""
        following = self._log / f"{table.version() + 1:020d}.json"
        return changed_ns == self._seen_ns and not following.exists()

    def _create(self) -> DeltaTable:
        self._table = DeltaTable.create(
            self.folder, STORED_META, mode="ignore", configuration=_SETTINGS
        )
        sync(self._log)
        for folder in (self.folder, self.folder.parent, self.folder.parent.parent):
            sync(folder)
        return self._table

    def _widen(self, table: DeltaTable, columns: pa.Schema) -> None:
        known = {field.name for field in table.schema().fields}
        missing = [
            pa.field(field.name, stored_type(field.type))
            for field in columns
            if field.name not in known
        ]
        if missing:
            table.alter.add_columns(list(Schema.from_arrow(pa.schema(missing)).fields))
            table.update_incremental()


def _check(table: DeltaTable, covers: Covers) -> None:
    position = table.transaction_version(app_id(covers.partition)) or 0
    if position != covers.after:
        raise DependencyError(
            f"another worker has written partition {covers.partition} through {position}"
        )


def _properties(covers: Covers | None) -> CommitProperties | None:
    if covers is None:
        return None
    transaction = Transaction(app_id(covers.partition), covers.through)
    return CommitProperties(app_transactions=[transaction])


@contextmanager
def _faults(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, DeltaError) as error:
        raise DependencyError(f"the history table {folder.parent.name}: {error}") from error


def _actions(
    added: Sequence[DataFile], removed: Sequence[DataFile], changes_data: bool
) -> list[Any]:
    now_ms = time.time_ns() // 1_000_000
    adds = [
        AddAction(file.name, file.size, {}, now_ms, changes_data, file.statistics())
        for file in added
    ]
    removes = [RemoveAction(file.name, changes_data, now_ms, file.size, {}) for file in removed]
    return [*adds, *removes]


def _files(table: DeltaTable) -> tuple[list[DataFile], NDArray[np.int64]]:
    actions = pa.table(table.get_add_actions(flatten=True))
    n = actions.num_rows
    bounds = np.empty((n, 4), np.int64)
    columns = ("min.vehicle", "max.vehicle", "min.event_time", "max.event_time")
    for index, (name, missing) in enumerate(
        zip(columns, (-_LONGEST, _LONGEST, -_LONGEST, _LONGEST), strict=True)
    ):
        bounds[:, index] = _int64(actions, name, missing)
    names = actions.column("path").to_pylist()
    sizes = actions.column("size_bytes").to_pylist()
    rows = _int64(actions, "num_records", 0).tolist()
    spans = [Span(*row) for row in bounds.tolist()]
    files = [DataFile(*facts) for facts in zip(names, sizes, rows, spans, strict=True)]
    return files, bounds


def _int64(actions: pa.Table, name: str, missing: int) -> NDArray[np.int64]:
    if name not in actions.schema.names:
        return np.full(actions.num_rows, missing, np.int64)
    column = actions.column(name).cast(pa.int64())
    values: NDArray[np.int64] = column.fill_null(missing).to_numpy()
    return values
