"""Commands that show what is so: signals, settings, the quarantine."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Final

import typer

from motorcade.node.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    SetOption,
    print_facts,
    settings_of,
)
from motorcade.node.cli.tables import counted

__all__ = ["register"]

_HEX_SHOWN: Final = 32


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(signals)
    app.command("check-config")(check_config)
    app.command()(quarantine)


def signals(
    search: Annotated[str, typer.Option(help="Words to look for, all of which must occur.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the signals: path, type, unit, and the protocols that report them."""
    import msgspec

    from motorcade.protocols import find, names
    from motorcade.signals.catalogue import load_catalogue
    from motorcade.signals.listing import listed

    spoken = {name: frozenset(find(name).SIGNALS) for name in names()}
    found = listed(load_catalogue(), spoken, search)
    if as_json:
        print_facts([msgspec.to_builtins(row) for row in found], as_json=True)
        return
    rows = [
        {
            "path": row.path,
            "type": row.type,
            "unit": row.unit,
            "protocols": row.protocols,
            "description": row.description,
        }
        for row in found
    ]
    print_facts(rows, as_json=False)
    typer.echo(counted(len(rows), "signal"))


def check_config(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the configuration and print every key with the value in force."""
    settings = settings_of(config, data, assignments)
    if as_json:
        typer.echo(json.dumps(settings.plain()))
        return
    for room, table in settings.plain().items():
        _print_table(room, table)


def quarantine(
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="Only this tenant's; all without.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    whole: Annotated[bool, typer.Option("--hex", help="Every frame's bytes to the last.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show frames that could not be read, newest first, with reason and hex."""
    settings = settings_of(config, data, assignments, running=True)
    rows = asyncio.run(_quarantined(settings, tenant, limit))
    print_facts(rows if as_json or whole else [_cut(row) for row in rows], as_json=as_json)


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    """For a table: the beginning of the bytes, and how many there are."""
    digits = str(row["hex"])
    if len(digits) <= _HEX_SHOWN:
        return row
    return {**row, "hex": f"{digits[:_HEX_SHOWN]}… ({len(digits) // 2} bytes, --hex)"}


async def _quarantined(settings: Any, tenant: str | None, limit: int) -> list[dict[str, Any]]:
    from motorcade.errors import NotFound
    from motorcade.log.log import Log
    from motorcade.node.registry_access import open_fleet
    from motorcade.node.rooms import FleetConfig, LogConfig
    from motorcade.node.run_files import check_present
    from motorcade.signals.text import iso_time

    config = settings.get(LogConfig)
    if not settings.get(FleetConfig).url:
        check_present(settings.data)
    if not config.url and not config.url_file:
        raise NotFound(f"nothing runs on {settings.data}; start it with `motorcade up`")
    async with open_fleet(settings) as fleet:
        names = {found.number: found.name for found in await fleet.tenants()}
        number = (await fleet.tenant_named(tenant)).number if tenant else None
    log = await Log.connect(config)
    try:
        page = await log.quarantined(number, limit)
    finally:
        await log.close()
    return [
        {
            "time": iso_time(entry.time_us),
            "tenant": names.get(entry.tenant),
            "protocol": entry.protocol,
            "peer": entry.peer,
            "vin": entry.vin,
            "code": entry.code,
            "reason": entry.reason,
            "hex": entry.data.hex(),
        }
        for entry in sorted(page.entries, key=lambda entry: entry.time_us, reverse=True)
    ]


def _print_table(name: str, table: dict[str, Any]) -> None:
    typer.echo(f"[{name}]")
    nested = {}
    for key, value in table.items():
        if isinstance(value, dict):
            nested[key] = value
        else:
            typer.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    typer.echo("")
    for key, value in nested.items():
        _print_table(f"{name}.{key}", value)
