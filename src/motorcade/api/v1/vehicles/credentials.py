"""``/v1/vehicles/{vin}/credentials``: what a vehicle proves itself with at its next login."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import TenantName, Vin
from motorcade.errors import NotFound
from motorcade.fleet.credentials import Credential, CredentialKind

__all__ = ["CreatedCredential", "Credentials", "NewCredential", "routes"]

_TAG = "Vehicles"
_EXAMPLE = {
    "id": "4b1f0c9d2a37",
    "kind": "token",
    "name": "workshop",
    "created": "2026-11-22T08:00:00Z",
    "revoked": None,
}


class NewCredential(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A credential to create."""

    kind: Annotated[
        CredentialKind,
        msgspec.Meta(
            description="`token`: what an MQTT or HTTP client presents; several are valid at once."
            " `key`: signs datagrams; a new one ends the old one. `auth_code`: a JT/T 808"
            " terminal's code; a new one ends the old one, and the terminal registers again.",
            examples=["token"],
        ),
    ] = "token"
    name: Annotated[
        str, msgspec.Meta(max_length=100, description="What it is for.", examples=["workshop"])
    ] = ""
    key: Annotated[
        str,
        msgspec.Meta(
            pattern="^([0-9A-Fa-f]{32})?$",
            description="With `key`: the one the vehicle was made with, 32 hexadecimal digits;"
            " empty: a new one.",
        ),
    ] = ""


class CreatedCredential(msgspec.Struct, kw_only=True, frozen=True):
    """A credential just made; ``secret`` is shown this once (a key as 32 hexadecimal digits)."""

    id: str
    kind: CredentialKind
    name: str
    created: datetime
    revoked: datetime | None
    secret: str


class Credentials(msgspec.Struct, kw_only=True, frozen=True):
    """A vehicle's tokens and keys, the oldest first, revoked ones among them."""

    credentials: list[Credential]


def routes(context: Context) -> list[BaseRouteHandler]:
    """Create, list and revoke."""
    return [*_made(context), *_ended(context)]


def _made(context: Context) -> list[BaseRouteHandler]:
    fleet, access = context.services.fleet, context.access

    @post(
        "/v1/vehicles/{vin:str}/credentials",
        **route(
            _TAG,
            "Create a vehicle's credential",
            "admin",
            CreatedCredential,
            status=201,
            example={**_EXAMPLE, "secret": "vt_this-is-shown-once"},
            says="The credential, and its secret this once.",
            fails=(400, 401, 403, 404, 409, 413, 503),
        ),
    )
    async def create_credential(
        request: Request[Any, Any, Any],
        vin: Vin,
        data: JSONBody[NewCredential],
        tenant: TenantName = None,
    ) -> CreatedCredential:
        """What the vehicle is to present or sign with. Put it into the vehicle now: a token is
        stored as a hash and not shown again."""
        whose = await access.tenant(request.auth, tenant)
        await context.vins.number(whose.number, vin)
        made = await fleet.create_credential(
            whose.number, vin, data.kind, data.name, key=bytes.fromhex(data.key)
        )
        return CreatedCredential(**msgspec.structs.asdict(made.credential), secret=made.secret)

    @get(
        "/v1/vehicles/{vin:str}/credentials",
        **route(
            _TAG,
            "List a vehicle's credentials",
            "admin",
            Credentials,
            example={"credentials": [_EXAMPLE]},
            says="The credentials without their secrets.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def list_credentials(
        request: Request[Any, Any, Any], vin: Vin, tenant: TenantName = None
    ) -> Credentials:
        """Tokens and keys, the oldest first, revoked ones among them."""
        whose = await access.tenant(request.auth, tenant)
        await context.vins.number(whose.number, vin)
        return Credentials(credentials=await fleet.credentials(whose.number, vin))

    return [create_credential, list_credentials]


def _ended(context: Context) -> list[BaseRouteHandler]:
    fleet, access = context.services.fleet, context.access

    @delete(
        "/v1/vehicles/{vin:str}/credentials/{credential_id:str}",
        **route(
            _TAG,
            "Revoke a vehicle's credential",
            "admin",
            None,
            status=204,
            says="It is revoked.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def revoke_credential(
        request: Request[Any, Any, Any],
        vin: Vin,
        credential_id: Annotated[str, PathParameter(description="The credential's id.")],
        tenant: TenantName = None,
    ) -> None:
        """The next login with it is refused; connections that are open stay."""
        whose = await access.tenant(request.auth, tenant)
        await context.vins.number(whose.number, vin)
        if "\0" in credential_id:
            raise NotFound("There is no such credential.")
        await fleet.revoke_credential(whose.number, vin, credential_id)

    return [revoke_credential]
