"""Rows for people: a table on a terminal, plain columns where the output is piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

__all__ = ["counted", "plain", "print_table"]

_GAP: Final = "  "


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of the same keys; ``none`` where there are none."""
    if not rows:
        sys.stdout.write("none\n")
        return
    names = list(rows[0])
    cells = [[_text(row.get(name)) for name in names] for row in rows]
    heads = [name.replace("_", " ") for name in names]
    if not sys.stdout.isatty():
        sys.stdout.writelines(f"{line}\n" for line in plain([heads, *cells]))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


def plain(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their longest cell, two spaces apart; never a box, never a second line."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield _GAP.join(padded).rstrip()


def counted(number: int, noun: str) -> str:
    """``1 vehicle``, ``2 vehicles``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return " ".join(str(value).split()) if isinstance(value, str) else str(value)
