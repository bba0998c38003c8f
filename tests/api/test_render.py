"""Choosing a representation, and tables as JSON, CSV and Arrow."""

from __future__ import annotations

import csv
import io

import msgspec
import pyarrow as pa
import pytest

from motorcade import limits
from motorcade.api.render import ARROW, CSV, JSON, NotAcceptable, answer, choose, objects


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("text/*", CSV),
        ("application/json;q=0.5, text/csv", CSV),
        ("text/html, application/vnd.apache.arrow.stream;q=0.9, */*;q=0.1", ARROW),
        ("text/csv;q=0, */*", JSON),
    ],
)
def test_the_best_of_what_is_offered(accept: str | None, kind: str) -> None:
    assert choose(accept) == kind


def test_nothing_to_offer() -> None:
    with pytest.raises(NotAcceptable):
        choose("image/png")


def test_objects_leave_nulls_out() -> None:
    table = pa.table(
        {
            "vin": ["A", "B"],
            "Vehicle.Speed": pa.array([0.1, None], pa.float32()),
            "Cells": pa.array([[1.5], None], pa.list_(pa.float32())),
        }
    )
    assert objects(table, ["vin"]) == [
        {"vin": "A", "signals": {"Vehicle.Speed": 0.1, "Cells": [1.5]}},
        {"vin": "B", "signals": {}},
    ]


def test_named_columns_that_are_null_are_left_out_and_quality_is_by_path() -> None:
    words = pa.list_(pa.string())
    table = pa.table(
        {
            "kind": ["report", "report"],
            "quality": pa.array([None, ["Vehicle.Speed:invalid"]], words),
            "raw": pa.array([b"\x80\x00\x01\xff", None], pa.binary()),
        }
    )
    assert objects(table, ["kind", "quality", "raw"]) == [
        {"kind": "report", "raw": "800001ff", "signals": {}},
        {"kind": "report", "quality": {"Vehicle.Speed": "invalid"}, "signals": {}},
    ]


@pytest.mark.asyncio
async def test_csv_writes_bytes_as_hex_and_lists_as_json() -> None:
    table = pa.table(
        {
            "raw": pa.array([b"\x80\x00", None], pa.binary()),
            "Cells": pa.array([[1.5, 2.0], None], pa.list_(pa.float32())),
        }
    )
    made = await answer(CSV, table, named=(), rows_key="rows", members={}, next_cursor=None)
    rows = list(csv.reader(io.StringIO(b"".join(made.iterator).decode())))
    assert rows == [["raw", "Cells"], ["8000", "[1.5,2.0]"], ["", ""]]


@pytest.mark.asyncio
@pytest.mark.parametrize("rows", [0, 1, 3, limits.API_INLINE_CELLS_MAX, 20_000])
async def test_json_is_the_same_however_large(rows: int) -> None:
    """In one piece in the event loop, in several in a thread."""
    table = pa.table(
        {"vin": [f"[]{n}" for n in range(rows)], "Vehicle.Speed": pa.array([2] * rows)}
    )
    members = {"vin": "[]", "complete": True}
    made = await answer(
        JSON, table, named=("vin",), rows_key="rows", members=members, next_cursor="AQ"
    )
    body = msgspec.json.decode(made.content)
    assert body == {**members, "rows": objects(table, ["vin"]), "next": "AQ"}
    assert list(body) == ["vin", "complete", "rows", "next"]
