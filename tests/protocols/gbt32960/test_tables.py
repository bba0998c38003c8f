"""The tables themselves: sizes, paths, units, and what is compiled from them."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.protocols.gbt32960 import paths as paths_module
from motorcade.protocols.gbt32960 import tables_2016, tables_2025
from motorcade.protocols.gbt32960.layout import Field, Item, Segment
from motorcade.protocols.gbt32960.logins import LOGIN_SIGNALS
from motorcade.protocols.gbt32960.plan import EDITIONS, column, plan
from motorcade.protocols.gbt32960.sink import Sink
from motorcade.protocols.gbt32960.sources import SIGNALS
from motorcade.protocols.gbt32960.walk import Bodies, walk
from motorcade.protocols.gbt32960.words import COMMANDS, command_name, edition_of, flag_of
from motorcade.signals.catalogue import load_catalogue

CATALOGUE = load_catalogue()
SIZES = {
    2016: {1: 20, 2: 12, 3: 18, 4: 5, 5: 9, 6: 14, 7: 9, 8: 10, 9: 3},
    2025: {1: 18, 2: 10, 3: 12, 4: 2, 5: 10, 6: 10, 7: 7, 8: 3, 48: 12, 49: 9, 50: 18, 255: 5},
}
"""Bytes of a body without its lists: of one motor, pack or stack where there are several."""


def size(item: Item) -> int:
    total = 0
    for segment in item.segments:
        inner = segment.repeats or segment
        total += inner.each if inner.instances else inner.size
    return total


@pytest.mark.parametrize("edition", [2016, 2025])
def test_bodies_are_as_long_as_the_standard_says(edition: int) -> None:
    assert {item.type: size(item) for item in EDITIONS[edition]} == SIZES[edition]
    assert EDITIONS == {2016: tables_2016.ITEMS, 2025: tables_2025.ITEMS}


def segments(item: Item) -> list[Segment]:
    return [one for part in item.segments for one in (part, part.repeats) if one is not None]


@pytest.mark.parametrize("edition", [2016, 2025])
def test_fields_fill_their_segments_without_overlap(edition: int) -> None:
    for item in EDITIONS[edition]:
        for segment in segments(item):
            used = [
                byte for field in segment.fields for byte in range(field.at, field.at + field.width)
            ]
            if segment.count is not None:
                used += range(segment.count[0], sum(segment.count))
            assert set(used) == set(range(segment.size)), item.name
            inner = {b for f in segment.elements for b in range(f.at, f.at + f.width)}
            assert inner == (set() if segment.hexes else set(range(segment.each))), item.name


def test_every_path_is_in_the_catalogue_and_every_unit_fits() -> None:
    for path, sources in SIGNALS.items():
        assert path in CATALOGUE
        for source in sources:
            if source.width and not source.codes:
                field = Field(path, 0, source.width, source.scale, source.add, source.unit)
                column(CATALOGUE, field)
    assert set(LOGIN_SIGNALS) <= set(SIGNALS)


def test_branches_are_branches_of_the_catalogue() -> None:
    for name in paths_module.__all__:
        value = getattr(paths_module, name)
        if isinstance(value, str):
            assert any(path.startswith(value) for path in CATALOGUE), name


def test_words_of_the_standard() -> None:
    assert command_name(0x02) == "real-time report"
    assert command_name(0xC5) == "custom"
    assert command_name(0x33) == "unknown"
    assert len(COMMANDS) == 14
    assert (edition_of(b"##"), edition_of(b"$$")) == (2016, 2025)
    assert (flag_of("duplicate", 2016), flag_of("cipher", 2025)) == (3, 7)


def test_both_ways_of_walking_find_the_same() -> None:
    body = bytes.fromhex("0402" + "00640000" + "0901010002282a" + "800001ff")
    many = 200
    buffer = np.frombuffer(body * many, np.uint8)
    start = np.arange(many) * len(body)
    bodies = Bodies(buffer, np.zeros(many, np.int64), start, start + len(body))
    together = walk(plan(), bodies)
    one = walk(plan(), Bodies(buffer, np.zeros(1, np.int64), start[:1], start[:1] + len(body)))
    assert together.found.keys() == one.found.keys()
    for state, found in together.found.items():
        assert len(found.rows) == many * len(one.found[state].rows)
        assert (found.at[: len(one.found[state].at)] == one.found[state].at).all()


def test_a_sink_without_reports_has_no_columns() -> None:
    sink = Sink(plan(), 0)
    assert sink.columns() == {}
    assert len(sink.triples()[0]) == 0
