"""Plain columns where the output is piped: no box, nothing broken into lines."""

from __future__ import annotations

import pytest

from motorcade.node.cli.tables import counted, plain, print_table


def test_columns_are_two_spaces_apart_and_never_wrap(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500
    print_table(
        [
            {"name": "a", "auto_wmi": ["LSG", "LSV"], "digit": True, "note": None},
            {"name": long, "auto_wmi": [], "digit": False, "note": "two\nlines"},
        ]
    )
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "auto", "wmi", "digit", "note"]
    assert first == "a" + " " * 499 + "  LSG,LSV   yes"
    assert second == f"{long}            no     two lines"


def test_nothing_is_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([])
    assert capsys.readouterr().out == "none\n"


def test_counts_agree_with_their_noun() -> None:
    assert [counted(n, "vehicle") for n in (0, 1, 2000)] == [
        "0 vehicles", "1 vehicle", "2,000 vehicles",
    ]  # fmt: skip
    assert list(plain([["a", "b"], ["cc", ""]])) == ["a   b", "cc"]
