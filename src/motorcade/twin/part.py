"""A reader's maps of one partition, renewed when the writer has grown it or added a column."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.errors import DependencyError
from motorcade.signals.catalogue import Catalogue, Signal
from motorcade.twin.cells import DEGREE, SEPARATOR, absent_item
from motorcade.twin.heap import block
from motorcade.twin.layout import (
    KINDS,
    ROW_COLUMNS,
    Column,
    Head,
    Kind,
    check_head,
    map_array,
    partition_directory,
    read_columns,
)

__all__ = ["Cells", "View", "Part"]

_TRIES: Final = 200
_PAUSE_S: Final = 0.001
_CHOICES_MAX: Final = 256
"""Remembered choices of signals per view; beyond, they are worked out again."""

_Plain = list[tuple[str, Any, Any]]
_Special = list[tuple[str, Any, int, Callable[[int], Any]]]


@dataclass(frozen=True, slots=True)
class Cells:
    """One signal's mapped cells: uint64 (rows), or (rows, 2) for kinds of 16 bytes."""

    signal: Signal
    kind: Kind
    array: NDArray[np.uint64]


@dataclass(slots=True)
class View:
    """Everything of a partition as it was mapped at one generation.

    ``times`` (``row.state`` as int64), ``words`` (the same as uint32) and ``tenant`` are memory
    views, whose index costs a third of numpy's; the ``…_array`` are for whole chunks.
    """

    generation: int
    head: Any
    time_array: NDArray[np.int64]
    tenant_array: NDArray[np.uint32]
    sequence_array: NDArray[np.uint32]
    times: Any
    words: Any
    tenant: Any
    cells: dict[str, Cells]
    heap: NDArray[np.uint32]
    catalogue: Catalogue
    capacity: int
    _choices: dict[tuple[str, ...] | None, tuple[_Plain, _Special]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows in use, as far as this view reaches."""
        return min(int(self.head[Head.ROWS]), self.capacity)

    def sequence(self, row: int) -> int:
        """The row's sequence now."""
        return int(self.words[4 * row + 3])

    def chosen(self, signals: Sequence[str] | None) -> tuple[_Plain, _Special]:
        """How to read the columns of the named signals, those without a conversion apart."""
        key = None if signals is None else tuple(signals)
        choice = self._choices.get(key)
        if choice is None:
            paths = sorted(self.cells)
            if signals is not None:
                named = [signal.path for signal in self.catalogue.select(signals)]
                paths = [path for path in named if path in self.cells]
            if len(self._choices) >= _CHOICES_MAX:
                self._choices.clear()
            choice = self._choices[key] = self._getters(paths)
        return choice

    def _getters(self, paths: Sequence[str]) -> tuple[_Plain, _Special]:
        plain: _Plain = []
        special: _Special = []
        for path in paths:
            cells = self.cells[path]
            raw = _bytes(cells.array.reshape(-1))
            stamps = raw.cast("I")
            code = np.dtype(cells.kind.value).char.replace("l", "q").replace("L", "Q")
            values = raw.cast(code)
            if cells.kind.cell_bytes == 8 and cells.kind.name not in _CONVERTED | _HEAPED:
                plain.append((path, stamps, values))
            else:
                value_of = _getter(cells, values, self.heap)
                special.append((path, stamps, cells.kind.cell_bytes // 4, value_of))
        return plain, special


_CONVERTED: Final = frozenset({"position", "word", "boolean"})
_HEAPED: Final = frozenset(name for name, kind in KINDS.items() if kind.is_heap)


class Part:
    """One partition for reading; there may be nothing yet."""

    def __init__(
        self, directory: Path, partition: int, partitions: int, catalogue: Catalogue
    ) -> None:
        self.partition = partition
        self._partitions = partitions
        self._directory = partition_directory(directory, partition)
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._view: View | None = None

    def view(self) -> View | None:
        """The partition as it is now; None where nothing has been written yet."""
        view = self._view
        if view is not None and view.head[Head.GENERATION] == view.generation:
            return view
        with self._lock:
            if self._view is None or not self.is_current(self._view):
                self._view = self._map()
            return self._view

    def is_current(self, view: View) -> bool:
        """Whether nothing was mapped anew since."""
        return bool(view.head[Head.GENERATION] == view.generation)

    def _map(self) -> View | None:
        for _ in range(_TRIES):
            try:
                head_array = map_array(self._directory / "head", np.uint64, 512, write=False)
            except FileNotFoundError:
                return None
            head = _bytes(head_array).cast("Q")
            if head[Head.FORMAT] == 0 or head[Head.CAPACITY] == 0:
                return None  # the writer is making it
            check_head(head_array, self._directory, self.partition, self._partitions)
            generation = head[Head.GENERATION]
            try:
                view = self._mapped(head, generation)
            except FileNotFoundError:
                time.sleep(_PAUSE_S)
                continue
            if head[Head.GENERATION] == generation:
                return view
        raise DependencyError(
            f"The twin in {self._directory} changes faster than it can be mapped."
        )

    def _mapped(self, head: Any, generation: int) -> View:
        capacity = head[Head.CAPACITY]
        row = {
            name: map_array(self._directory / name, dtype, capacity, write=False)
            for name, dtype in ROW_COLUMNS.items()
        }
        units = head[Head.HEAP_UNITS]
        heap = np.zeros(0, np.uint32)
        if units:
            heap = map_array(self._directory / "heap", np.uint32, units * 4, write=False)
        cells = (self._cells(column, capacity) for column in read_columns(self._directory))
        return View(
            generation=generation,
            head=head,
            time_array=row["row.state"]["time"],
            tenant_array=row["row.tenant"],
            sequence_array=row["row.state"]["sequence"],
            times=_bytes(row["row.state"]).cast("q"),
            words=_bytes(row["row.state"]).cast("I"),
            tenant=_bytes(row["row.tenant"]).cast("I"),
            cells={known.signal.path: known for known in cells if known is not None},
            heap=heap,
            catalogue=self._catalogue,
            capacity=capacity,
        )

    def _cells(self, column: Column, capacity: int) -> Cells | None:
        signal = self._catalogue.by_number.get(column.number)
        if signal is None:  # a column of a signal the catalogue has retired
            return None
        kind = KINDS[column.kind]
        path = self._directory / column.file_name
        array = map_array(path, np.uint64, capacity, write=False, columns=kind.cell_bytes // 8)
        return Cells(signal, kind, array)


def _bytes(array: NDArray[Any]) -> Any:
    """The array's bytes as a memory view, to be cast."""
    return memoryview(array.data).cast("B")


def _getter(cells: Cells, values: Any, heap: NDArray[np.uint32]) -> Callable[[int], Any]:
    """How to make a Python value of a row's cell."""
    kind, signal = cells.kind, cells.signal
    if kind.name == "position":
        return lambda row: values[2 * row + 1] / DEGREE
    if kind.name == "boolean":
        return lambda row: values[2 * row + 1] != 0
    if kind.name == "word":
        words = dict(enumerate(signal.words))
        return lambda row: words.get(values[2 * row + 1])
    if kind.cell_bytes == 16:
        return lambda row: values[2 * row + 1]
    return lambda row: _from_heap(cells, heap, row, values[2 * row + 1])


def _from_heap(cells: Cells, heap: NDArray[np.uint32], row: int, handle: int) -> Any:
    payload = block(heap, cells.signal.number, row, handle)
    if payload is None:
        return None
    if cells.kind.name == "string":
        return payload.decode(errors="replace")
    if cells.kind.name == "string[]":
        return payload.decode(errors="replace").split(SEPARATOR) if payload else []
    if len(payload) % np.dtype(cells.kind.item).itemsize:
        return None  # torn: the sequence will tell
    items = np.frombuffer(payload, cells.kind.item)
    absent = absent_item(cells.kind)
    gaps = np.isnan(items) if items.dtype.kind == "f" else items == absent
    values = items.astype(np.bool_).tolist() if cells.kind.name == "boolean[]" else items.tolist()
    if gaps.any():
        return [None if gap else value for gap, value in zip(gaps.tolist(), values, strict=True)]
    return values
