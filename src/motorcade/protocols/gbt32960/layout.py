"""The words the tables of both editions are written in: fields, segments, information items.

An information item is a type byte and a body of one or more segments. A segment has a fixed part
and, where it counts something, a list behind it; a segment that ``repeats`` another counts how
often that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

__all__ = ["Field", "Segment", "Item"]


class Field(NamedTuple):
    """One value of a segment's fixed part or of its list's elements."""

    path: str
    """VSS path; for motors below ``Segment.instances``."""
    at: int
    """Byte where it begins, from the segment's (or element's) first."""
    width: int = 1
    """Bytes: 1, 2 or 4."""
    scale: float = 1.0
    """Factor from raw number to ``unit``."""
    add: float = 0.0
    """Added after scaling, in ``unit``."""
    unit: str = ""
    """Unit of the source; empty where the catalogue's signal has none."""
    codes: Mapping[int, str | int | bool] | None = None
    """For enumerations and gears: raw number to the catalogue's word or value."""
    shift: int = 0
    """Bits the byte is shifted right before ``mask``."""
    mask: int = 0xFFFF_FFFF
    """Bits that make up the value."""
    unless: int = 0
    """Bits that make the value invalid where any is set (2025 gear: bit 7)."""
    marked: bool = True
    """Whether all-ones is invalid and all-ones minus one abnormal."""
    sign: tuple[int, int] | None = None
    """Byte and bit of the segment that make the value negative."""


class Segment(msgspec.Struct, frozen=True):
    """A stretch of an item's body."""

    size: int
    """Bytes of the fixed part, its count included."""
    fields: tuple[Field, ...] = ()
    count: tuple[int, int] | None = None
    """Where the count stands and how wide it is (1 or 2 bytes)."""
    each: int = 0
    """Bytes of a list element."""
    elements: tuple[Field, ...] = ()
    """Values of a list element, each a list-valued signal."""
    hexes: str = ""
    """Path that gets the list's bytes as hex text instead."""
    instances: str = ""
    """Elements are instances of this branch (``…Motor``), each value a signal of its own."""
    counts: str = ""
    """Path of the list-valued signal that gets this segment's count, one element a repetition."""
    repeats: Segment | None = None
    """What follows ``count`` times; its fields are list-valued signals, one element a
    repetition."""
    markable: bool = True
    """Whether a count of all-ones (invalid) or one less (abnormal) means that there is no list."""


class Item(msgspec.Struct, frozen=True):
    """An information type."""

    type: int
    name: str
    segments: tuple[Segment, ...]
    """One after the other."""
