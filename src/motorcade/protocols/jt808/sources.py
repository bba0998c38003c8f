"""Which item fills which signal: the tables turned round, for docs and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from motorcade.protocols.jt808 import tables
from motorcade.protocols.jt808.layout import Field, Text
from motorcade.protocols.jt808.plan import plan

__all__ = ["SIGNALS", "Source"]


class Source(NamedTuple):
    """One field that fills a signal."""

    item: int
    """Id of the additional item; 0 for the basic location, 0xEB0000 and more inside item 0xEB."""
    name: str
    standard: str
    at: int
    width: int
    scale: float
    unit: str


def _all() -> dict[str, tuple[Source, ...]]:
    found: dict[str, list[Source]] = {}
    for basic in tables.BASIC:
        source = Source(
            0, "basic location", "JT/T 808", basic.at, basic.width, basic.scale, basic.unit
        )
        found.setdefault(basic.path, []).append(source)
    for path, at in (("Latitude", 8), ("Longitude", 12)):
        source = Source(0, "basic location", "JT/T 808", at, 4, 1e-6, "degrees")
        found.setdefault(f"{tables.LOCATION}.{path}", []).append(source)
    for number, item in plan().items():
        head = (number, item.name, item.source)
        lists = [(series.field, series.at) for series in item.series]
        places: list[tuple[Field | Text, int]] = [(field, 0) for field in item.fields]
        places += [(text, 0) for text in item.texts]
        for one, shift in (*places, *lists):
            if isinstance(one, Field):
                source = Source(*head, one.at + shift, one.width, one.scale, one.unit)
            else:
                source = Source(*head, one.at + shift, one.size, 1.0, "")
            found.setdefault(one.path, []).append(source)
    return {path: tuple(sources) for path, sources in found.items()}


SIGNALS: Final[Mapping[str, tuple[Source, ...]]] = _all()
"""VSS path to the fields that fill it."""
