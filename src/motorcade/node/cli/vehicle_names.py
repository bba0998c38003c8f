"""Commands about vehicles' names besides the VIN, and what they prove themselves with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, cast, get_args

import typer

from motorcade.errors import Invalid
from motorcade.node.cli.options import Asked, TenantOption, iso, registry_command

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


@registry_command(identity_app, "add")
def identity_add(
    asked: Asked,
    vin: VinArgument,
    kind: KindArgument,
    value: Annotated[str, typer.Argument(help="The number or name.")],
    tenant: TenantOption,
) -> None:
    """Give a vehicle a name."""

    made = asked.tenant(tenant, lambda fleet, number: fleet.add_identity(number, vin, kind, value))
    asked.show({"vin": vin, "kind": made.kind, "value": made.value})


@registry_command(identity_app, "list")
def identity_list(
    asked: Asked,
    vin: VinArgument,
    tenant: TenantOption,
) -> None:
    """List a vehicle's names, and which JT/T 808 terminal registered first by a phone number."""

    found = asked.tenant(tenant, lambda fleet, number: fleet.identities_of(number, vin))
    rows = [
        {
            "kind": one.kind,
            "value": one.value,
            "created": iso(one.created),
            "terminal": one.terminal,
        }
        for one in found
    ]
    asked.show(*rows)


@registry_command(identity_app, "remove")
def identity_remove(
    asked: Asked,
    vin: VinArgument,
    kind: KindArgument,
    value: Annotated[str, typer.Argument(help="The number or name.")],
    tenant: TenantOption,
) -> None:
    """Take a name away: its next login is refused. Given again, a phone number is of the JT/T 808
    terminal that registers first: so a vehicle gets a new terminal."""

    asked.tenant(tenant, lambda fleet, number: fleet.unbind(number, vin, kind, value))
    asked.show({"vin": vin, "kind": kind, "value": value, "removed": True})


@registry_command(token_app, "create")
def token_create(
    asked: Asked,
    vin: VinArgument,
    tenant: TenantOption,
    kind: Annotated[
        str, typer.Option(help="token, key (signs datagrams) or auth_code (JT/T 808).")
    ] = "token",
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make a token for a vehicle; its secret is shown this once."""
    from motorcade.fleet.credentials import CredentialKind

    if kind not in get_args(CredentialKind):
        raise Invalid(f"kind: one of {', '.join(get_args(CredentialKind))}, not {kind!r}")
    wanted = cast(CredentialKind, kind)

    made = asked.tenant(
        tenant, lambda fleet, number: fleet.create_credential(number, vin, wanted, name)
    )
    facts = {"vin": vin, "id": made.credential.id, "kind": kind, "secret": made.secret}
    asked.show(facts)


@registry_command(token_app, "list")
def token_list(
    asked: Asked,
    vin: VinArgument,
    tenant: TenantOption,
) -> None:
    """List a vehicle's tokens and keys, without their secrets."""

    found = asked.tenant(tenant, lambda fleet, number: fleet.credentials(number, vin))
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
    asked.show(*rows)


@registry_command(token_app, "revoke")
def token_revoke(
    asked: Asked,
    vin: VinArgument,
    credential: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    tenant: TenantOption,
) -> None:
    """End a token or key: the next login with it is refused."""

    gone = asked.tenant(
        tenant, lambda fleet, number: fleet.revoke_credential(number, vin, credential)
    )
    asked.show({"vin": vin, "id": gone.id, "revoked": iso(gone.revoked)})


@registry_command(token_app, "bulk")
def token_bulk(
    asked: Asked,
    file: Annotated[Path, typer.Argument(help="A VIN a line.")],
    tenant: TenantOption,
    name: Annotated[str, typer.Option(help="What they are for.")] = "",
) -> None:
    """Make a token for every vehicle of a file: `vin,token` lines, the secrets shown this once."""
    if not file.is_file():
        raise Invalid(f"there is no file {file}")
    vins = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if vins and vins[0].lower() == "vin":
        del vins[0]

    made = asked.tenant(tenant, lambda fleet, number: fleet.create_tokens(number, vins, name))
    if asked.as_json:
        asked.show(*({"vin": vin, "token": token} for vin, token in made))
    else:
        typer.echo("\n".join(["vin,token", *(f"{vin},{token}" for vin, token in made)]))
