"""Tools for integrators: decode frames, drive load, measure."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

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

_HEX = re.compile(rb"(?:0[xX])?[0-9a-fA-F\s:,-]+")
_NO_HEX = re.compile(rb"[^0-9a-fA-F\s:,-]")
_HEX_SHARE: Final = 0.9
_PARTS: Final = (("", "signals", None), ("", "quality", "yellow"), ("raw ", "raw", "bright_black"))
"""Prefix of the names, key of the message, color."""


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
    protocol: Annotated[
        str,
        typer.Option(
            help="What cars speak: gbt32960, jt808, mqtt, iridium (or satellite), compact, or"
            " mixed: the first three side by side."
        ),
    ] = "gbt32960",
    edition: Annotated[
        str, typer.Option(help="GB/T 32960 edition: 2016, 2025, or mixed.")
    ] = "2016",
    hops: Annotated[
        float, typer.Option(help="Cars a second that change from LTE to 5G or back (MQTT).")
    ] = 0.0,
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
        protocol=protocol,
        edition=edition,
        hops=hops,
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
        except OSError as error:
            raise Invalid(f"--custom: cannot read {custom}: {error.strerror}") from error
        except ValueError as error:
            raise Invalid(f"--custom {custom}: {error}") from error
    return options


def _streams(source: str) -> Iterator[bytes]:
    """The byte streams named on the command line: one per line of hex, or one of raw bytes."""
    where = "the input"
    if source == "-":
        content = sys.stdin.buffer.read()
    elif _HEX.fullmatch(source.encode()):
        content = source.encode()
    else:
        content, where = _content(Path(source)), source
    if not content.strip():
        raise Invalid("there is nothing to decode")
    lines = [line.partition(b"#")[0].strip() for line in content.splitlines()]
    filled = [(number, line) for number, line in enumerate(lines, 1) if line]
    if not _is_hex(content, [line for _, line in filled]):
        yield content
        return
    if not filled:
        raise Invalid("there is nothing to decode")
    several = len(lines) > 1
    # All before the first: a mistake is told before anything is printed.
    yield from [
        _from_hex(line, f"{where}: line {number}" if several else where) for number, line in filled
    ]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise Invalid(f"{str(file)!r} is neither hex nor a file") from None
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}") from error


def _is_hex(content: bytes, lines: Sequence[bytes]) -> bool:
    """Whether it was meant as lines of hex, be it with a slip: printable, and one line is hex or
    nearly all of it. Else it is what a peer sent."""
    if any(byte < 0x20 and byte not in b"\t\r\n" for byte in content):
        return False
    try:
        content.decode()  # a comment may be in any language
    except UnicodeDecodeError:
        return False
    digits = sum(len(_NO_HEX.sub(b"", line)) for line in lines)
    return digits >= _HEX_SHARE * sum(map(len, lines)) or any(map(_HEX.fullmatch, lines))


def _from_hex(text: bytes, what: str) -> bytes:
    digits = re.sub(rb"0[xX]|[\s:,-]", b"", text)
    wrong = re.search(rb"[^0-9a-fA-F]", digits)
    if wrong is not None:
        raise Invalid(f"{what} is not hex: {wrong[0].decode(errors='replace')!r} is no hex digit")
    if len(digits) % 2:
        raise Invalid(f"{what} is not hex: it has an odd number of digits, {len(digits)}")
    return bytes.fromhex(digits.decode())


def _print_message(message: dict[str, Any]) -> None:
    """For people; no line is broken or cut, so that what is copied is whole."""
    head = " ".join(str(message[k]) for k in ("protocol", "message", "vin") if message[k])
    typer.echo(typer.style(head, bold=True) + f"  {message['event_time'] or ''}".rstrip())
    rows: list[tuple[str, str, str | None]] = []
    for prefix, part, color in _PARTS:
        rows += [(prefix + name, _readable(value), color) for name, value in message[part].items()]
    width = max((len(row[0]) for row in rows), default=0)
    for name, value, color in rows:
        typer.echo(typer.style(f"  {name:{width}}  {value}", fg=color))
    if message["reply"]:
        typer.echo(typer.style("  reply", fg="green") + f" {message['reply']}")
    if message["reject"]:
        reject = message["reject"]
        typer.echo(typer.style(f"  reject {reject['code']}", fg="red") + f" {reject['reason']}")


def _readable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
