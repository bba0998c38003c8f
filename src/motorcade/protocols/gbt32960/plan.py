"""The tables of both editions compiled for whole batches: a walk's states, and groups of alike
fields.

In: ``tables_2016``, ``tables_2025`` and the catalogue. Out: ``Plan``, immutable, made once a
process.

A *state* is one segment of one edition's item. Its row in the arrays says how long the segment is
(a fixed size plus a count times an element) and which state follows. A *group* is the fields of a
state that have the same width and target type: they are read, scaled and stored as one matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.gbt32960 import tables_2016, tables_2025
from motorcade.protocols.gbt32960.layout import Field, Item, Segment
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Catalogue, Signal, load_catalogue
from motorcade.signals.units import linear

__all__ = [
    "Group",
    "Column",
    "Kept",
    "Plan",
    "Slot",
    "plan",
    "compile_fields",
    "column",
    "EDITIONS",
    "MOTORS_MAX",
]

EDITIONS: Final = {2016: tables_2016.ITEMS, 2025: tables_2025.ITEMS}
MOTORS_MAX: Final = 4
"""Motors with signals of their own; further ones stay in ``raw``."""

_TYPES: Final = {
    "float": "f4",
    "double": "f8",
    "boolean": "b1",
    "int8": "i1",
    "uint8": "u1",
    "uint16": "u2",
    "uint32": "u4",
    "string": "u1",
}
_VALID, _INVALID = int(Quality.VALID), int(Quality.INVALID)
_ABNORMAL = int(Quality.ABNORMAL)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a scalar signal is collected: its row among all, and among those of its type."""

    signal: Signal
    key: str
    row: int
    place: int


@dataclass(frozen=True, slots=True)
class Column:
    """How one field's raw numbers become values. ``values`` and ``quality`` are tables of 256 for
    bytes."""

    field: Field
    signal: Signal
    key: str
    multiply: float
    divide: float
    add: float
    values: NDArray[Any] | None = None
    quality: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """``f`` fields of one width and target type. Matrices are (f, …), vectors of numbers (f, 1)."""

    width: int
    key: str
    at: NDArray[np.int64]
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    multiply: NDArray[np.float64]
    divide: NDArray[np.float64]
    add: NDArray[np.float64]
    marked: NDArray[np.bool_]
    exact: bool
    signs: tuple[tuple[int, int, int], ...]
    values: NDArray[Any] | None
    quality: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is taken out of one state's segments."""

    edition: int
    item: Item
    segment: Segment
    first: bool
    groups: tuple[Group, ...] = ()
    instances: tuple[tuple[Group, ...], ...] = ()
    entries: tuple[Column, ...] = ()
    """List-valued fields with one element a repetition."""
    elements: tuple[Column, ...] = ()
    counts: Signal | None = None
    hexes: Signal | None = None
    below: tuple[Signal, ...] = ()
    """Every list signal that is missing where the count says so."""
    odd: tuple[tuple[int, NDArray[np.bool_]], ...] = ()
    """Bytes that hold codes, and which of their values the standard does not know."""


@dataclass(slots=True)
class Plan:
    """Everything decode needs, by state. State 0 reads a type byte; ``custom`` and ``stop`` are
    special."""

    catalogue: Catalogue
    slots: dict[str, Slot] = field(default_factory=dict)
    kept: dict[int, Kept] = field(default_factory=dict)
    entry: NDArray[np.int64] = field(default_factory=lambda: np.zeros(512, np.int64))
    custom: int = 1
    stop: int = 2
    table: dict[str, list[int]] = field(default_factory=dict)
    link: tuple[Group, ...] = ()

    def __post_init__(self) -> None:
        for name in ("size", "shift", "high_at", "low_at", "high", "low", "limit", "each"):
            self.table[name] = [0, 0, 0]
        for name in ("more", "done", "head"):
            self.table[name] = [0, 0, 0]

    def slot(self, path: str) -> Slot:
        """The slot of a scalar signal, made on first use."""
        if path not in self.slots:
            signal = self.catalogue[path]
            key = _TYPES[signal.datatype]
            place = sum(1 for slot in self.slots.values() if slot.key == key)
            self.slots[path] = Slot(signal, key, len(self.slots), place)
        return self.slots[path]


@cache
def plan() -> Plan:
    """The compiled tables."""
    made = Plan(load_catalogue())
    _state(made, 1, Segment(2, count=(0, 2), each=1, markable=False), True)
    made.entry[:] = made.stop
    for number, (edition, items) in enumerate(EDITIONS.items()):
        for item in items:
            made.entry[number * 256 + item.type] = _add_item(made, edition, item)
        made.entry[number * 256 + 0x80 : number * 256 + 0xFF] = made.custom
    made.link = compile_fields(
        made,
        (
            Field(
                "Vehicle.Connectivity.Protocol",
                0,
                codes={0x23: "GBT32960_2016", 0x24: "GBT32960_2025"},
            ),
        ),
    )
    return made


def _add_item(made: Plan, edition: int, item: Item) -> int:
    first = len(made.table["size"])
    for number, segment in enumerate(item.segments):
        state = len(made.table["size"])
        head = number == 0
        _state(made, state, segment, head)
        body = segment.repeats
        made.kept[state] = _kept(made, edition, item, segment, head)
        if body is not None:
            _state(made, state + 1, body, False)
            made.kept[state + 1] = _kept(made, edition, item, body, False)
            made.table["head"][state] = 1
            made.table["more"][state] = made.table["more"][state + 1] = state + 1
        elif number + 1 < len(item.segments):
            made.table["more"][state] = made.table["done"][state] = state + 1
    return first


def _state(made: Plan, state: int, segment: Segment, first: bool) -> None:
    """The row of a state: positions count from the type byte where the segment is an item's
    first."""
    shift = 1 if first else 0
    at, width = segment.count or (0, 0)
    row = {
        "size": segment.size + shift,
        "shift": shift,
        "high_at": at + shift,
        "low_at": at + shift + width - 1 if width else 0,
        "high": 256 if width == 2 else 0,
        "low": 1 if width else 0,
        "limit": (1 << 8 * width) - 2 if width and segment.markable else 1 << 30,
        "each": segment.each,
        "more": 0,
        "done": 0,
        "head": 0,
    }
    for name, value in row.items():
        column = made.table[name]
        if state < len(column):
            column[state] = value
        else:
            column.append(value)


def _kept(made: Plan, edition: int, item: Item, segment: Segment, first: bool) -> Kept:
    catalogue = made.catalogue
    lists = segment.repeats or segment
    scalar = bool(segment.fields) and not segment.counts
    elements = tuple(column(catalogue, f) for f in segment.elements if not segment.instances)
    entries = () if scalar else tuple(column(catalogue, f) for f in segment.fields)
    below = [f.path for f in lists.elements if not lists.instances]
    if segment.repeats:
        below += [*(f.path for f in lists.fields), lists.counts]
    motors = []
    for number in range(MOTORS_MAX if segment.instances else 0):
        branch = f"{segment.instances}{number + 1}"
        fields = tuple(f._replace(path=f"{branch}.{f.path}") for f in segment.elements)
        motors.append(compile_fields(made, fields))
    return Kept(
        edition,
        item,
        segment,
        first,
        compile_fields(made, segment.fields) if scalar else (),
        tuple(motors),
        entries,
        elements,
        catalogue[segment.counts] if segment.counts else None,
        catalogue[segment.hexes] if segment.hexes else None,
        tuple(catalogue[path] for path in below),
        tuple((f.at, _unknown(f)) for f in segment.fields if scalar and f.codes is not None),
    )


def _unknown(one: Field) -> NDArray[np.bool_]:
    byte = np.arange(256)
    raw = (byte >> one.shift) & one.mask & 0xFF
    strange = ~np.isin(raw, list(one.codes or ())) & (byte & one.unless == 0)
    if one.marked:
        strange[0xFE:] = False
    return np.asarray(strange, np.bool_)


def compile_fields(made: Plan, fields: tuple[Field, ...]) -> tuple[Group, ...]:
    """Scalar fields sorted into groups."""
    alike: dict[tuple[int, str], list[Column]] = {}
    for one in fields:
        made.slot(one.path)
        compiled = column(made.catalogue, one)
        alike.setdefault((one.width, compiled.key), []).append(compiled)
    return tuple(_group(made, key, columns) for key, columns in alike.items())


def _group(made: Plan, kind: tuple[int, str], columns: list[Column]) -> Group:
    width, key = kind
    slots = [made.slots[one.field.path] for one in columns]
    tables = width == 1
    return Group(
        width,
        key,
        np.array([one.field.at for one in columns]),
        np.array([slot.row for slot in slots]),
        np.array([slot.place for slot in slots]),
        np.array([[one.multiply] for one in columns]),
        np.array([[one.divide] for one in columns]),
        np.array([[one.add] for one in columns]),
        np.array([[one.field.marked] for one in columns]),
        all(one.multiply == one.divide == 1 and one.add == 0 for one in columns),
        tuple(
            (row, *one.field.sign) for row, one in enumerate(columns) if one.field.sign is not None
        ),
        np.stack([one.values for one in columns if one.values is not None]) if tables else None,
        np.stack([one.quality for one in columns if one.quality is not None]) if tables else None,
    )


def column(catalogue: Catalogue, one: Field) -> Column:
    """A field with its scale folded into the catalogue's unit."""
    signal = catalogue[one.path]
    key = _TYPES[signal.datatype.removesuffix("[]")]
    step = linear(one.unit, signal.unit) if one.codes is None else linear("", "")
    factor = Fraction(str(one.scale)) * Fraction(str(step.factor))
    add = float(one.add * step.factor + step.offset)
    compiled = Column(one, signal, key, float(factor.numerator), float(factor.denominator), add)
    if one.width != 1:
        return compiled
    values, quality = _byte_tables(compiled)
    return Column(one, signal, key, compiled.multiply, compiled.divide, add, values, quality)


def _byte_tables(one: Column) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Value and quality of all 256 bytes. A code the standard does not know is invalid."""
    values = np.zeros(256, np.uint8 if one.key == "b1" else one.key)
    quality = np.full(256, _VALID, np.uint8)
    words = {word: code for code, word in enumerate(one.signal.words)}
    for byte in range(256):
        raw = (byte >> one.field.shift) & one.field.mask & 0xFF
        if one.field.codes is None:
            values[byte] = raw * one.multiply / one.divide + one.add
        elif raw in one.field.codes:
            word = one.field.codes[raw]
            values[byte] = words[word] if isinstance(word, str) else word
        else:
            quality[byte] = _INVALID
        if byte & one.field.unless:
            quality[byte] = _INVALID
    if one.field.marked:
        quality[0xFF], quality[0xFE] = _INVALID, _ABNORMAL
    values[quality != _VALID] = 0
    return values, quality
