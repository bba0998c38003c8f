"""``motorcade demo``: the platform with simulated cars on the road, and six things to try."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import typer
from rich.console import Console

from motorcade.addresses import shown_address, split_address
from motorcade.clock import SystemClock
from motorcade.errors import CorruptionError, DependencyError, MotorcadeError, NotFound
from motorcade.node.config import Settings
from motorcade.node.lag import watched
from motorcade.node.load import equipped, gateway_addresses, provision, show_progress
from motorcade.node.platform import Platform, serve_until_signalled
from motorcade.node.registry_access import open_fleet
from motorcade.node.rooms import LogConfig
from motorcade.node.run_files import check_unheld
from motorcade.node.tally import Tally, tally
from motorcade.node.tries import Shown, tries
from motorcade.node.up import say
from motorcade.simulator.automakers import Automaker, automakers
from motorcade.simulator.load import Load, LoadPlan, LoadReport
from motorcade.simulator.voices import MIX

if TYPE_CHECKING:
    from motorcade.fleet.registry import Fleet

__all__ = ["run_demo"]

_KEY_NAME: Final = "demo"
_SEED: Final = 1
"""The same cars at every start, so that their histories go on."""

_PAST_S: Final = 3_600.0
_PAST_STEP_S: Final = 30.0
_PAST_WITHIN_S: Final = 3.0
"""The shown automaker's cars re-issue their last hour, a report each 30 s, within 3 s."""

_HOPS: Final = 0.5
"""MQTT cars a second that change from LTE to 5G or back."""

_CALLED: Final = {"gbt32960": "GB/T 32960", "jt808": "JT/T 808", "mqtt": "MQTT"}

_FIRST_WAIT_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.25
_BEHIND_S: Final = 5.0
"""Lag of the state from which the demo says that the machine is too slow for the rate."""


class _Keys(NamedTuple):
    """Tokens made at this start."""

    platform: str
    tenant: str


class _Outcome(NamedTuple):
    """Reports acknowledged, and sent without an answer (a process was killed)."""

    acknowledged: int
    lost: int


async def run_demo(
    settings: Settings, *, vehicles: int, tenants: int, rate: float, seconds: float
) -> None:
    """Start the platform and the cars, print what to try, go on until Ctrl-C (or ``seconds``).

    Raises what ``Platform.start`` and ``Load`` raise, and ``CorruptionError`` where in the end an
    acknowledged report is missing.
    """
    stopping = asyncio.Event()
    waiting = asyncio.create_task(serve_until_signalled(stopping))
    plan = LoadPlan(
        vehicles=vehicles,
        tenants=tenants,
        rate=rate,
        seconds=0,
        protocol="mixed",
        edition="mixed",
        seed=_SEED,
        hops=_HOPS,
    ).checked()
    settings = _with_ports(_with_data(settings))
    platform = Platform(settings, say)
    began_us = SystemClock().now_us()
    outcome: _Outcome | None = None
    showing = asyncio.create_task(_shown(platform, plan, seconds))
    try:
        await asyncio.wait({showing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not showing.done():
            showing.cancel()
        outcome = await showing
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
    finally:
        stopping.set()
        await asyncio.gather(waiting, return_exceptions=True)
        if platform.states():  # else nothing was started, or it was ended already
            say("stopping")
        await platform.stop()
    if outcome is not None:
        found = await tally(settings, began_us, outcome.acknowledged)
        _say_goodbye(outcome, found, platform.data)


async def _shown(platform: Platform, plan: LoadPlan, seconds: float) -> _Outcome:
    """Everything between start and stop; a cancelled one returns what was driven so far."""
    started = time.monotonic()
    await platform.start("motorcade demo")
    say(f"the platform is ready after {time.monotonic() - started:.1f} s; cars are logging in")
    try:
        return await _driven(platform, plan, seconds)
    finally:
        await _revoked(platform)


async def _driven(platform: Platform, plan: LoadPlan, seconds: float) -> _Outcome:
    """Tenants, keys and cars, until cancelled or ``seconds`` have passed."""
    addresses = gateway_addresses(platform.settings, plan.protocol)
    load = Load(plan, addresses)
    async with open_fleet(platform.settings) as fleet, contextlib.AsyncExitStack() as stack:
        keys, tenants = await _prepared(fleet, load.fleet.makers)
        load.secrets = await stack.enter_async_context(equipped(fleet, load, tenants))
        return await _on_the_road(platform, load, keys, seconds)


async def _on_the_road(platform: Platform, load: Load, keys: _Keys, seconds: float) -> _Outcome:
    remembered = await _remember(load)
    load.start()
    waiting = asyncio.create_task(asyncio.to_thread(load.wait))
    try:
        await _until_all_reported(load, waiting)
        for line in _lines(platform, load, keys):
            typer.echo(line)
        config, workers = platform.settings.get(LogConfig), platform.settings.node.workers
        async with watched(config, workers) as lag:
            with show_progress(True) as show:
                end = time.monotonic() + (seconds or float("inf"))
                while not waiting.done() and time.monotonic() < end:
                    await asyncio.wait({waiting}, timeout=_LOOK_EVERY_S)
                    show(load.progress(), _remark(lag.seconds))
    except asyncio.CancelledError:
        pass
    finally:
        load.stop()
    report = await waiting
    return _Outcome(report.acknowledged + remembered, report.lost)


async def _prepared(fleet: Fleet, makers: Sequence[Automaker]) -> tuple[_Keys, list[int]]:
    """Fresh keys in place of an earlier demo's, and the numbers of the tenants."""
    tenants = await provision(fleet, makers)
    shown = tenants[0].number
    await _revoke(fleet, shown)
    platform = await fleet.create_platform_key(_KEY_NAME)
    tenant = await fleet.create_key(shown, "admin", _KEY_NAME)
    return _Keys(platform.token, tenant.token), [tenant.number for tenant in tenants]


async def _revoke(fleet: Fleet, tenant: int) -> None:
    for key in await fleet.platform_keys():
        if key.name == _KEY_NAME and key.revoked is None:
            await fleet.revoke_platform_key(key.id)
    for key in await fleet.keys(tenant):
        if key.name == _KEY_NAME and key.revoked is None:
            await fleet.revoke_key(tenant, key.id)


async def _revoked(platform: Platform) -> None:
    """End this demo's keys, which stand in terminals and logs; the next start does it where the
    registry is gone already."""
    with contextlib.suppress(MotorcadeError):
        async with open_fleet(platform.settings) as fleet:
            tenant = await fleet.tenant_named(automakers(1)[0].name)
            await _revoke(fleet, tenant.number)


async def _remember(load: Load) -> int:
    """Have the first automaker's cars re-issue their last hour, so that there is one to ask for;
    returns how many reports were acknowledged."""
    cars = int((load.fleet.tenant == 0).sum())
    frames = cars * _PAST_S / _PAST_STEP_S
    past = LoadPlan(
        vehicles=cars,
        tenants=1,
        rate=frames / _PAST_WITHIN_S,
        seconds=_PAST_WITHIN_S,
        past_s=_PAST_S,
        protocol=load.plan.protocol,
        edition=load.plan.edition,
        seed=_SEED,
    )
    own = load.fleet.part(0, cars)
    before = Load(past, load.addresses, secrets=load.secrets, fleet=own)
    before.start()
    waiting = asyncio.create_task(asyncio.to_thread(before.wait))
    try:
        return (await asyncio.shield(waiting)).acknowledged
    except asyncio.CancelledError:
        before.stop()
        await waiting
        raise


async def _until_all_reported(load: Load, waiting: asyncio.Task[LoadReport]) -> None:
    """Until about every car has reported once."""
    deadline = time.monotonic() + _FIRST_WAIT_S
    wanted = load.plan.vehicles
    with Console(stderr=True).status("cars are logging in") as status:
        while not waiting.done() and time.monotonic() < deadline:
            now = load.progress()
            if now.acknowledged >= wanted:
                return
            status.update(f"{now.logged_in:,} of {wanted:,} cars are here")
            await asyncio.wait({waiting}, timeout=_LOOK_EVERY_S)
    if waiting.done():
        waiting.result()
        raise DependencyError("the cars stopped by themselves")
    if not load.progress().acknowledged:
        raise DependencyError(f"no report was acknowledged within {_FIRST_WAIT_S:.0f} s")


def _lines(platform: Platform, load: Load, keys: _Keys) -> list[str]:
    """What is printed once data flows."""
    web = str(platform.address("api").get("http", ""))
    plan, fleet = load.plan, load.fleet
    shown = Shown.of(fleet, web, keys.tenant, SystemClock().now_us(), plan.protocol)
    doors = ", ".join(
        f"{host}:{port} ({_CALLED[name]})" for name, (host, port) in load.addresses.items()
    )
    processes = {str(state["name"]): state["pid"] for state in platform.states()}
    gateway = processes.get("gateway-0")
    others = ", ".join(f"{name} {pid}" for name, pid in processes.items() if name != "gateway-0")
    return [
        "",
        f"{plan.vehicles:,} cars of {plan.tenants} automakers send {plan.rate:g} reports a second"
        f" by {', '.join(f'{_CALLED[name]} ({share} %)' for name, share in MIX.items())}.",
        f"  documentation   {web}/docs",
        f"  cars connect to {doors}",
        f"  data and logs   {platform.data}",
        f"  key of {fleet.makers[0].name}: {keys.tenant}",
        f"  key of the platform, for all tenants: {keys.platform}",
        "",
        f"Six things to try, as {fleet.makers[0].name}:",
        *tries(shown),
        "",
        "Kill any process: no acknowledged record is lost, and it comes back.",
        f"   kill -9 {gateway}",
        f"   (that is gateway-0; also {others})",
        "",
        "Ctrl-C ends the demo.",
        "",
    ]


def _remark(behind_s: float) -> str:
    if behind_s <= _BEHIND_S:
        return ""
    return f"state is {behind_s:.0f} s behind: this machine is too slow for this rate"


def _say_goodbye(outcome: _Outcome, found: Tally, data: Path) -> None:
    """Say what became of the reports; ``CorruptionError`` where one is missing."""
    said = f"{outcome.acknowledged:,} reports were acknowledged"
    if outcome.lost:
        said += f" ({outcome.lost:,} were sent and not answered)"
    history = data / "history"
    if found.stored >= outcome.acknowledged:
        say(f"{said}; all of them are stored in {history}")
        return
    said += f"; {found.stored:,} are stored in {history}"
    if found.trouble:
        say(f"{said}; the log, where the others are, could not be read: {found.trouble}")
    elif found.stored + found.in_log >= outcome.acknowledged:
        say(f"{said}, {found.in_log:,} more are in the log and are stored at the next start")
    else:
        raise CorruptionError(
            f"{said} and {found.in_log:,} more are in the log: that is a fault, some are missing"
        )


def _with_data(settings: Settings) -> Settings:
    """Settings with a directory of the demo's own where none was given: simulated cars are not to
    lie among real ones. ``Conflict`` where another process holds it."""
    if not settings.names("node", "data"):
        settings = settings.but({"node": {"data": f"{settings.node.data}/demo"}})
    check_unheld(settings.data)
    return settings


def _with_ports(settings: Settings) -> Settings:
    """Settings whose ports are fixed, so that a process that is killed comes back at its own; where
    a port is taken, a free one."""
    tables = settings.plain()
    doors = {
        name: {"listen": _free(tables["gateway"][name]["listen"], f"the gateway ({called})")}
        for name, called in _CALLED.items()
    }
    doors["jt808"]["udp_listen"] = ""  # the demo's terminals keep connections
    return settings.but(
        {"api": {"listen": _free(tables["api"]["listen"], "the API")}, "gateway": doors}
    )


def _free(listen: str, what: str) -> str:
    host, port = split_address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for wanted in (port, 0):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, wanted))
            except OSError:
                say(f"port {wanted} is taken; {what} takes another")
                continue
            return shown_address(host, probe.getsockname()[1])
    raise NotFound(f"{what} cannot listen at {host}")
