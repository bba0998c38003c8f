"""What the types cannot say: the defaults pass, and each kind of rule finds its mistake."""

from __future__ import annotations

from motorcade.node.checks import mistakes
from motorcade.node.config import load


def test_the_defaults_are_right() -> None:
    assert list(mistakes(load(None, {}).plain())) == []


def test_a_table_that_could_not_be_read_is_passed_over() -> None:
    assert list(mistakes({})) == []
    tables = load(None, {}).plain()
    tables["node"]["workers"] = 5
    assert [key for key, _ in mistakes(tables)] == ["node.workers"]
    del tables["log"]
    assert list(mistakes(tables)) == []
