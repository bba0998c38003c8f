"""The register of numbers only grows."""

from __future__ import annotations

import pytest

from motorcade.errors import CorruptionError
from motorcade.signals.numbers import Entry, extended, parse, render
from motorcade.signals.tree import Node, packaged

OLD = [Entry(1, "A", "float"), Entry(2, "B", "string", ("ON", "OFF"))]


def test_round_trip() -> None:
    assert parse(render(OLD)) == OLD
    text = packaged("numbers.csv").decode()
    assert render(parse(text)) == text


def test_new_signals_go_to_the_end_and_old_ones_stay() -> None:
    leaves = {"B": Node(datatype="string", allowed=("NEW", "OFF")), "0": Node(datatype="uint8")}
    assert extended(OLD, leaves) == [
        Entry(1, "A", "float"),
        Entry(2, "B", "string", ("ON", "OFF", "NEW")),
        Entry(3, "0", "uint8"),
    ]


def test_another_data_type_is_another_number() -> None:
    assert extended(OLD, {"A": Node(datatype="double")})[-1] == Entry(3, "A", "double")


@pytest.mark.parametrize(
    "text",
    [
        "path\n",
        "number,path,datatype,words\n1,A,float,\n1,B,float,\n",
        "number,path,datatype,words\n1,A,float,\n2,A,float,\n",
    ],
)
def test_a_damaged_register_is_refused(text: str) -> None:
    with pytest.raises(CorruptionError):
        parse(text)
