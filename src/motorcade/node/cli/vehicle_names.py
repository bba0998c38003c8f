"""Commands about vehicles' names besides the VIN, and what they prove themselves with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast, get_args

import typer

from motorcade.errors import Invalid
from motorcade.node.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    SetOption,
    TenantOption,
    iso,
    print_facts,
    with_fleet,
)

if TYPE_CHECKING:
    from motorcade.fleet.registry import Fleet

__all__ = ["register"]

_KINDS: Final = "phone (JT/T 808), imei (satellite modem) or device (compact datagrams)."

identity_app = typer.Typer(
    no_args_is_help=True, help="What a vehicle is called by protocols that know no VIN."
)
token_app = typer.Typer(
    no_args_is_help=True, help="What a vehicle proves itself with: tokens, keys, codes."
)

VinArgument = Annotated[str, typer.Argument(help="The vehicle's VIN.")]
KindArgument = Annotated[str, typer.Argument(help=_KINDS)]


def register(vehicle_app: typer.Typer) -> None:
    """Add this module's groups below ``vehicle``."""
    vehicle_app.add_typer(identity_app, name="identity")
    vehicle_app.add_typer(token_app, name="token")


@identity_app.command("add")
def identity_add(
    vin: VinArgument,
    kind: KindArgument,
    value: Annotated[str, typer.Argument(help="The number or name.")],
    tenant: TenantOption,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a vehicle a name."""

    async def work(fleet: Fleet) -> Any:
        number = (await fleet.tenant_named(tenant)).number
        return await fleet.add_identity(number, vin, kind, value)

    made = with_fleet((config, data, assignments), work)
    print_facts([{"vin": vin, "kind": made.kind, "value": made.value}], as_json=as_json)


@identity_app.command("list")
def identity_list(
    vin: VinArgument,
    tenant: TenantOption,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a vehicle's names."""

    async def work(fleet: Fleet) -> Any:
        return await fleet.identities_of((await fleet.tenant_named(tenant)).number, vin)

    found = with_fleet((config, data, assignments), work)
    rows = [{"kind": one.kind, "value": one.value, "created": iso(one.created)} for one in found]
    print_facts(rows, as_json=as_json)


@identity_app.command("remove")
def identity_remove(
    vin: VinArgument,
    kind: KindArgument,
    value: Annotated[str, typer.Argument(help="The number or name.")],
    tenant: TenantOption,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a name away: its next login is refused."""

    async def work(fleet: Fleet) -> None:
        await fleet.unbind((await fleet.tenant_named(tenant)).number, vin, kind, value)

    with_fleet((config, data, assignments), work)
    print_facts([{"vin": vin, "kind": kind, "value": value, "removed": True}], as_json=as_json)


@token_app.command("create")
def token_create(
    vin: VinArgument,
    tenant: TenantOption,
    kind: Annotated[
        str, typer.Option(help="token, key (signs datagrams) or auth_code (JT/T 808).")
    ] = "token",
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token for a vehicle; its secret is shown this once."""
    from motorcade.fleet.credentials import CredentialKind

    if kind not in get_args(CredentialKind):
        raise Invalid(f"kind: one of {', '.join(get_args(CredentialKind))}, not {kind!r}")
    wanted = cast(CredentialKind, kind)

    async def work(fleet: Fleet) -> Any:
        number = (await fleet.tenant_named(tenant)).number
        return await fleet.create_credential(number, vin, wanted, name)

    made = with_fleet((config, data, assignments), work)
    facts = {"vin": vin, "id": made.credential.id, "kind": kind, "secret": made.secret}
    print_facts([facts], as_json=as_json)


@token_app.command("list")
def token_list(
    vin: VinArgument,
    tenant: TenantOption,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a vehicle's tokens and keys, without their secrets."""

    async def work(fleet: Fleet) -> Any:
        return await fleet.credentials((await fleet.tenant_named(tenant)).number, vin)

    found = with_fleet((config, data, assignments), work)
    rows = [
        {
            "id": one.id,
            "kind": one.kind,
            "name": one.name,
            "created": iso(one.created),
            "revoked": iso(one.revoked),
        }
        for one in found
    ]
    print_facts(rows, as_json=as_json)


@token_app.command("revoke")
def token_revoke(
    vin: VinArgument,
    credential: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    tenant: TenantOption,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a token or key: the next login with it is refused."""

    async def work(fleet: Fleet) -> Any:
        number = (await fleet.tenant_named(tenant)).number
        return await fleet.revoke_credential(number, vin, credential)

    gone = with_fleet((config, data, assignments), work)
    print_facts([{"vin": vin, "id": gone.id, "revoked": iso(gone.revoked)}], as_json=as_json)


@token_app.command("bulk")
def token_bulk(
    file: Annotated[Path, typer.Argument(help="A VIN a line.")],
    tenant: TenantOption,
    name: Annotated[str, typer.Option(help="What they are for.")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token for every vehicle of a file: `vin,token` lines, the secrets shown this once."""
    if not file.is_file():
        raise Invalid(f"there is no file {file}")
    vins = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if vins and vins[0].lower() == "vin":
        del vins[0]

    async def work(fleet: Fleet) -> list[tuple[str, str]]:
        return await fleet.create_tokens((await fleet.tenant_named(tenant)).number, vins, name)

    made = with_fleet((config, data, assignments), work)
    if as_json:
        print_facts([{"vin": vin, "token": token} for vin, token in made], as_json=True)
    else:
        typer.echo("\n".join(["vin,token", *(f"{vin},{token}" for vin, token in made)]))
