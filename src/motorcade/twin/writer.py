"""The twin's writer: applies log records to one partition's files, a scatter per signal.

Which value wins is a function of the log alone: of the records that carry a signal, those of the
latest event second, and of those the last in the log. So any stretch of the log may be applied
again, in batches of any size, and the files end up the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.errors import CorruptionError, DependencyError
from motorcade.limits import TWIN_APPLY_ROWS_MAX, TWIN_ROWS_MAX
from motorcade.signals.batch import META, Quality, SignalBatch, concat
from motorcade.signals.catalogue import Catalogue
from motorcade.twin.cells import kind_of, mask_of, pack, ragged_of, scalars_of, split
from motorcade.twin.heap import Heap
from motorcade.twin.layout import (
    KINDS,
    ROW_COLUMNS,
    Column,
    Head,
    Kind,
    Lock,
    map_array,
    open_head,
    partition_directory,
    read_columns,
    write_atomically,
    write_columns,
)
from motorcade.twin.visit import Visit, handed_over, owners_differ, visit_of

__all__ = ["TwinWriter"]

_ROWS_FIRST: Final = 4096
_CHUNK: Final = 1 << 22
_META: Final = len(META)
_CHECKPOINT: Final = "checkpoint.json"


@dataclass(slots=True)
class _Live:
    """A mapped signal column."""

    column: Column
    kind: Kind
    cells: NDArray[np.uint64]


class TwinWriter:
    """The one writer of a partition; ``Conflict`` where another process holds it.

    ``directory`` is the twin's, shared by all partitions. Raises ``CorruptionError`` where the
    files were made for another partition count or format.
    """

    def __init__(
        self, directory: Path, partition: int, partitions: int, catalogue: Catalogue
    ) -> None:
        self.partition = partition
        self.partitions = partitions
        self.directory = partition_directory(directory, partition)
        self._catalogue = catalogue
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.directory)
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise

    @property
    def rows(self) -> int:
        """The highest row written so far, plus one."""
        return int(self._head[Head.ROWS])

    @property
    def dropped(self) -> int:
        """Rows of the log so far that no row here could hold."""
        return int(self._head[Head.DROPPED])

    @property
    def signals_in_use(self) -> int:
        """Signal columns that exist."""
        return len(self._live)

    def apply(self, batches: Sequence[SignalBatch]) -> int:
        """Write the batches, in log order; returns the number of their rows. Idempotent."""
        return sum(self.steps(batches))

    def steps(self, batches: Sequence[SignalBatch]) -> Iterator[int]:
        """``apply`` in steps of some thousand rows, for an event loop to look elsewhere between.

        Only complete when exhausted; each step gives the number of its rows.
        """
        for batch in concat([SignalBatch("any", batch.data) for batch in batches]):
            if len(batch) > TWIN_APPLY_ROWS_MAX:
                batch = _by_vehicle(batch)  # noqa: PLW2901
            for start in range(0, len(batch), TWIN_APPLY_ROWS_MAX):
                part = batch.slice(start, min(TWIN_APPLY_ROWS_MAX, len(batch) - start))
                self._apply(part)
                yield len(part)

    def sync(self) -> None:
        """Wait until what was applied before is on the disk (safe to call in a thread)."""
        for name in self._file_names():
            fd = os.open(self.directory / name, os.O_RDWR)
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)

    @property
    def position(self) -> int:
        """The log sequence through which everything is on the disk, by the last checkpoint; 0 where
        there is none."""
        try:
            data = (self.directory / _CHECKPOINT).read_bytes()
            return int(msgspec.json.decode(data)["sequence"])
        except FileNotFoundError:
            return 0
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise CorruptionError(
                f"{self.directory / _CHECKPOINT} is unreadable: {error}"
            ) from None

    def checkpoint(self, sequence: int) -> None:
        """``sync``, then note that the log is applied through ``sequence``; for a thread.

        ``DependencyError`` where the disk does not let it; the old checkpoint holds then."""
        data = msgspec.json.encode({"sequence": sequence})
        try:
            self.sync()
            write_atomically(self.directory / _CHECKPOINT, data)
        except OSError as error:
            raise DependencyError(f"the twin's checkpoint cannot be written: {error}") from error

    def close(self) -> None:
        """Let go of the files; call ``sync`` first where they must be on the disk."""
        self._head[Head.WRITING] = 0
        self._live.clear()
        self._lock.release()

    # ── opening and growing ──────────────────────────────────────────────────────────────────────

    def _open(self) -> None:
        self._head = open_head(self.directory, self.partition, self.partitions)
        self._capacity = max(int(self._head[Head.CAPACITY]), _ROWS_FIRST)
        self._columns = read_columns(self.directory)
        self._live: dict[str, _Live] = {}
        self._map()
        self._heap = Heap(self.directory / "heap", self._head)
        if int(self._head[Head.WRITING]):
            self._recover()
        self._head[Head.WRITING] = 1

    def _map(self) -> None:
        """Map every file at the present capacity, then tell the readers."""
        rows = self._capacity
        row = {
            name: map_array(self.directory / name, dtype, rows, write=True)
            for name, dtype in ROW_COLUMNS.items()
        }
        self._time: NDArray[np.int64] = row["row.state"]["time"]
        self._seen: NDArray[np.uint32] = row["row.state"]["seen"]
        self._sequence: NDArray[np.uint32] = row["row.state"]["sequence"]
        self._tenant: NDArray[np.uint32] = row["row.tenant"]
        for column in self._columns:
            self._live[column.path] = self._map_column(column)
        self._head[Head.CAPACITY] = rows
        self._head[Head.GENERATION] += 1

    def _map_column(self, column: Column) -> _Live:
        kind = KINDS[column.kind]
        path = self.directory / column.file_name
        wide = kind.cell_bytes // 8
        cells = map_array(path, np.uint64, self._capacity, write=True, columns=wide)
        return _Live(column, kind, cells)

    def _recover(self) -> None:
        """After a crash: no row is being written, and the heap ends behind its last block."""
        for start in range(0, self._capacity, _CHUNK):
            part = self._sequence[start : start + _CHUNK]
            odd = np.flatnonzero(part & 1)
            part[odd] += 1
        self._heap.recover()

    def _reserve(self, rows: int) -> None:
        if rows > self._capacity:
            while self._capacity < rows:
                self._capacity *= 2
            self._map()
        if rows > self.rows:
            self._head[Head.ROWS] = rows

    def _ensure(self, paths: Sequence[str]) -> None:
        """Make the columns of signals seen for the first time."""
        fresh = []
        for path in paths:
            signal = self._catalogue.get(path)
            kind = kind_of(signal) if signal is not None and path not in self._live else None
            if signal is not None and kind is not None:
                fresh.append(Column(number=signal.number, path=path, kind=kind.name))
        if not fresh:
            return
        for column in fresh:
            self._live[column.path] = self._map_column(column)
        self._columns += fresh
        write_columns(self.directory, self._columns)
        self._head[Head.GENERATION] += 1

    def _file_names(self) -> list[str]:
        names = ["head", *ROW_COLUMNS, *(column.file_name for column in self._columns)]
        return [*names, "heap"] if int(self._head[Head.HEAP_UNITS]) else names

    # ── applying ─────────────────────────────────────────────────────────────────────────────────

    def _apply(self, batch: SignalBatch) -> None:
        batch, rows = self._addressed(batch)
        if not len(batch):
            return
        self._reserve(int(rows.max()) + 1)
        visit = visit_of(batch, rows, self._time)
        if owners_differ(visit, batch.numpy("tenant"), self._tenant):
            wiped, kept = handed_over(visit, batch.numpy("tenant"), self._time, self._tenant)
            self._wipe(wiped)
            batch = batch.take(kept)
            if not len(batch):
                return
            visit = visit_of(batch, rows[kept], self._time)
        qualities = _qualities(batch)
        columns = {
            path: array
            for path, array in zip(batch.data.schema.names[8:], batch.data.columns[8:], strict=True)
            if array.null_count < len(array)
        }
        columns |= {path: None for path in self._paths_of(qualities) if path not in columns}
        self._ensure([path for path in columns if path not in self._live])
        plan = [
            (live, *self._cells(live, array, visit, qualities.get(live.column.number)))
            for path, array in columns.items()
            if (live := self._live.get(path)) is not None and not live.kind.is_heap
        ]
        self._write(visit, plan, columns, qualities)

    def _wipe(self, rows: NDArray[np.int64]) -> None:
        """Forget what rows held: the vehicle has another tenant now."""
        self._sequence[rows] += np.uint32(1)
        for live in self._live.values():
            live.cells[rows] = 0
        self._time[rows] = 0
        self._tenant[rows] = 0
        self._sequence[rows] += np.uint32(1)

    def _write(
        self,
        visit: Visit,
        plan: list[tuple[_Live, NDArray[np.int64], NDArray[np.uint64]]],
        columns: dict[str, pa.Array | None],
        qualities: dict[int, tuple[NDArray[np.int64], NDArray[np.uint32]]],
    ) -> None:
        """Everything a reader must see at once, while the rows' sequences are odd."""
        touched = visit.touched
        before = self._sequence[touched]
        self._sequence[touched] = before + np.uint32(1)
        for live, rows, cells in plan:
            live.cells[rows] = cells
        for path, array in columns.items():
            heap_live = self._live.get(path)
            if heap_live is not None and heap_live.kind.is_heap:
                quality = qualities.get(heap_live.column.number)
                self._store(heap_live, array, visit, quality)
        self._time[touched] = visit.newest
        self._seen[touched] = np.maximum(self._seen[touched], visit.seen)
        if (self._tenant[touched] != visit.tenant).any():
            self._tenant[touched] = visit.tenant
        self._sequence[touched] = before + np.uint32(2)

    def _addressed(self, batch: SignalBatch) -> tuple[SignalBatch, NDArray[np.int64]]:
        """The batch without rows that no row here can hold, and each one's row."""
        vehicle = batch.numpy("vehicle")
        count = np.uint64(self.partitions)
        rows = vehicle // count
        good = (rows < np.uint64(TWIN_ROWS_MAX)) & (vehicle != 0) & (batch.numpy("tenant") != 0)
        good &= vehicle - rows * count == np.uint64(self.partition)
        if good.all():
            return batch, rows.astype(np.int64)
        kept = np.flatnonzero(good)
        self._head[Head.DROPPED] += len(batch) - len(kept)
        return batch.take(kept), rows[kept].astype(np.int64)

    def _paths_of(self, numbers: Any) -> list[str]:
        known = self._catalogue.by_number
        return [known[number].path for number in numbers if number in known]

    def _cells(
        self,
        live: _Live,
        array: pa.Array | None,
        visit: Visit,
        quality: tuple[NDArray[np.int64], NDArray[np.uint32]] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Rows and cells of a scalar column to scatter; rows are distinct."""
        stamps, mask = _marked(array, visit, quality)
        if array is None:
            values = np.zeros(len(visit.rows), live.kind.value)
        else:
            values = scalars_of(live.kind, array)
            if quality is not None:
                values = values.copy()
                values[quality[0]] = 0
        chosen = visit.pick(mask)
        if chosen is None:
            rows, cells = visit.rows, pack(live.kind, values, stamps)
        elif mask is None and quality is None:
            rows, cells = visit.touched, pack(live.kind, values[chosen], visit.last_stamps)
        else:
            rows = visit.rows[chosen]
            cells = pack(live.kind, values[chosen], stamps[chosen])
        if visit.late:
            fresh = _not_older(live, rows, cells)
            rows, cells = rows[fresh], cells[fresh]
        return rows, cells

    def _store(
        self,
        live: _Live,
        array: pa.Array | None,
        visit: Visit,
        quality: tuple[NDArray[np.int64], NDArray[np.uint32]] | None,
    ) -> None:
        """Write a list or string column: blocks in the heap, handles in the cells."""
        stamps, mask = _marked(array, visit, quality)
        chosen = visit.pick(mask)
        if chosen is None:
            chosen = np.arange(len(visit.rows))
        rows = visit.rows[chosen]
        handles, _ = split(live.kind, live.cells[rows])
        cells = pack(live.kind, handles, stamps[chosen])
        if visit.late:
            fresh = _not_older(live, rows, cells)
            chosen, rows, handles, cells = chosen[fresh], rows[fresh], handles[fresh], cells[fresh]
        valid = (stamps[chosen] & 3) == Quality.VALID
        if array is not None and valid.any():
            items, first, count = ragged_of(live.kind, array)
            taken = chosen[valid]
            blocks = self._heap.write(
                live.column.number,
                rows=rows[valid],
                handles=handles[valid],
                items=items,
                first=first[taken],
                count=count[taken],
            )
            cells[valid] = pack(live.kind, blocks, stamps[taken])
        live.cells[rows] = cells


def _by_vehicle(batch: SignalBatch) -> SignalBatch:
    """The batch's rows by vehicle, each one's in log order.

    Many rows scattered over a large fleet cost a third when they are written in the order of the
    files: neighbours share page table entries, which is most of what a far write waits for.
    """
    vehicle = batch.numpy("vehicle")
    bits = np.uint64(len(vehicle).bit_length())
    packed = np.sort((vehicle << bits) | np.arange(len(vehicle), dtype=np.uint64))
    places = packed & ((np.uint64(1) << bits) - np.uint64(1))
    return batch.take(places.astype(np.int64))


def _marked(
    array: pa.Array | None,
    visit: Visit,
    quality: tuple[NDArray[np.int64], NDArray[np.uint32]] | None,
) -> tuple[NDArray[np.uint32], NDArray[np.bool_] | None]:
    """Stamps with the quality in them, and which rows say something (None: all do)."""
    mask = np.zeros(len(visit.rows), np.bool_) if array is None else mask_of(array)
    if quality is None:
        return visit.stamps, mask
    at, what = quality
    stamps = visit.stamps.copy()
    stamps[at] = (stamps[at] & np.uint32(0xFFFF_FFFC)) | what
    if mask is not None:
        mask = mask.copy()
        mask[at] = True
    return stamps, mask


def _not_older(
    live: _Live, rows: NDArray[np.int64], cells: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Which cells are at least as new, by the second, as those in the file."""
    _, held = split(live.kind, live.cells[rows])
    _, offered = split(live.kind, cells)
    fresh: NDArray[np.bool_] = offered >> np.uint32(2) >= held >> np.uint32(2)
    return fresh


def _qualities(batch: SignalBatch) -> dict[int, tuple[NDArray[np.int64], NDArray[np.uint32]]]:
    """Signal number to the batch rows that report it invalid or abnormal, and which of the two."""
    column = batch.column("quality")
    if column.null_count == len(column):
        return {}
    rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)
    codes = pc.list_flatten(column).to_numpy(zero_copy_only=False)
    if not len(codes):
        return {}
    order = np.argsort(codes >> 2, kind="stable")
    codes, rows = codes[order], rows[order]
    numbers, starts = np.unique(codes >> 2, return_index=True)
    parts = zip(
        numbers.tolist(), np.split(rows, starts[1:]), np.split(codes, starts[1:]), strict=True
    )
    return {number: (at, (code & 3).astype(np.uint32)) for number, at, code in parts}
