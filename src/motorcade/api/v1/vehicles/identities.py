"""``/v1/vehicles/{vin}/identities``: what a vehicle is called by protocols that know no VIN."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import TenantName, Vin
from motorcade.errors import NotFound
from motorcade.fleet.identities import Identity
from motorcade.fleet.names import IdentityKind

__all__ = ["Identities", "NewIdentity", "routes"]

_TAG = "Vehicles"
_EXAMPLE = {
    "kind": "phone",
    "value": "13800001111",
    "created": "2026-11-22T08:00:00Z",
    "terminal": "70111/A000042",
}


class NewIdentity(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A name to give."""

    kind: Annotated[
        IdentityKind,
        msgspec.Meta(
            description="`phone` of a JT/T 808 terminal, `imei` of a satellite modem, or `device`,"
            " the EUI-64 of compact datagrams.",
            examples=["phone"],
        ),
    ]
    value: Annotated[
        str,
        msgspec.Meta(
            max_length=32,
            description="Digits (leading zeros of a phone number do not count); 16 hexadecimal"
            " digits for a `device`.",
            examples=["13800001111"],
        ),
    ]


class Identities(msgspec.Struct, kw_only=True, frozen=True):
    """A vehicle's names besides its VIN, the oldest first."""

    identities: list[Identity]


def routes(context: Context) -> list[BaseRouteHandler]:
    """Give, list and take away names."""
    return [*_given(context), *_taken(context)]


def _given(context: Context) -> list[BaseRouteHandler]:
    fleet, access = context.services.fleet, context.access

    @post(
        "/v1/vehicles/{vin:str}/identities",
        **route(
            _TAG,
            "Give a vehicle a name",
            "admin",
            Identity,
            status=201,
            example=_EXAMPLE,
            says="The vehicle is known by it.",
            fails=(400, 401, 403, 404, 409, 413, 503),
        ),
    )
    async def add_identity(
        request: Request[Any, Any, Any],
        vin: Vin,
        data: JSONBody[NewIdentity],
        tenant: TenantName = None,
    ) -> Identity:
        """A name the vehicle's terminal or modem uses in place of the VIN. No two vehicles have the
        same; giving it again changes nothing."""
        whose = await access.tenant(request.auth, tenant)
        await context.vins.number(whose.number, vin)
        return await fleet.add_identity(whose.number, vin, data.kind, data.value)

    @get(
        "/v1/vehicles/{vin:str}/identities",
        **route(
            _TAG,
            "List a vehicle's names",
            "admin",
            Identities,
            example={"identities": [_EXAMPLE]},
            says="Its names, the oldest first.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def list_identities(
        request: Request[Any, Any, Any], vin: Vin, tenant: TenantName = None
    ) -> Identities:
        """What the vehicle is called besides its VIN. `terminal`: maker and id of the JT/T 808
        terminal that registered first by a phone number; no other is told the vehicle's code."""
        whose = await access.tenant(request.auth, tenant)
        await context.vins.number(whose.number, vin)
        return Identities(identities=await fleet.identities_of(whose.number, vin))

    return [add_identity, list_identities]


def _taken(context: Context) -> list[BaseRouteHandler]:
    fleet, access = context.services.fleet, context.access

    @delete(
        "/v1/vehicles/{vin:str}/identities/{kind:str}/{value:str}",
        **route(
            _TAG,
            "Take a name away",
            "admin",
            None,
            status=204,
            says="The vehicle is no longer known by it.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def remove_identity(
        request: Request[Any, Any, Any],
        vin: Vin,
        kind: Annotated[str, PathParameter(description="`phone`, `imei` or `device`.")],
        value: Annotated[str, PathParameter(description="The name.")],
        tenant: TenantName = None,
    ) -> None:
        """Connections that are open stay; the next login by this name is refused. The name's
        terminal is forgotten with it: give the name again once a vehicle got another JT/T 808
        terminal, and the first that registers is remembered."""
        whose = await access.tenant(request.auth, tenant)
        await context.vins.number(whose.number, vin)
        if "\0" in kind + value:
            raise NotFound("There is no such name.")
        await fleet.unbind(whose.number, vin, kind, value)

    return [remove_identity]
