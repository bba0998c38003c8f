"""Choosing a representation, and tables as JSON, CSV and Arrow."""

from __future__ import annotations

import pyarrow as pa
import pytest

from motorcade.api.render import ARROW, CSV, JSON, NotAcceptable, choose, objects


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
