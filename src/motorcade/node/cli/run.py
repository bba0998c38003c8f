"""Commands that run the platform: all of it, one role of it, or a demonstration of it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from motorcade.node.cli.options import ConfigOption, DataOption, SetOption, settings_of

__all__ = ["register"]

IndexOption = Annotated[int, typer.Option(help="Which of several processes of this role it is.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(up)
    app.command()(gateway)
    app.command()(worker)
    app.command()(api)
    app.command()(demo)


def up(config: ConfigOption = None, data: DataOption = None, assignments: SetOption = None) -> None:
    """Run the whole platform here: embedded engines, gateway, worker, API.

    Restarts what dies, prints where everything is, stops cleanly on Ctrl-C.

    Another port: `motorcade up --set api.listen=127.0.0.1:8080`. All keys: `motorcade check-config`
    and docs/settings.md.
    """
    from motorcade.node.up import run_up

    asyncio.run(run_up(settings_of(config, data, assignments)))


def gateway(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    index: IndexOption = 0,
) -> None:
    """Run one gateway process: where vehicles connect. Needs `log.url` and `fleet.url`."""
    from motorcade.node.roles import run_gateway, run_role

    run_role(run_gateway, settings_of(config, data, assignments, running=True), index)


def worker(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    index: IndexOption = 0,
) -> None:
    """Run one worker process: keeps twin and history of its partitions. Needs `log.url`."""
    from motorcade.node.roles import run_role, run_worker

    run_role(run_worker, settings_of(config, data, assignments, running=True), index)


def api(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    index: IndexOption = 0,
) -> None:
    """Run one API process: HTTP for people and programs. Needs `log.url` and `fleet.url`."""
    from motorcade.node.roles import run_api, run_role

    run_role(run_api, settings_of(config, data, assignments, running=True), index)


def demo(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    vehicles: Annotated[int, typer.Option(help="Cars to simulate.")] = 2000,
    tenants: Annotated[int, typer.Option(help="Automakers they belong to.")] = 92,
    rate: Annotated[float, typer.Option(help="Frames a second over all cars.")] = 500.0,
    seconds: Annotated[
        float, typer.Option(help="Stop by itself after so long; 0 runs until Ctrl-C.")
    ] = 0.0,
) -> None:
    """Run the platform with simulated cars on the road, and print six things to try.

    Another port: `motorcade demo --set api.listen=127.0.0.1:8080`. All keys: `motorcade
    check-config` and docs/settings.md.
    """
    from motorcade.node.demo import run_demo

    settings = settings_of(config, data, assignments)
    asyncio.run(run_demo(settings, vehicles=vehicles, tenants=tenants, rate=rate, seconds=seconds))
