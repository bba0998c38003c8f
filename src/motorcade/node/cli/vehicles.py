"""Commands about vehicles: the registry's cars from the command line."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from motorcade.errors import Invalid
from motorcade.node.cli import vehicle_names
from motorcade.node.cli.options import Asked, TenantOption, iso, registry_command
from motorcade.node.cli.tables import counted

if TYPE_CHECKING:
    from motorcade.fleet.importing import ImportReport, Progress
    from motorcade.fleet.registry import Fleet

__all__ = ["register"]

vehicle_app = typer.Typer(no_args_is_help=True, help="Vehicles.")


def register(app: typer.Typer) -> None:
    """Add this module's group."""
    app.add_typer(vehicle_app, name="vehicle")
    vehicle_names.register(vehicle_app)


@registry_command(vehicle_app, "import")
def vehicle_import(
    asked: Asked,
    file: Annotated[Path, typer.Argument(help="CSV with a header line: vin[,model,plate,…].")],
    tenant: TenantOption,
) -> None:
    """Register the vehicles of a CSV: all of them, or none and every problem by its line."""
    if not file.is_file():
        raise Invalid(f"there is no file {file}")

    async def work(fleet: Fleet) -> ImportReport:
        number = (await fleet.tenant_named(tenant)).number
        with _ProgressBar(show=not asked.as_json) as progress:
            return await fleet.import_vehicles(number, file, progress, respect_claims=False)

    report = asked.fleet(work)
    if asked.as_json:
        typer.echo(msgspec.json.encode(report).decode())
    elif report.error_count:
        for error in report.errors:
            typer.echo(f"line {error.line}: {error.vin} {error.reason} ({error.code})", err=True)
        more = report.error_count - len(report.errors)
        if more > 0:
            typer.echo(f"… and {more} more", err=True)
        problems = counted(report.error_count, "problem")
        typer.echo(f"{problems}; nothing was imported", err=True)
    else:
        typer.echo(f"{counted(report.added, 'vehicle')} registered for {tenant}")
    if report.error_count:
        raise typer.Exit(1)


@registry_command(vehicle_app, "list")
def vehicle_list(
    asked: Asked,
    tenant: TenantOption,
    search: Annotated[str, typer.Option(help="Text in VIN, plate or model.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """List a tenant's vehicles."""
    from motorcade.fleet.vehicles import VehicleFilter

    page = asked.tenant(
        tenant, lambda fleet, number: fleet.vehicles(number, VehicleFilter(q=search), limit=limit)
    )
    names = ("vin", "model", "plate", "iccid", "labels", "created")
    rows = [{name: _shown(getattr(vehicle, name)) for name in names} for vehicle in page.vehicles]
    asked.show(*rows)
    if page.cursor and not asked.as_json:
        typer.echo("there are more; narrow with --search or raise --limit", err=True)


@registry_command(vehicle_app, "add")
def vehicle_add(
    asked: Asked,
    vin: Annotated[str, typer.Argument(help="The vehicle's VIN, 17 characters.")],
    tenant: TenantOption,
    model: Annotated[str, typer.Option(help="Its model.")] = "",
    plate: Annotated[str, typer.Option(help="Its number plate.")] = "",
    iccid: Annotated[str, typer.Option(help="The ICCID of its SIM card.")] = "",
    label: Annotated[list[str] | None, typer.Option(help="A label; repeatable.")] = None,
    phone: Annotated[str, typer.Option(help="The number of its JT/T 808 terminal.")] = "",
    imei: Annotated[str, typer.Option(help="The IMEI of its satellite modem.")] = "",
    device: Annotated[str, typer.Option(help="Its name in compact datagrams.")] = "",
) -> None:
    """Register one vehicle."""
    from motorcade.fleet.rows import NewVehicle

    new = NewVehicle(
        vin=vin,
        model=model,
        plate=plate,
        iccid=iccid,
        labels=tuple(label or ()),
        phone=phone,
        imei=imei,
        device=device,
    )

    report = asked.tenant(tenant, lambda fleet, number: fleet.add_vehicles(number, [new]))
    if report.error_count:
        raise Invalid(f"{vin}: {report.errors[0].reason}")
    asked.show({"vin": vin, "tenant": tenant})


@registry_command(vehicle_app, "remove")
def vehicle_remove(
    asked: Asked,
    vin: Annotated[str, typer.Argument(help="The vehicle's VIN.")],
    tenant: TenantOption,
) -> None:
    """Take one vehicle out of the registry: it may not log in any more."""

    asked.tenant(tenant, lambda fleet, number: fleet.remove_vehicle(number, vin))
    asked.show({"vin": vin, "tenant": tenant, "removed": True})


def _shown(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value


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
