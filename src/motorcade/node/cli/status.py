"""``motorcade status``: what runs on a data directory, from the files its processes keep."""

from __future__ import annotations

from typing import Any

import typer

from motorcade.errors import NotFound
from motorcade.node.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    SetOption,
    iso,
    print_facts,
    settings_of,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(status)


def status(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what runs on the data directory: processes, restarts, addresses.

    Exit status 0 when every process serves, 3 when one does not or nothing runs.
    """
    from datetime import UTC, datetime

    from motorcade.node.run_files import check_present, holder, read_states

    settings = settings_of(config, data, assignments, running=True)
    found = holder(settings.data)
    if found is None:
        check_present(settings.data)
        raise NotFound(f"nothing runs on {settings.data}; start it with `motorcade up`")
    states = read_states(settings.data)
    if as_json:
        print_facts(states, as_json=True)
    else:
        since = iso(datetime.fromtimestamp(found.started, UTC))
        typer.echo(f"`{found.command}`, process {found.pid}, since {since} on {settings.data}")
        print_facts([_row(state) for state in states], as_json=False)
    if not states or not all(state["ready"] for state in states):
        raise typer.Exit(3)


def _row(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "process": state["name"],
        "pid": state["pid"],
        "state": "serves" if state["ready"] else "does not serve",
        "restarts": state["restarts"],
        "addresses": [address for each in state["addresses"].values() for address in each],
    }
