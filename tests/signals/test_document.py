"""``docs/signals.md`` is what the catalogue says."""

from __future__ import annotations

from pathlib import Path

from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.document import page

DOCS = Path(__file__).parents[2] / "docs" / "signals.md"


def test_the_page_is_current() -> None:
    assert DOCS.read_text() == page(load_catalogue()), (
        "run: python -m motorcade.signals.maintain docs docs/signals.md"
    )


def test_every_signal_stands_on_it() -> None:
    text = page(load_catalogue())
    assert all(f"`{path}`" in text for path in load_catalogue())
