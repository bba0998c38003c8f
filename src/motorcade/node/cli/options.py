"""Options that many commands share, and how they become the settings in force."""

from __future__ import annotations

import json
import os
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

from motorcade.errors import Invalid
from motorcade.node.config import Settings, load
from motorcade.node.run_files import settings_in_force

__all__ = [
    "ConfigOption",
    "DataOption",
    "JsonOption",
    "SetOption",
    "common_options",
    "print_facts",
    "settings_of",
]

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="MOTORCADE_CONFIG", help="A TOML file with settings."),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", "-d", help="The data directory (default: ./data).")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting as table.key=value; may be given many times."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

_BEFORE: ContextVar[tuple[Path | None, Path | None, list[str] | None]] = ContextVar(
    "options before the command's name", default=(None, None, None)
)


def common_options(
    config: ConfigOption = None, data: DataOption = None, assignments: SetOption = None
) -> None:
    """Options that may stand before the command's name too; ``settings_of`` reads them."""
    _BEFORE.set((config, data, assignments))


def settings_of(
    config: Path | None, data: Path | None, assignments: list[str] | None, *, running: bool = False
) -> Settings:
    """The settings in force.

    Options given before the command's name count as well. With ``running``, a platform that runs on
    the data directory lends its own (where its engines listen, how to log in); else they are read
    from file, environment and options.
    """
    before = _BEFORE.get()
    config = config or before[0]
    data = data or before[1]
    assignments = [*(before[2] or []), *(assignments or [])]
    given = [f"node.data={json.dumps(str(data))}"] if data is not None else []
    settings = load(config, os.environ, [*assignments, *given])
    lent = settings_in_force(settings.data) if running else None
    if lent is not None:
        try:
            return load(lent, {})
        except Invalid as error:
            raise Invalid(f"{error.detail}; restart `motorcade up`") from error
    return settings


def print_facts(rows: list[dict[str, Any]], *, as_json: bool, title: str = "") -> None:
    """Rows as a table for people, or one JSON object a line for programs."""
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo("none")
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    names = list(rows[0])
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_text(row.get(name)) for name in names))
    Console().print(table)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
