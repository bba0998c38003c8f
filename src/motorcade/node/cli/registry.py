"""Commands about tenants, their accounts and keys: the registry from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
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
    made = with_fleet(
        (config, data, assignments),
        lambda fleet: fleet.create_tenant(name, settings),
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
    tenants = with_fleet((config, data, assignments), lambda fleet: fleet.tenants())
    print_facts([_tenant_facts(tenant) for tenant in tenants], as_json=as_json)


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

    made = with_fleet((config, data, assignments), work)
    print_facts([{"user": made.name, "tenant": tenant}], as_json=as_json)


@account_app.command("list")
def account_list(
    tenant: TenantOption,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a tenant's accounts (never their passwords)."""

    async def work(fleet: Fleet) -> Any:
        return await fleet.platform_accounts((await fleet.tenant_named(tenant)).number)

    accounts = with_fleet((config, data, assignments), work)
    rows = [{"user": a.name, "tenant": tenant, "created": iso(a.created)} for a in accounts]
    print_facts(rows, as_json=as_json)


@account_app.command("remove")
def account_remove(
    user: Annotated[str, typer.Argument(help="User name, as `account list` shows it.")],
    tenant: TenantOption,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove an account: no further login with it; links that are open stay."""

    async def work(fleet: Fleet) -> None:
        number = (await fleet.tenant_named(tenant)).number
        await fleet.remove_platform_account(number, user)

    with_fleet((config, data, assignments), work)
    print_facts([{"user": user, "tenant": tenant, "removed": True}], as_json=as_json)


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

    made = with_fleet((config, data, assignments), work)
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

    keys = with_fleet((config, data, assignments), work)
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

    ended = with_fleet((config, data, assignments), work)
    print_facts([{"id": ended.id, "revoked": iso(ended.revoked)}], as_json=as_json)


def _tenant_facts(tenant: Any) -> dict[str, Any]:
    return {
        "name": tenant.name,
        "number": tenant.number,
        "created": iso(tenant.created),
        "auto_register_wmi": list(tenant.settings.auto_register_wmi),
        "vin_check_digit": tenant.settings.vin_check_digit,
    }
