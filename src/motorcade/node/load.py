"""``motorcade load``: what simulated cars need in the registry, then the drive at a gateway."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from motorcade.addresses import split_address
from motorcade.errors import Conflict, Invalid, NotFound
from motorcade.node.config import Settings
from motorcade.node.registry_access import open_fleet
from motorcade.node.run_files import RoleFile
from motorcade.simulator.automakers import Automaker, automakers
from motorcade.simulator.equipment import Equipment, equipment_of
from motorcade.simulator.load import Load, LoadPlan, LoadReport, Progress, check_listens
from motorcade.simulator.voices import protocols_of

if TYPE_CHECKING:
    from motorcade.fleet.registry import Fleet
    from motorcade.fleet.tenants import Tenant

__all__ = [
    "LoadPlan",
    "equip",
    "equipped",
    "gateway_address",
    "gateway_addresses",
    "provision",
    "run_load",
    "show_progress",
]

_LOOK_EVERY_S: Final = 0.25
_DOORS: Final = {"compact": "udp_listen"}
_ANYWHERE: Final = frozenset({"0.0.0.0", "::", "*", ""})


async def run_load(settings: Settings, plan: LoadPlan, *, progress: bool = False) -> dict[str, Any]:
    """Drive ``plan`` and return the report as JSON-able facts; Ctrl-C ends it with one too.

    Raises ``Invalid`` for a plan out of bounds or an address that is not this machine's,
    ``NotFound`` where no gateway runs, ``DependencyError`` where nothing could log in.
    """
    plan = plan.checked()
    addresses = gateway_addresses(settings, plan.protocol, plan.target)
    for name, address in addresses.items():
        if name != "compact":
            check_listens(address)
    async with open_fleet(settings) as fleet, contextlib.AsyncExitStack() as stack:
        tenants = await provision(fleet, automakers(plan.tenants))
        load = Load(plan, addresses, accounts=[("", "")] * plan.tenants)
        numbers = [tenant.number for tenant in tenants]
        if plan.needs_accounts:
            load.accounts = await stack.enter_async_context(_accounts(fleet, numbers))
        load.secrets = await stack.enter_async_context(equipped(fleet, load, numbers))
        report = await _driven(load, progress)
    return {str(name): value for name, value in msgspec.to_builtins(report).items()}


async def provision(fleet: Fleet, makers: Sequence[Automaker]) -> list[Tenant]:
    """The automakers' tenants, made where they are missing; each claims its VIN prefix."""
    from motorcade.fleet.settings import TenantSettings

    known = {tenant.name: tenant for tenant in await fleet.tenants()}
    tenants = []
    for maker in makers:
        tenant = known.get(maker.name)
        if tenant is None:
            settings = TenantSettings(auto_register_wmi=(maker.wmi,), vin_check_digit=True)
            tenant = await fleet.create_tenant(maker.name, settings)
        elif maker.wmi not in tenant.settings.auto_register_wmi:
            prefixes = (*tenant.settings.auto_register_wmi, maker.wmi)
            settings = msgspec.structs.replace(tenant.settings, auto_register_wmi=prefixes)
            tenant = await fleet.update_settings(tenant.number, settings)
        tenants.append(tenant)
    return tenants


def gateway_addresses(
    settings: Settings, protocol: str, target: str | None = None
) -> dict[str, tuple[str, int]]:
    """Where the cars of a load connect, by protocol; all at ``target``, where that is given."""
    names = protocols_of(protocol)
    if target is not None and len(names) > 1:
        raise Invalid("a mixed load finds its gateway by the data directory; leave --target out")
    return {name: gateway_address(settings, target, name) for name in names}


def gateway_address(
    settings: Settings, target: str | None = None, protocol: str = "gbt32960"
) -> tuple[str, int]:
    """Where cars connect: ``target`` (``HOST:PORT``), or the gateway on the data directory."""
    if target is None:
        facts = RoleFile(settings.data, "gateway", 0).read()
        if not facts:
            raise NotFound(
                f"no gateway runs on {settings.data}; start `motorcade up`, or name a --target"
            )
        listeners = facts.get("listeners", {}).get(protocol, [])
        if not listeners:
            raise NotFound(
                f"the gateway on {settings.data} does not listen for {protocol}; start"
                f" `motorcade up --set gateway.{protocol}.{_DOORS.get(protocol, 'listen')}=…`"
            )
        target = str(listeners[0])
    host, port = split_address(target)
    if port == 0:
        raise Invalid(f"a target is HOST:PORT, not {target!r}")
    return ("127.0.0.1" if host in _ANYWHERE else host), port


@contextlib.asynccontextmanager
async def equipped(
    fleet: Fleet, load: Load, tenants: Sequence[int]
) -> AsyncIterator[dict[str, str]]:
    """``equip``, with secrets that are valid as long as this lasts."""
    run = f"load-{secrets.token_hex(3)}"
    try:
        yield await equip(fleet, load, tenants, run)
    finally:
        for number in tenants if load.plan.protocol != "gbt32960" else ():
            await fleet.remove_tokens(number, run)


async def equip(fleet: Fleet, load: Load, tenants: Sequence[int], run: str) -> dict[str, str]:
    """The load's cars registered by the names their protocols need; secrets by VIN, kept under
    the name ``run``. ``tenants``: numbers, in the order of the automakers."""
    told: dict[str, str] = {}
    for place in range(len(tenants)) if load.plan.protocol != "gbt32960" else ():
        equipment = equipment_of(load.fleet, load.plan.protocol, place)
        told |= await _equip(fleet, tenants[place], equipment, run)
    return told


async def _equip(fleet: Fleet, tenant: int, equipment: Equipment, run: str) -> dict[str, str]:
    from motorcade.fleet.rows import NewVehicle

    known = await fleet.numbers_of(tenant, equipment.vins)
    new = [NewVehicle(vin=vin) for vin in equipment.vins if vin not in known]
    if new:
        report = await fleet.add_vehicles(tenant, new)
        if report.error_count:
            raise Conflict(f"{report.errors[0].vin}: {report.errors[0].reason}")
    if equipment.names:
        await fleet.add_identities(tenant, equipment.names)
    told = dict(await fleet.create_tokens(tenant, equipment.with_token, run))
    if equipment.keys:
        await fleet.set_keys(tenant, list(equipment.keys.items()), "load")
    return told | {vin: key.hex() for vin, key in equipment.keys.items()}


@contextlib.asynccontextmanager
async def _accounts(fleet: Fleet, tenants: Sequence[int]) -> AsyncIterator[list[tuple[str, str]]]:
    """An account a tenant for as long as the load lasts; other runs have their own."""
    run = secrets.token_hex(3)
    accounts = [(f"{run}-{number:x}", secrets.token_urlsafe(12)) for number in range(len(tenants))]
    made = []
    try:
        for tenant, (user, password) in zip(tenants, accounts, strict=True):
            await fleet.create_platform_account(tenant, user, password)
            made.append((tenant, user))
        yield accounts
    finally:
        for number, user in made:
            with contextlib.suppress(NotFound, Conflict):
                await fleet.remove_platform_account(number, user)


async def _driven(load: Load, progress: bool) -> LoadReport:
    """Run it in the background of the event loop; a signal ends it early."""
    loop = asyncio.get_running_loop()
    with _stopped_by_signals(loop, load.stop), show_progress(progress) as show:
        load.start()
        waiting = asyncio.create_task(asyncio.to_thread(load.wait))
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=_LOOK_EVERY_S)
            show(load.progress(), "")
    return await waiting


@contextlib.contextmanager
def _stopped_by_signals(
    loop: asyncio.AbstractEventLoop, stop: Callable[[], None]
) -> Iterator[None]:
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def show_progress(wanted: bool) -> Iterator[Callable[[Progress, str], None]]:
    """A line for people, on standard error so that a report can be piped; a remark ends it."""
    from rich.console import Console

    console = Console(stderr=True)
    if not wanted:
        yield lambda now, remark: None
        return
    with console.status("starting") as status:
        last = [time.monotonic(), 0.0, 0.0]

        def show(now: Progress, remark: str) -> None:
            at, before, rate = last
            passed = time.monotonic() - at
            if passed >= 1:
                rate = (now.acknowledged - before) / passed
                last[:] = [at + passed, now.acknowledged, rate]
            status.update(
                f"{now.logged_in:,} of {now.connections:,} connections · "
                f"{now.acknowledged:,} acknowledged · {rate:,.0f}/s"
                + (f" · {now.refused:,} refused" if now.refused else "")
                + (f" · {now.closed:,} closed" if now.closed else "")
                + (f" · {remark}" if remark else "")
            )

        yield show
