"""Commands about tenants, keys and vehicles: the registry from the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

from motorcade.errors import Invalid
from motorcade.node.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    SetOption,
    print_facts,
    settings_of,
)

if TYPE_CHECKING:
    from motorcade.fleet.importing import ImportReport, Progress
    from motorcade.fleet.registry import Fleet

__all__ = ["register"]

_T = TypeVar("_T")

TenantOption = Annotated[str, typer.Option("--tenant", "-t", help="The tenant's name.")]

tenant_app = typer.Typer(no_args_is_help=True, help="Tenants: automakers, fleets, cities.")
account_app = typer.Typer(
    no_args_is_help=True, help="Accounts of platforms that forward many cars on one link."
)
key_app = typer.Typer(no_args_is_help=True, help="API keys.")
vehicle_app = typer.Typer(no_args_is_help=True, help="Vehicles.")


def register(app: typer.Typer) -> None:
    """Add this module's groups."""
    app.add_typer(tenant_app, name="tenant")
    tenant_app.add_typer(account_app, name="account")
    app.add_typer(key_app, name="key")
    app.add_typer(vehicle_app, name="vehicle")


@tenant_app.command("add")
def tenant_add(
    name: Annotated[str, typer.Argument(help="Small letters, digits and hyphens.")],
    wmi: Annotated[
        list[str] | None,
        typer.Option(help="Register VINs with this prefix at their first login; repeatable."),
    ] = None,
    vin_check_digit: Annotated[
        bool, typer.Option("--vin-check-digit", help="Refuse VINs whose check digit is wrong.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a tenant."""
    from motorcade.fleet.settings import TenantSettings

    settings = TenantSettings(auto_register_wmi=tuple(wmi or ()), vin_check_digit=vin_check_digit)
    made = _with_fleet(
        (config, data, assignments), lambda fleet: fleet.create_tenant(name, settings)
    )
    print_facts([_tenant_facts(made)], as_json=as_json)


@tenant_app.command("list")
def tenant_list(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tenants."""
    tenants = _with_fleet((config, data, assignments), lambda fleet: fleet.tenants())
    print_facts([_tenant_facts(tenant) for tenant in tenants], as_json=as_json)


@tenant_app.command("settings")
def tenant_settings(
    name: Annotated[str, typer.Argument(help="The tenant's name.")],
    file: Annotated[
        Path | None, typer.Argument(help="JSON file with the new settings; shows them without.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a tenant's settings, or replace them by a file's (JSON)."""
    from motorcade.fleet.settings import settings_from_json

    async def work(fleet: Fleet) -> Any:
        tenant = await fleet.tenant_named(name)
        if file is None:
            return tenant
        try:
            content = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise Invalid(f"{file}: {error}") from error
        return await fleet.update_settings(tenant.number, settings_from_json(content))

    tenant = _with_fleet((config, data, assignments), work)
    shown = msgspec.json.encode(tenant.settings.redacted())
    typer.echo((shown if as_json else msgspec.json.format(shown, indent=2)).decode())


@account_app.command("add")
def account_add(
    user: Annotated[str, typer.Argument(help="User name, up to 12 characters.")],
    tenant: TenantOption,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="Up to 20 characters.")
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an account for a GB/T 32960 platform login (command 05)."""

    async def work(fleet: Fleet) -> Any:
        number = (await fleet.tenant_named(tenant)).number
        return await fleet.create_platform_account(number, user, password)

    made = _with_fleet((config, data, assignments), work)
    print_facts([{"user": made.name, "tenant": tenant}], as_json=as_json)


@key_app.command("create")
def key_create(
    role: Annotated[str, typer.Option(help="admin, operator, reader, or platform.")],
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="The tenant; none for `platform`.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an API key. Its token is shown this once; the registry keeps only a hash."""

    async def work(fleet: Fleet) -> Any:
        if role == "platform":
            if tenant is not None:
                raise Invalid("a platform key belongs to no tenant; leave --tenant out")
            return await fleet.create_platform_key(name)
        if tenant is None:
            raise Invalid(f"whose {role} key? give --tenant NAME")
        number = (await fleet.tenant_named(tenant)).number
        return await fleet.create_key(number, role, name)  # type: ignore[arg-type]

    made = _with_fleet((config, data, assignments), work)
    facts = {"id": made.key.id, "tenant": tenant, "role": role, "name": name, "key": made.token}
    if as_json:
        print_facts([facts], as_json=True)
        return
    typer.echo(made.token)
    typer.echo("Use it as: Authorization: Bearer <key>. It is not shown again.", err=True)


@key_app.command("list")
def key_list(
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="The tenant; the platform's without.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List API keys (never their secrets)."""

    async def work(fleet: Fleet) -> Any:
        if tenant is None:
            return await fleet.platform_keys()
        return await fleet.keys((await fleet.tenant_named(tenant)).number)

    keys = _with_fleet((config, data, assignments), work)
    rows = [
        {
            "id": key.id,
            "role": key.role,
            "name": key.name,
            "created": key.created.isoformat(),
            "revoked": key.revoked.isoformat() if key.revoked else None,
        }
        for key in keys
    ]
    print_facts(rows, as_json=as_json)


@key_app.command("revoke")
def key_revoke(
    key: Annotated[str, typer.Argument(help="The key's id, as `key list` shows it.")],
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="The tenant; the platform's without.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """End an API key."""

    async def work(fleet: Fleet) -> Any:
        if tenant is None:
            return await fleet.revoke_platform_key(key)
        return await fleet.revoke_key((await fleet.tenant_named(tenant)).number, key)

    ended = _with_fleet((config, data, assignments), work)
    print_facts([{"id": ended.id, "revoked": ended.revoked.isoformat()}], as_json=as_json)


@vehicle_app.command("import")
def vehicle_import(
    file: Annotated[Path, typer.Argument(help="CSV with a header line: vin[,model,plate,…].")],
    tenant: TenantOption,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register the vehicles of a CSV: all of them, or none and every problem by its line."""
    if not file.is_file():
        raise Invalid(f"there is no file {file}")

    async def work(fleet: Fleet) -> ImportReport:
        number = (await fleet.tenant_named(tenant)).number
        with _ProgressBar(show=not as_json) as progress:
            return await fleet.import_vehicles(number, file, progress, respect_claims=False)

    report = _with_fleet((config, data, assignments), work)
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
    elif report.error_count:
        for error in report.errors:
            typer.echo(f"line {error.line}: {error.vin} {error.reason} ({error.code})", err=True)
        more = report.error_count - len(report.errors)
        typer.echo(f"… and {more} more" if more > 0 else "", err=True)
        typer.echo(f"{report.error_count} problems; nothing was imported", err=True)
    else:
        typer.echo(f"{report.added} vehicles registered for {tenant}")
    if report.error_count:
        raise typer.Exit(1)


@vehicle_app.command("list")
def vehicle_list(
    tenant: TenantOption,
    search: Annotated[str, typer.Option(help="Text in VIN, plate or model.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a tenant's vehicles."""
    from motorcade.fleet.vehicles import VehicleFilter

    async def work(fleet: Fleet) -> Any:
        number = (await fleet.tenant_named(tenant)).number
        return await fleet.vehicles(number, VehicleFilter(q=search), limit=limit)

    page = _with_fleet((config, data, assignments), work)
    names = ("vin", "model", "plate", "iccid", "labels", "created")
    rows = [{name: getattr(vehicle, name) for name in names} for vehicle in page.vehicles]
    print_facts(rows, as_json=as_json)
    if page.cursor and not as_json:
        typer.echo("there are more; narrow with --search or raise --limit", err=True)


class _ProgressBar:
    """A bar for people on a terminal; nothing where the output is for programs."""

    def __init__(self, *, show: bool) -> None:
        self._show = show and sys.stderr.isatty()

    def __enter__(self) -> Progress | None:
        if not self._show:
            return None
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description:8}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._bar.start()
        tasks: dict[str, Any] = {}

        def progress(done: int, total: int, phase: str) -> None:
            if phase not in tasks:
                tasks[phase] = self._bar.add_task(phase, total=total or None)
            self._bar.update(tasks[phase], completed=done, total=total or None)

        return progress

    def __exit__(self, *exception: object) -> None:
        if self._show:
            self._bar.stop()


def _with_fleet(
    place: tuple[Path | None, Path | None, list[str] | None],
    work: Callable[[Fleet], Awaitable[_T]],
) -> _T:
    from motorcade.node.registry_access import open_fleet

    settings = settings_of(*place, running=True)

    async def run() -> _T:
        async with open_fleet(settings) as fleet:
            return await work(fleet)

    return asyncio.run(run())


def _tenant_facts(tenant: Any) -> dict[str, Any]:
    return {
        "name": tenant.name,
        "number": tenant.number,
        "created": tenant.created.isoformat(),
        "auto_register_wmi": list(tenant.settings.auto_register_wmi),
        "vin_check_digit": tenant.settings.vin_check_digit,
    }
