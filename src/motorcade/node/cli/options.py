"""Options that many commands share, and how they become the settings in force."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import os
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from motorcade.errors import Invalid
from motorcade.node.cli.tables import print_table
from motorcade.node.config import Settings, load
from motorcade.node.run_files import settings_in_force

if TYPE_CHECKING:
    from motorcade.fleet.registry import Fleet

__all__ = [
    "Asked",
    "ConfigOption",
    "DataOption",
    "JsonOption",
    "SetOption",
    "TenantOption",
    "common_options",
    "iso",
    "print_facts",
    "registry_command",
    "settings_of",
    "with_fleet",
]

_T = TypeVar("_T")

Place = tuple[Path | None, Path | None, list[str] | None]
"""A settings file, a data directory and single settings: which platform is meant."""

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="MOTORCADE_CONFIG", help="A TOML file with settings."),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", "-d", help="The data directory (default: ./data).")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="One setting as table.key=value (api.listen=127.0.0.1:8080); repeatable. All keys:"
        " `motorcade check-config`.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
TenantOption = Annotated[str, typer.Option("--tenant", "-t", help="The tenant's name.")]

_BEFORE: ContextVar[Place] = ContextVar(
    "options before the command's name", default=(None, None, None)
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"motorcade {version('motorcade')}")
        raise typer.Exit


def common_options(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Say which it is.")
    ] = False,
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


def print_facts(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Rows as a table for people, or one JSON object a line for programs."""
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False, default=str))
        return
    print_table(rows)


def iso(moment: datetime | None) -> str | None:
    """``2026-11-22T13:30:17Z`` of a time that knows its zone."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment is not None else None


@dataclass(frozen=True, slots=True)
class Asked:
    """What every command about the registry is asked: of which platform, and told to whom."""

    place: Place
    as_json: bool

    def fleet(self, work: Callable[[Fleet], Awaitable[_T]]) -> _T:
        """See ``with_fleet``."""
        return with_fleet(self.place, work)

    def tenant(self, name: str, work: Callable[[Fleet, int], Awaitable[_T]]) -> _T:
        """The same with the number of the tenant of this name; ``NotFound`` where there is none."""

        async def named(fleet: Fleet) -> _T:
            return await work(fleet, (await fleet.tenant_named(name)).number)

        return self.fleet(named)

    def show(self, *rows: dict[str, Any]) -> None:
        """See ``print_facts``."""
        print_facts(list(rows), as_json=self.as_json)


def registry_command(
    app: typer.Typer, name: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command about the registry: its first parameter is an ``Asked``, filled
    from the options they all share, which follow its own."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        def command(
            config: ConfigOption = None,
            data: DataOption = None,
            assignments: SetOption = None,
            as_json: JsonOption = False,
            **given: Any,
        ) -> None:
            function(Asked((config, data, assignments), as_json), **given)

        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        *shared, _ = inspect.signature(command, eval_str=True).parameters.values()
        every = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *shared)]
        functools.update_wrapper(command, function)
        # Typer reads both.
        command.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in every}
        app.command(name)(command)
        return function

    return register


def with_fleet(place: Place, work: Callable[[Fleet], Awaitable[_T]]) -> _T:
    """Run ``work`` on the registry of the settings in force; ``NotFound`` where there is none."""
    from motorcade.node.registry_access import open_fleet

    settings = settings_of(*place, running=True)

    async def run() -> _T:
        async with open_fleet(settings) as fleet:
            return await work(fleet)

    return asyncio.run(run())
