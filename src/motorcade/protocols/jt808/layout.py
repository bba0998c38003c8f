"""The words the tables are written in: fields of a location body and of its additional items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

__all__ = ["Field", "Text", "Series", "Item"]


class Field(NamedTuple):
    """One number at a fixed place."""

    path: str
    """VSS path."""
    at: int = 0
    """Byte of the item's value where it begins."""
    width: int = 1
    """Bytes: 1, 2, 3 or 4; big-endian."""
    scale: float = 1.0
    """Factor from raw number to ``unit``."""
    add: float = 0.0
    """Added after scaling, in ``unit``."""
    unit: str = ""
    """Unit of the source; empty where the catalogue's signal has none."""
    codes: Mapping[int, str | bool] | None = None
    """For enumerations and flags: raw number to the catalogue's word. Others are invalid."""
    shift: int = 0
    """Bits the raw number is shifted right before ``mask``."""
    mask: int = 0
    """Bits that make up the value; 0: all."""
    signed: str = ""
    """``two``: two's complement; ``bit``: the first bit is the sign, the rest the size."""
    invalid: tuple[int, ...] = ()
    """Raw numbers that say that the value is invalid."""
    none: tuple[int, ...] = ()
    """Raw numbers that say that there is nothing to report."""


class Text(NamedTuple):
    """Text, or bytes shown as text."""

    path: str
    at: int = 0
    size: int = 0
    """Bytes; 0: to the item's end."""
    form: str = "text"
    """``text`` (GBK, its NULs and blanks stripped), ``hex``, ``digits`` (BCD, to an F), ``imei``
    (15 digits in BCD), ``time`` (BCD, becomes ISO 8601), ``words`` (becomes a list), ``obd:n``
    (number n, from 0, of a list with commas)."""


class Series(NamedTuple):
    """A list: one element for every whole ``each`` bytes from ``at`` to the item's end."""

    field: Field | Text
    at: int = 0
    each: int = 1
    span: int = -1
    """Bytes from element to element; 0: all are the same, -1: as ``each``."""


class Item(msgspec.Struct, frozen=True):
    """An additional item: its id and the lengths of its value the table holds for.

    An item of a length no entry has stays in ``raw``: the ids from 0xE1 on are the makers' own, and
    two of them tell each other apart by length alone.
    """

    id: int
    name: str
    sizes: tuple[int, ...]
    """Lengths; one negative number -n: n bytes or more."""
    fields: tuple[Field, ...] = ()
    texts: tuple[Text, ...] = ()
    series: tuple[Series, ...] = ()
    source: str = "JT/T 808"
    """The standard or practice that says so."""
    when: tuple[int, int] | None = None
    """Byte of the value and what it has to be."""

    def holds(self, size: int) -> bool:
        """Whether the table is for values of ``size`` bytes."""
        return size in self.sizes or (self.sizes[0] < 0 and size >= -self.sizes[0])
