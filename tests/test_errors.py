"""The error tree: stable codes, and the page that lists them."""

from __future__ import annotations

from pathlib import Path

import motorcade.errors as errors_module
from motorcade.errors import CapacityError, MotorcadeError

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"


def _classes() -> list[type[MotorcadeError]]:
    return [getattr(errors_module, name) for name in errors_module.__all__]


def test_codes_are_unique_and_extend_their_parents() -> None:
    codes = [kind.code for kind in _classes()]
    assert len(codes) == len(set(codes))
    for kind in _classes():
        parent = kind.__mro__[1]
        if issubclass(parent, MotorcadeError) and parent is not MotorcadeError:
            assert kind.code.startswith(parent.code + ".")


def test_the_page_lists_every_code_with_status_and_meaning() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for kind in _classes():
        meaning = (kind.__doc__ or "").strip().splitlines()[0]
        assert f"| `{kind.code}` | {kind.status} | {kind.title} | {meaning} |" in lines


def test_an_error_carries_its_detail_and_facts() -> None:
    error = CapacityError("the log is full", retry_after_s=2.5, partition=1)
    assert (str(error), error.retry_after_s, error.facts) == (
        "the log is full",
        2.5,
        {"partition": 1},
    )
