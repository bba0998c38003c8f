"""Commands about tenants, their accounts and keys: the registry from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from motorcade.errors import Invalid
from motorcade.node.cli.options import (
    Asked,
    ConfigOption,
    DataOption,
    JsonOption,
    TenantOption,
    iso,
    registry_command,
    with_fleet,
)

if TYPE_CHECKING:
    from motorcade.fleet.registry import Fleet

__all__ = ["register"]

_KeyTenantOption = Annotated[
    str | None, typer.Option("--tenant", "-t", help="The tenant; the platform's without.")
]
_ROLES: Final = ("admin", "operator", "reader", "platform")

tenant_app = typer.Typer(no_args_is_help=True, help="Tenants: automakers, fleets, cities.")
account_app = typer.Typer(
    no_args_is_help=True, help="Accounts of platforms that forward many cars on one link."
)
key_app = typer.Typer(no_args_is_help=True, help="API keys.")


def register(app: typer.Typer) -> None:
    """Add this module's groups."""
    app.add_typer(tenant_app, name="tenant")
    tenant_app.add_typer(account_app, name="account")
    app.add_typer(key_app, name="key")


@registry_command(tenant_app, "add")
def tenant_add(
    asked: Asked,
    name: Annotated[str, typer.Argument(help="Small letters, digits and hyphens.")],
    wmi: Annotated[
        list[str] | None,
        typer.Option(help="Register VINs with this prefix at their first login; repeatable."),
    ] = None,
    vin_check_digit: Annotated[
        bool, typer.Option("--vin-check-digit", help="Refuse VINs whose check digit is wrong.")
    ] = False,
) -> None:
    """Add a tenant."""
    from motorcade.fleet.settings import TenantSettings

    settings = TenantSettings(auto_register_wmi=tuple(wmi or ()), vin_check_digit=vin_check_digit)
    made = asked.fleet(lambda fleet: fleet.create_tenant(name, settings))
    asked.show(_tenant_facts(made))


@registry_command(tenant_app, "list")
def tenant_list(
    asked: Asked,
) -> None:
    """List the tenants."""
    tenants = asked.fleet(lambda fleet: fleet.tenants())
    asked.show(*(_tenant_facts(tenant) for tenant in tenants))


@tenant_app.command("settings")
def tenant_settings(
    name: Annotated[str, typer.Argument(help="The tenant's name.")],
    file: Annotated[
        Path | None, typer.Argument(help="JSON file with the new settings, in place of all.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="One of the tenant's settings as key=value, the others stay; repeatable."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a tenant's settings, change single ones (--set), or replace all by a file's (JSON)."""
    from motorcade.fleet.settings import settings_from_json
    from motorcade.node.cli.tenant_settings import changed, read

    if file is not None and assignments:
        raise Invalid("a file replaces all settings and --set changes some: give one of the two")
    content = read(file) if file is not None else None

    async def work(fleet: Fleet) -> Any:
        tenant = await fleet.tenant_named(name)
        if content is not None:
            return await fleet.update_settings(tenant.number, settings_from_json(content))
        if assignments:
            new = changed(tenant.settings, assignments)
            return await fleet.update_settings(tenant.number, new)
        return tenant

    tenant = with_fleet((config, data, None), work)
    shown = msgspec.json.encode(tenant.settings.redacted())
    typer.echo((shown if as_json else msgspec.json.format(shown, indent=2)).decode())


@registry_command(account_app, "add")
def account_add(
    asked: Asked,
    user: Annotated[str, typer.Argument(help="User name, up to 12 characters.")],
    tenant: TenantOption,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="Up to 20 characters.")
    ],
) -> None:
    """Add an account for a GB/T 32960 platform login (command 05)."""

    made = asked.tenant(
        tenant, lambda fleet, number: fleet.create_platform_account(number, user, password)
    )
    asked.show({"user": made.name, "tenant": tenant})


@registry_command(account_app, "list")
def account_list(
    asked: Asked,
    tenant: TenantOption,
) -> None:
    """List a tenant's accounts (never their passwords)."""

    accounts = asked.tenant(tenant, lambda fleet, number: fleet.platform_accounts(number))
    rows = [{"user": a.name, "tenant": tenant, "created": iso(a.created)} for a in accounts]
    asked.show(*rows)


@registry_command(account_app, "remove")
def account_remove(
    asked: Asked,
    user: Annotated[str, typer.Argument(help="User name, as `account list` shows it.")],
    tenant: TenantOption,
) -> None:
    """Remove an account: no further login with it; links that are open stay."""

    asked.tenant(tenant, lambda fleet, number: fleet.remove_platform_account(number, user))
    asked.show({"user": user, "tenant": tenant, "removed": True})


@registry_command(key_app, "create")
def key_create(
    asked: Asked,
    role: Annotated[str, typer.Option(help="admin, operator, reader, or platform.")],
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="The tenant; none for `platform`.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
) -> None:
    """Create an API key. Its token is shown this once; the registry keeps only a hash."""

    if role not in _ROLES:
        raise Invalid(f"a role is {', '.join(_ROLES[:-1])} or {_ROLES[-1]}, not {role!r}")
    if role == "platform" and tenant is not None:
        raise Invalid("a platform key belongs to no tenant; leave --tenant out")
    if role != "platform" and tenant is None:
        raise Invalid(f"whose {role} key? give --tenant NAME")

    async def work(fleet: Fleet) -> Any:
        if tenant is None:
            return await fleet.create_platform_key(name)
        number = (await fleet.tenant_named(tenant)).number
        return await fleet.create_key(number, role, name)  # type: ignore[arg-type]

    made = asked.fleet(work)
    facts = {"id": made.key.id, "tenant": tenant, "role": role, "name": name, "key": made.token}
    if asked.as_json:
        asked.show(facts)
        return
    typer.echo(made.token)
    typer.echo("Use it as: Authorization: Bearer <key>. It is not shown again.", err=True)


@registry_command(key_app, "list")
def key_list(
    asked: Asked,
    tenant: _KeyTenantOption = None,
) -> None:
    """List API keys (never their secrets)."""

    async def work(fleet: Fleet) -> Any:
        if tenant is None:
            return await fleet.platform_keys()
        return await fleet.keys((await fleet.tenant_named(tenant)).number)

    keys = asked.fleet(work)
    rows = [
        {
            "id": key.id,
            "role": key.role,
            "name": key.name,
            "created": iso(key.created),
            "revoked": iso(key.revoked),
        }
        for key in keys
    ]
    asked.show(*rows)


@registry_command(key_app, "revoke")
def key_revoke(
    asked: Asked,
    key: Annotated[str, typer.Argument(help="The key's id, as `key list` shows it.")],
    tenant: _KeyTenantOption = None,
) -> None:
    """End an API key."""

    async def work(fleet: Fleet) -> Any:
        if tenant is None:
            return await fleet.revoke_platform_key(key)
        return await fleet.revoke_key((await fleet.tenant_named(tenant)).number, key)

    ended = asked.fleet(work)
    asked.show({"id": ended.id, "revoked": iso(ended.revoked)})


def _tenant_facts(tenant: Any) -> dict[str, Any]:
    return {
        "name": tenant.name,
        "number": tenant.number,
        "created": iso(tenant.created),
        "auto_register_wmi": list(tenant.settings.auto_register_wmi),
        "vin_check_digit": tenant.settings.vin_check_digit,
    }
