"""``motorcade status``: what runs on a data directory, from the files its processes keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from motorcade.node.config import Settings
    from motorcade.node.lag import Lag

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
    """Show what runs on the data directory: processes, restarts, lag of the workers, addresses.

    Lag: how many seconds the state and the history of a worker's vehicles are behind what was
    acknowledged, and how many records of the log wait.

    Exit status 0 when every process serves, 3 when one does not or nothing runs.
    """
    import asyncio
    from datetime import UTC, datetime

    from motorcade.node.lag import asked
    from motorcade.node.rooms import LogConfig
    from motorcade.node.run_files import check_present, holder, read_states

    settings = settings_of(config, data, assignments, running=True)
    found = holder(settings.data)
    if found is None:
        check_present(settings.data)
        raise NotFound(f"nothing runs on {settings.data}; start it with `motorcade up`")
    states = read_states(settings.data)
    lags = asyncio.run(asked(settings.get(LogConfig), settings.node.workers))
    if as_json:
        told = {name: lag._asdict() for name, lag in lags.items()}
        rows = [{**state, "lag": told.get(state["name"])} for state in states]
        print_facts(rows, as_json=True)
    else:
        since = iso(datetime.fromtimestamp(found.started, UTC))
        typer.echo(f"`{found.command}`, process {found.pid}, since {since} on {settings.data}")
        rows = [_row(state, lags.get(state["name"]), settings) for state in states]
        print_facts(rows, as_json=False)
    if not states or not all(state["ready"] for state in states):
        raise typer.Exit(3)


def _row(state: dict[str, Any], lag: Lag | None, settings: Settings) -> dict[str, Any]:
    from motorcade.node.ports import with_kind

    return {
        "process": state["name"],
        "pid": state["pid"],
        "state": "serves" if state["ready"] else "does not serve",
        "restarts": state["restarts"],
        "lag": None if lag is None else str(lag),
        "addresses": [
            told
            for name, each in state["addresses"].items()
            for told in (each if name == "http" else with_kind(settings, name, each))
        ],
    }
