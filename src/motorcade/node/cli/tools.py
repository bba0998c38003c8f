"""Tools for integrators: decode frames, drive load, measure."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from motorcade.errors import Invalid
from motorcade.node.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    SetOption,
    settings_of,
)

__all__ = ["register"]

_HEX = re.compile(rb"(?:0x)?[0-9a-fA-F\s:,-]+")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(decode)
    app.command()(load)
    app.command()(bench)


def decode(
    protocol: Annotated[str, typer.Argument(help="The protocol's name, as gbt32960.")],
    source: Annotated[str, typer.Argument(help="Hex, `-` for standard input, or a file.")],
    as_json: JsonOption = False,
    key: Annotated[
        str | None, typer.Option("--key", help="Key for encrypted payloads, as hex.")
    ] = None,
    custom: Annotated[
        Path | None,
        typer.Option("--custom", help="JSON file: a tenant's table of custom items."),
    ] = None,
) -> None:
    """Print frame, signals, reply and reject of any frames.

    Reads hex (spaces are fine), a file of hex lines, or raw bytes. Exit status 0 when every frame
    was read, 3 when something was rejected.
    """
    from motorcade.protocols import find
    from motorcade.protocols.inspect import describe_stream

    module = find(protocol)
    options = _decode_options(key, custom)
    rejected = False
    for stream in _streams(source):
        for message in describe_stream(module, stream, **options):
            rejected |= message["reject"] is not None
            if as_json:
                typer.echo(json.dumps(message, ensure_ascii=False))
            else:
                _print_message(message)
    if rejected:
        raise typer.Exit(3)


def load(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    vehicles: Annotated[int, typer.Option(help="Cars to simulate.")] = 2000,
    rate: Annotated[
        float, typer.Option(help="Frames a second over all cars; 0 drives as fast as answered.")
    ] = 1000.0,
    connections: Annotated[
        int, typer.Option(help="TCP connections; 0 is one a car (fewer use platform links).")
    ] = 0,
    seconds: Annotated[float, typer.Option(help="How long to drive.")] = 30.0,
    frames_per_send: Annotated[
        int, typer.Option(help="Frames in one send: 10 is a re-issue after a tunnel.")
    ] = 1,
    tenants: Annotated[int, typer.Option(help="Automakers the cars belong to.")] = 92,
    processes: Annotated[int, typer.Option(help="Load processes.")] = 1,
    target: Annotated[
        str | None,
        typer.Option(help="HOST:PORT; default: the gateway on the data directory. Loopback only."),
    ] = None,
    edition: Annotated[str, typer.Option(help="GB/T 32960 edition: 2016 or 2025.")] = "2016",
    as_json: JsonOption = False,
) -> None:
    """Drive simulated cars over real sockets; report acknowledged rate, latency and losses."""
    import asyncio

    from motorcade.node.load import LoadPlan, run_load

    settings = settings_of(config, data, assignments, running=True)
    plan = LoadPlan(
        vehicles=vehicles,
        rate=rate,
        connections=connections or vehicles,
        seconds=seconds,
        frames_per_send=frames_per_send,
        tenants=tenants,
        processes=processes,
        target=target,
        edition=edition,
    )
    report = asyncio.run(run_load(settings, plan, progress=not as_json))
    if as_json:
        typer.echo(json.dumps(report))
        return
    for name, value in report.items():
        typer.echo(f"{name.replace('_', ' '):28} {value}")


def bench(
    name: Annotated[str, typer.Argument(help="A bench's name, `all`, or `list`.")] = "list",
    as_json: JsonOption = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes: does it run, not how fast.")
    ] = False,
) -> None:
    """Measure a hot path; `make bench` runs all and prints a table."""
    from motorcade.node.benches import run_benches

    run_benches(name, as_json=as_json, quick=quick)


def _decode_options(key: str | None, custom: Path | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if key is not None:
        options["key"] = _from_hex(key.encode(), "--key")
    if custom is not None:
        try:
            options["custom"] = json.loads(custom.read_text())
        except (OSError, ValueError) as error:
            raise Invalid(f"--custom {custom}: {error}") from error
    return options


def _streams(source: str) -> Iterator[bytes]:
    """The byte streams named on the command line: one per line of hex, or one of raw bytes."""
    if source == "-":
        content = sys.stdin.buffer.read()
    elif _HEX.fullmatch(source.encode()):
        content = source.encode()
    elif Path(source).is_file():
        content = Path(source).read_bytes()
    else:
        raise Invalid(f"{source!r} is neither hex nor a file")
    if not content.strip():
        raise Invalid("there is nothing to decode")
    if not _HEX.fullmatch(content):
        yield content
        return
    for line in content.splitlines():
        if line.strip():
            yield _from_hex(line, "the input")


def _from_hex(text: bytes, what: str) -> bytes:
    digits = re.sub(rb"0x|[\s:,-]", b"", text)
    try:
        return bytes.fromhex(digits.decode())
    except ValueError as error:
        raise Invalid(f"{what} is not hex: {error}") from error


def _print_message(message: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    head = " ".join(str(message[k]) for k in ("protocol", "message", "vin") if message[k])
    console.print(f"[bold]{head}[/bold]  {message['event_time'] or ''}")
    table = Table(show_header=False, box=None, padding=(0, 1))
    for path, value in message["signals"].items():
        table.add_row(f"  {path}", str(value))
    for path, quality in message["quality"].items():
        table.add_row(f"  {path}", f"[yellow]{quality}[/yellow]")
    for name, value in message["raw"].items():
        table.add_row(f"  [dim]raw {name}[/dim]", str(value))
    if table.row_count:
        console.print(table)
    if message["reply"]:
        console.print(f"  [green]reply[/green] {message['reply']}")
    if message["reject"]:
        reject = message["reject"]
        console.print(f"  [red]reject {reject['code']}[/red] {reject['reason']}")
