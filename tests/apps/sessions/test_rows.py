"""Rows of links as batches: every column of the catalogue's type, an identity that repeats."""

from __future__ import annotations

import pytest

from apps.sessions.events import START_US, down, up
from motorcade.apps.sessions.rows import EVENTS, KIND, PATHS, batch_of, pack_rows, read_rows
from motorcade.apps.sessions.rules import Table
from motorcade.apps.sessions.sessions import BEARERS, Change, Row
from motorcade.errors import CorruptionError
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.words import as_stored

S = 1_000_000
ROOT = "Vehicle.Connectivity."


def _rows() -> list[Row]:
    table, change = Table(3 * S, 60 * S), Change()
    table.apply(1, START_US, [up(7, 1), up(8, 2, bearer="wifi")], change)
    table.apply(2, START_US + 5 * S, [up(7, 3, bearer="nr"), down(8, 2)], change)
    table.settle(START_US + 60 * S, change)
    return change.rows


def test_columns_are_the_catalogues() -> None:
    catalogue = load_catalogue()
    batch = batch_of(_rows(), START_US)
    assert batch.kind == KIND
    assert batch.paths == list(PATHS)
    for path in PATHS:
        assert batch.column(path).type == catalogue[path].arrow_type, path
    words = tuple(word.upper() for word in BEARERS)
    for name in ("Bearer", "Link.Bearer", "Link.PreviousBearer"):
        assert catalogue[ROOT + name].words == words
    assert catalogue[ROOT + "Link.Event"].words == EVENTS
    empty = batch_of([], START_US)
    assert empty.data.schema.equals(batch.data.schema)


def test_values_are_what_the_rules_said() -> None:
    stored = as_stored(batch_of(_rows(), START_US + S).data, load_catalogue()).to_pylist()
    told = [
        (row["vehicle"], row[ROOT + "Link.Event"], row[ROOT + "Bearer"], row[ROOT + "IsOnline"])
        for row in stored
    ]
    assert told == [
        (7, "UP", "LTE", True),
        (8, "UP", "WIFI", True),
        (7, "UP", "NR", True),
        (8, "DOWN", "WIFI", True),
        (8, "OFFLINE", "WIFI", False),
    ]
    assert stored[2][ROOT + "Link.PreviousBearer"] == "LTE"
    assert stored[3][ROOT + "Link.Duration"] == 5.0
    assert stored[4][ROOT + "Link.Address"] is None


def test_rows_kept_and_read_make_the_same_batch() -> None:
    rows = _rows()
    again = read_rows(pack_rows(rows))
    assert again == rows
    assert batch_of(again, START_US).data.equals(batch_of(rows, START_US).data)
    with pytest.raises(CorruptionError):
        read_rows(b"no rows")
