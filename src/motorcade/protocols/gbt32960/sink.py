"""Where decoded values gather before they become Arrow columns: matrices for scalars, parts for
lists.

In: values of some rows at a time, in any order of items. Out: one Arrow array per signal, and the
triples (row, signal number, quality) of what was invalid or abnormal.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.protocols.gbt32960.plan import Group, Plan
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Signal

__all__ = ["Sink", "arrow_list", "arrow_strings"]

_VALID: Final = np.uint8(Quality.VALID)
_INVALID: Final = np.uint8(Quality.INVALID)
_ABNORMAL: Final = np.uint8(Quality.ABNORMAL)

Ints = NDArray[np.int64]


class Sink:
    """The columns of ``n`` reports."""

    def __init__(self, plan: Plan, rows: int) -> None:
        self.n = rows
        self._slots = list(plan.slots.values())
        self._quality = np.zeros((len(self._slots), rows), np.uint8)
        self._touched = np.zeros(len(self._slots), bool)
        sizes: dict[str, int] = {}
        for slot in self._slots:
            sizes[slot.key] = sizes.get(slot.key, 0) + 1
        self._values = {
            key: np.zeros((size, rows), "u1" if key == "b1" else key) for key, size in sizes.items()
        }
        self._lists: dict[int, _List] = {}
        self._zeros: pa.Buffer | None = None
        self._strings: dict[int, tuple[Signal, pa.Array]] = {}
        self._marks: list[tuple[Ints, int, int]] = []
        self._extra: dict[int, tuple[Signal, NDArray[Any], NDArray[np.uint8]]] = {}

    def put(
        self, group: Group, rows: Ints, values: NDArray[Any], quality: NDArray[np.uint8]
    ) -> None:
        """Scalars of a group: ``values`` and ``quality`` (f, m) of ``rows`` (m, ascending)."""
        self._touched[group.rows] = True
        if len(rows) == self.n:
            self._values[group.key][group.places] = values
            self._quality[group.rows] = quality
        else:
            self._values[group.key][group.places[:, None], rows] = values
            self._quality[group.rows[:, None], rows] = quality

    def put_list(
        self, signal: Signal, present: Ints, rows: Ints, values: NDArray[Any], quality: Any
    ) -> None:
        """List elements: ``rows`` (k, ascending) tells whose; ``present`` the rows that have a list
        at all. ``quality`` uint8 (k) or one for all."""
        held = self._lists.setdefault(signal.number, _List(signal))
        marks = np.broadcast_to(np.asarray(quality, np.uint8), values.shape)
        held.parts.append((present, rows, values, marks))

    def put_empty(self, signal: Signal, present: Ints) -> None:
        """Lists without elements, which is what most alarm lists are."""
        none = np.zeros(0, np.int64)
        values = np.zeros(0, signal.arrow_type.value_type.to_pandas_dtype())
        self._lists.setdefault(signal.number, _List(signal)).parts.append(
            (present, none, values, np.zeros(0, np.uint8))
        )

    def put_extra(
        self, signal: Signal, rows: Ints, values: NDArray[Any], quality: NDArray[np.uint8]
    ) -> None:
        """Scalars of any signal (k), also of one the standard's own tables fill: these win."""
        held = self._extra.get(signal.number)
        if held is None:
            held = (signal, np.zeros(self.n), np.zeros(self.n, np.uint8))
            self._extra[signal.number] = held
        held[1][rows] = values
        held[2][rows] = quality

    def put_strings(self, signal: Signal, texts: pa.Array) -> None:
        """A whole column of strings."""
        self._strings[signal.number] = (signal, texts)

    def mark(self, rows: Ints, signal: Signal, quality: int) -> None:
        """Say that a signal without a value in these rows was reported so."""
        if len(rows):
            self._marks.append((rows, signal.number, quality))

    def columns(self) -> dict[str, pa.Array]:
        """Every signal that was reported by some row, by path. Call once, before ``triples``."""
        arrays: dict[str, pa.Array] = {}
        touched = np.flatnonzero(self._touched)
        valid = self._quality[touched] == _VALID
        whole = (np.count_nonzero(valid, axis=1) == self.n).tolist()
        bits = np.packbits(valid, axis=1, bitorder="little")
        for index, row in enumerate(touched.tolist()):
            slot = self._slots[row]
            values = self._values[slot.key][slot.place]
            if slot.key == "b1":
                values = np.packbits(values, bitorder="little")
            mask = None if whole[index] else pa.py_buffer(bits[index])
            arrays[slot.signal.path] = pa.Array.from_buffers(
                slot.signal.arrow_type, self.n, [mask, pa.py_buffer(values)]
            )
        for signal, values, kinds in self._extra.values():
            arrays[signal.path] = self._joined(arrays.get(signal.path), signal, values, kinds)
        for held in self._lists.values():
            arrays[held.signal.path] = self._list(held)
        for signal, texts in self._strings.values():
            arrays[signal.path] = texts
        return arrays

    def triples(self) -> tuple[Ints, NDArray[np.uint32], NDArray[np.uint8]]:
        """Rows (ascending), signal numbers and qualities of everything invalid or abnormal."""
        touched = np.flatnonzero(self._touched)
        kinds = self._quality[touched]
        bad = kinds >= _INVALID
        parts: list[tuple[Any, Any, Any]] = []
        if np.count_nonzero(bad):
            which, rows = np.nonzero(bad)
            numbers = np.array([self._slots[row].signal.number for row in touched], np.uint32)
            parts.append((rows, numbers[which], kinds[which, rows]))
        for rows, number, kind in self._marks:
            parts.append(
                (rows, np.full(len(rows), number, np.uint32), np.full(len(rows), kind, np.uint8))
            )
        if not parts:
            return np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.uint8)
        at, number_of, kind_of = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((number_of, at))
        return at[order], number_of[order], kind_of[order]

    def _joined(
        self,
        before: pa.Array | None,
        signal: Signal,
        values: NDArray[Any],
        kinds: NDArray[np.uint8],
    ) -> pa.Array:
        """Extra values over those the tables gave."""
        kind = signal.arrow_type
        plain = values.astype(bool) if pa.types.is_boolean(kind) else values
        extra = pa.array(plain, mask=kinds != _VALID).cast(kind)
        for mark in (_INVALID, _ABNORMAL):
            self.mark(np.flatnonzero(kinds == mark), signal, int(mark))
        if before is None:
            return extra
        slot = next(slot for slot in self._slots if slot.signal.number == signal.number)
        told = kinds != 0
        self._quality[slot.row, told] = _VALID
        return pc.if_else(pa.array(told), extra, before)

    def _list(self, held: _List) -> pa.Array:
        """A list whose elements are all invalid (or abnormal) is null and marked so."""
        present, rows, values, marks = held.joined()
        if len(values) == 0:
            return self._empties(held.signal, present)
        bad = marks != _VALID
        lengths = np.bincount(rows, minlength=self.n)
        if np.count_nonzero(bad):
            lost = (np.bincount(rows[bad], minlength=self.n) == lengths) & (lengths > 0)
            if np.count_nonzero(lost):
                broken = np.zeros(self.n, bool)
                broken[rows[marks == _INVALID]] = True
                self.mark(np.flatnonzero(lost & broken), held.signal, int(_INVALID))
                self.mark(np.flatnonzero(lost & ~broken), held.signal, int(_ABNORMAL))
                keep = ~lost[rows]
                values, bad, lengths = values[keep], bad[keep], np.where(lost, 0, lengths)
                present = present[~lost[present]]
        there = np.zeros(self.n, bool)
        there[present] = True
        return arrow_list(held.signal.arrow_type, values, bad, lengths, there)

    def _empties(self, signal: Signal, present: Ints) -> pa.Array:
        if self._zeros is None:
            self._zeros = pa.py_buffer(np.zeros(self.n + 1, np.int32))
        mask = None
        if len(present) < self.n:
            there = np.zeros(self.n, bool)
            there[present] = True
            mask = pa.py_buffer(np.packbits(there, bitorder="little"))
        kind = signal.arrow_type
        child = pa.nulls(0, kind.value_type)
        return pa.Array.from_buffers(kind, self.n, [mask, self._zeros], children=[child])


class _List:
    """The parts of one list signal."""

    __slots__ = ("parts", "signal")

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.parts: list[tuple[Ints, Ints, NDArray[Any], NDArray[np.uint8]]] = []

    def joined(self) -> tuple[Ints, Ints, NDArray[Any], NDArray[np.uint8]]:
        if len(self.parts) == 1:
            return self.parts[0]
        present, rows, values, marks = (
            np.concatenate(column) for column in zip(*self.parts, strict=True)
        )
        order = np.argsort(rows, kind="stable")
        return present, rows[order], values[order], marks[order]


def arrow_list(
    kind: pa.DataType,
    values: NDArray[Any],
    bad: NDArray[np.bool_],
    lengths: Ints,
    there: NDArray[np.bool_],
) -> pa.Array:
    """A list column from its elements end to end; ``bad`` elements and rows not ``there`` are
    null."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    child = pa.array(values, type=kind.value_type, mask=bad if np.count_nonzero(bad) else None)
    mask = (
        None
        if np.count_nonzero(there) == len(there)
        else pa.py_buffer(np.packbits(there, bitorder="little"))
    )
    return pa.Array.from_buffers(
        kind, len(lengths), [mask, pa.py_buffer(offsets)], children=[child]
    )


def arrow_strings(
    data: NDArray[np.uint8], lengths: Ints, there: NDArray[np.bool_], kind: pa.DataType
) -> pa.Array:
    """A string or binary column from its bytes end to end."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    mask = (
        None
        if np.count_nonzero(there) == len(there)
        else pa.py_buffer(np.packbits(there, bitorder="little"))
    )
    buffers = [mask, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(kind, len(lengths), buffers)
