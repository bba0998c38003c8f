"""Keeps packaged data and ``docs/signals.md`` current: ``python -m motorcade.signals.maintain``.

``vss FILE`` takes in a ``vspec export json``; ``numbers`` gives new signals their numbers;
``docs FILE`` writes the page. All three change nothing when run again.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from motorcade.errors import Invalid
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.document import page
from motorcade.signals.numbers import extended, parse, render
from motorcade.signals.tree import packaged, read_leaves

__all__ = ["packed", "grown_register", "main"]

_DATA = Path(__file__).parent / "data"


def packed(exported: bytes) -> bytes:
    """``vss.json.gz`` for a ``vspec export json``: the same document without blanks."""
    compact = msgspec.json.encode(msgspec.json.decode(exported))
    return gzip.compress(compact, compresslevel=9, mtime=0)


def grown_register() -> str:
    """``numbers.csv`` as it has to be for the packaged tree and overlay."""
    return render(extended(parse(packaged("numbers.csv").decode()), read_leaves()))


def main(arguments: Sequence[str]) -> None:
    """Run one of the commands; ``Invalid`` where it is none of them."""
    match list(arguments):
        case ["vss", file]:
            (_DATA / "vss.json.gz").write_bytes(packed(Path(file).read_bytes()))
        case ["numbers"]:
            (_DATA / "numbers.csv").write_text(grown_register())
        case ["docs", file]:
            Path(file).write_text(page(load_catalogue()))
        case _:
            raise Invalid("say one of: vss FILE, numbers, docs FILE")


if __name__ == "__main__":
    main(sys.argv[1:])
