"""Where decoded values gather before they become Arrow columns: one array a signal.

In: values of some rows at a time. Out: one Arrow array per signal, and the triples (row, signal
number, quality) of what was invalid.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Signal

__all__ = ["Sink", "binary_column", "text_column"]

_VALID: Final = np.uint8(Quality.VALID)
_INVALID: Final = np.uint8(Quality.INVALID)

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]


class Sink:
    """The columns of ``n`` rows."""

    def __init__(self, rows: int) -> None:
        self.n = rows
        self._held: dict[int, tuple[Signal, NDArray[Any], Bytes | None]] = {}
        self._ready: dict[str, pa.Array] = {}
        self._marks: list[tuple[Ints, int]] = []

    def put(
        self,
        signal: Signal,
        rows: Ints | None,
        values: NDArray[Any],
        quality: Bytes | None = None,
    ) -> None:
        """Values (k) for ``rows`` (k, no row twice; None: all of them). ``quality`` (k) where some
        are not valid. What was there before for these rows is replaced."""
        held = self._held.get(signal.number)
        if rows is None and held is None:
            self._held[signal.number] = (signal, values, quality)
            return
        if held is None:
            held = (signal, np.zeros(self.n, values.dtype), np.zeros(self.n, np.uint8))
        _, before, kinds = held
        if kinds is None:
            kinds = np.full(self.n, _VALID)
        place = slice(None) if rows is None else rows
        before = before.copy() if not before.flags.writeable else before
        before[place] = values
        kinds[place] = _VALID if quality is None else quality
        self._held[signal.number] = (signal, before, kinds)

    def put_column(self, signal: Signal, column: pa.Array) -> None:
        """A finished column: texts and lists. Where there is one already, its rows stay that the
        new one has no value for."""
        before = self._ready.get(signal.path)
        if before is not None:
            pairs = zip(column.to_pylist(), before.to_pylist(), strict=True)
            joined = [old if new is None else new for new, old in pairs]
            column = pa.array(joined, signal.arrow_type)
        self._ready[signal.path] = column

    def has(self, signal: Signal) -> bool:
        """Whether some row has this signal."""
        return signal.number in self._held or signal.path in self._ready

    def mark(self, rows: Ints, signal: Signal) -> None:
        """Say that a signal was reported as invalid in these rows."""
        if len(rows):
            self._marks.append((rows, signal.number))

    def columns(self) -> dict[str, pa.Array]:
        """Every signal some row has, by path."""
        arrays: dict[str, pa.Array] = {}
        for signal, values, quality in self._held.values():
            arrays[signal.path] = _arrow(signal, values, quality)
        return {**arrays, **self._ready}

    def triples(self) -> tuple[Ints, NDArray[np.uint32], Bytes]:
        """Rows, signal numbers and qualities of everything invalid, rows ascending."""
        rows: list[Ints] = []
        numbers: list[NDArray[np.uint32]] = []
        for signal, _, quality in self._held.values():
            if quality is None:
                continue
            bad = np.flatnonzero(quality == _INVALID)
            if len(bad):
                rows.append(bad)
                numbers.append(np.full(len(bad), signal.number, np.uint32))
        for marked, number in self._marks:
            rows.append(marked)
            numbers.append(np.full(len(marked), number, np.uint32))
        if not rows:
            return np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.uint8)
        at, which = np.concatenate(rows), np.concatenate(numbers)
        order = np.lexsort((which, at))
        return at[order], which[order], np.full(len(at), _INVALID)


def text_column(data: Bytes, lengths: Ints, there: NDArray[np.bool_]) -> pa.Array:
    """Strings from their bytes (UTF-8) end to end; rows not ``there`` are null."""
    return _variable(data, lengths, there, pa.string())


def binary_column(data: Bytes, lengths: Ints, there: NDArray[np.bool_]) -> pa.Array:
    """Binary values from their bytes end to end."""
    return _variable(data, lengths, there, pa.binary())


def _variable(data: Bytes, lengths: Ints, there: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [_mask(there), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(kind, len(lengths), buffers)


def _mask(there: NDArray[np.bool_]) -> pa.Buffer | None:
    return None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))


def _arrow(signal: Signal, values: NDArray[Any], quality: Bytes | None) -> pa.Array:
    size = len(values)
    mask = None if quality is None else _mask(quality == _VALID)
    if values.dtype == bool:
        values = np.packbits(values, bitorder="little")
    buffers = [mask, pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(signal.arrow_type, size, buffers)
