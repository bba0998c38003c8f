"""``motorcade up``: start the platform, say where everything is, stop it on Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import typer

from motorcade.node.config import Settings
from motorcade.node.platform import Platform, serve_until_signalled
from motorcade.node.ports import with_kind
from motorcade.node.rooms import GatewayConfig

__all__ = ["run_up", "say", "where"]


async def run_up(settings: Settings) -> None:
    """Run until Ctrl-C; raises what ``Platform.start`` raises."""
    stopping = asyncio.Event()
    waiting = asyncio.create_task(serve_until_signalled(stopping))
    platform = Platform(settings, say)
    started = time.monotonic()
    starting = asyncio.create_task(platform.start())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()  # once: it stops what it has started, and takes its time
        await asyncio.gather(starting, return_exceptions=True)
        return
    starting.result()
    try:
        say(f"ready in {time.monotonic() - started:.1f} s")
        for line in where(platform):
            typer.echo(line)
        typer.echo("Ctrl-C stops it")
        await waiting
    finally:
        say("stopping")
        await platform.stop()
        say("stopped")


def where(platform: Platform) -> list[str]:
    """Where everything is, a line each."""
    web = platform.address("api").get("http", "")
    lines = [
        f"  data       {platform.data}",
        f"  logs       {platform.data / 'logs'}",
        f"  API        {web}   (documentation at {web}/docs)",
    ]
    for name, addresses in platform.address("gateway").get("listeners", {}).items():
        lines.append(f"  {name:10} {', '.join(with_kind(platform.settings, name, addresses))}")
    for name, bridge in platform.settings.get(GatewayConfig).bridges.items():
        lines.append(f"  {name:10} {bridge.url} (bridge)")
    return lines


def say(text: str, echo: Callable[[str], None] = typer.echo) -> None:
    """One line for the person at the terminal; where there is no room for it, none."""
    with contextlib.suppress(OSError):
        echo(f"{time.strftime('%H:%M:%S')} {text}")
