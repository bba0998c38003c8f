"""The tables compiled for whole batches: which entry an item belongs to, and how its numbers become
values.

In: ``tables``, ``tables_safety``, ``tables_vendor`` and the catalogue. Out: ``Plan``, immutable,
made once a process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.jt808 import tables, tables_safety, tables_vendor
from motorcade.protocols.jt808.layout import Field, Item
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Catalogue, Signal, load_catalogue
from motorcade.signals.units import linear

__all__ = ["NESTED", "Column", "Entry", "Plan", "compiled", "plan"]

NESTED: Final = 0xEB
"""The item that holds others; their ids are kept as ``NESTED << 16 | id``."""

_VALID, _INVALID = np.uint8(Quality.VALID), np.uint8(Quality.INVALID)
_UNREPORTED = np.uint8(Quality.UNREPORTED)
_TABLE_BITS: Final = 8


@dataclass(frozen=True, slots=True)
class Column:
    """How one field's raw numbers become values. ``values`` and ``quality`` are tables by raw
    number, where it is at most a byte; ``step`` is None where raw numbers are values."""

    field: Field
    signal: Signal
    dtype: np.dtype[Any]
    step: tuple[float, float, float] | None
    values: NDArray[Any] | None = None
    quality: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An item's table with its fields compiled."""

    item: Item
    columns: tuple[Column, ...]
    series: tuple[Column | None, ...]
    """None where a list's elements are texts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything ``decode`` needs."""

    catalogue: Catalogue
    basic: tuple[Column, ...]
    entries: dict[int, tuple[Entry, ...]]

    def tables(self, number: int, size: int) -> tuple[Entry, ...]:
        """The tables for an item of this id and length; several where a byte decides."""
        return tuple(one for one in self.entries.get(number, ()) if one.item.holds(size))

    def items(self) -> Iterator[tuple[int, Item]]:
        """Every item's table, with the id it is kept under."""
        for number, entries in self.entries.items():
            for one in entries:
                yield number, one.item


@cache
def plan() -> Plan:
    """The compiled tables."""
    catalogue = load_catalogue()
    entries: dict[int, tuple[Entry, ...]] = {}
    nested = [(NESTED << 16 | item.id, item) for item in tables_vendor.NESTED]
    plain = (*tables.ITEMS, *tables_safety.ITEMS, *tables_vendor.ITEMS)
    for number, item in [*((item.id, item) for item in plain), *nested]:
        fields = [one.field for one in item.series]
        made = Entry(
            item,
            tuple(compiled(catalogue, one) for one in item.fields),
            tuple(compiled(catalogue, one) if isinstance(one, Field) else None for one in fields),
        )
        entries[number] = (*entries.get(number, ()), made)
    basic = tuple(compiled(catalogue, one) for one in tables.BASIC)
    return Plan(catalogue, basic, entries)


def compiled(catalogue: Catalogue, one: Field) -> Column:
    """A field with its scale folded into the catalogue's unit."""
    signal = catalogue[one.path]
    kind = signal.arrow_type.value_type if signal.is_list else signal.arrow_type
    dtype = np.dtype(kind.to_pandas_dtype())
    if one.codes is not None:
        values, quality = _coded(one, signal, dtype)
        return Column(one, signal, dtype, None, values, quality)
    unit = linear(one.unit, signal.unit)
    factor = Fraction(str(one.scale)) * Fraction(str(unit.factor))
    add = float(one.add * unit.factor + unit.offset)
    step = (float(factor.numerator), float(factor.denominator), add)
    return Column(one, signal, dtype, None if step == (1.0, 1.0, 0.0) else step)


def _coded(one: Field, signal: Signal, dtype: np.dtype[Any]) -> tuple[Any, NDArray[np.uint8]]:
    """Value and quality by raw number; one the table does not know is invalid."""
    values = np.zeros(1 << _TABLE_BITS, dtype)
    quality = np.full(len(values), _INVALID, np.uint8)
    words = {word: code for code, word in enumerate(signal.words)}
    quality[list(one.none)] = _UNREPORTED
    for raw, word in (one.codes or {}).items():
        values[raw] = words[word] if isinstance(word, str) else word
        quality[raw] = _VALID
    return values, quality
