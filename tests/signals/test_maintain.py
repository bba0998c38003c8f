"""Packaged data and docs are what the tools would write."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from motorcade.errors import Invalid
from motorcade.signals.maintain import grown_register, main, packed
from motorcade.signals.tree import packaged


def test_the_register_is_current() -> None:
    assert grown_register() == packaged("numbers.csv").decode(), (
        "run: python -m motorcade.signals.maintain numbers"
    )


def test_packing_keeps_the_document() -> None:
    document = {"Vehicle": {"b": 1, "a": [1.5, "é"]}}
    data = packed(json.dumps(document, indent=2).encode())
    assert json.loads(gzip.decompress(data)) == document
    assert packed(gzip.decompress(data)) == data


def test_docs_command_writes_the_page(tmp_path: Path) -> None:
    main(["docs", str(tmp_path / "signals.md")])
    assert "Vehicle.Speed" in (tmp_path / "signals.md").read_text()


def test_anything_else_is_refused() -> None:
    with pytest.raises(Invalid, match="vss FILE"):
        main([])
