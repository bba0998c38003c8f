"""Which signals the standard reports, and how each is written on the wire: the tables read by
path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from motorcade.protocols.gbt32960 import tables_2016, tables_2025
from motorcade.protocols.gbt32960.layout import Field, Item, Segment
from motorcade.protocols.gbt32960.logins import LOGIN_SIGNALS
from motorcade.protocols.gbt32960.paths import LINK

__all__ = ["Source", "SIGNALS"]

_MOTORS: Final = 4


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One place a signal comes from."""

    edition: int
    """2016 or 2025."""
    item: int
    """Information type; 0 for the header and for logins."""
    name: str
    """What the information type is called."""
    width: int = 0
    """Bytes; 0 where it is text."""
    scale: float = 1.0
    add: float = 0.0
    unit: str = ""
    """Unit of ``raw × scale + add``."""
    invalid: int | None = None
    """Raw number that says invalid."""
    abnormal: int | None = None
    """Raw number that says abnormal."""
    codes: Mapping[int, Any] = {}
    """Raw number to word, of enumerations."""


def _sources() -> dict[str, tuple[Source, ...]]:
    found: dict[str, list[Source]] = {}
    for edition, items in ((2016, tables_2016.ITEMS), (2025, tables_2025.ITEMS)):
        for item in items:
            for segment in item.segments:
                _of_segment(found, edition, item, segment)
        for path in (*LOGIN_SIGNALS, f"{LINK}.Protocol"):
            if edition == 2016 and path.endswith("SubsystemPacks"):
                continue
            name = "header" if path.endswith("Protocol") else "login"
            found.setdefault(path, []).append(Source(edition=edition, item=0, name=name))
    return {path: tuple(sources) for path, sources in sorted(found.items())}


def _of_segment(found: dict[str, list[Source]], edition: int, item: Item, segment: Segment) -> None:
    if segment.repeats is not None:
        _of_segment(found, edition, item, segment.repeats)
    branches = [""]
    if segment.instances:
        branches = [f"{segment.instances}{number}." for number in range(1, _MOTORS + 1)]
    for one in (*segment.fields, *segment.elements):
        for branch in branches:
            found.setdefault(branch + one.path, []).append(_source(edition, item, one))
    for path in (segment.counts, segment.hexes):
        if path:
            source = Source(edition=edition, item=item.type, name=item.name)
            found.setdefault(path, []).append(source)


def _source(edition: int, item: Item, one: Field) -> Source:
    top = (1 << 8 * one.width) - 1
    return Source(
        edition=edition,
        item=item.type,
        name=item.name,
        width=one.width,
        scale=one.scale,
        add=one.add,
        unit=one.unit,
        invalid=top if one.marked else None,
        abnormal=top - 1 if one.marked else None,
        codes=dict(one.codes or {}),
    )


SIGNALS: Final[Mapping[str, tuple[Source, ...]]] = _sources()
"""VSS path to every place of both editions that fills it."""
