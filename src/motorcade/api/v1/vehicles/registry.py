"""``/v1/vehicles`` and ``/v1/vehicles/{vin}``: register, list, look at and remove vehicles."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from motorcade import limits
from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import Cursor, TenantName, Vin
from motorcade.api.parameters import limit as limited
from motorcade.errors import Invalid
from motorcade.fleet.importing import ImportReport
from motorcade.fleet.rows import NewVehicle
from motorcade.fleet.vehicles import Vehicle, VehicleFilter

__all__ = ["Imported", "VehicleList", "VehicleView", "routes"]

_TAG = "Vehicles"
_VEHICLE = {
    "vin": "LNSTEST0000000001",
    "model": "Aurora",
    "plate": "沪AD12345",
    "iccid": "89860000000000000001",
    "labels": ["pilot"],
    "created": "2026-11-22T08:00:00Z",
}
_NEW = [{"vin": "LNSTEST0000000001", "model": "Aurora", "labels": ["pilot"]}]
_CSV = "vin,model,plate,iccid,labels\nLNSTEST0000000001,Aurora,,,pilot|east\n"


class VehicleView(msgspec.Struct, kw_only=True, frozen=True):
    """A vehicle as callers see it."""

    vin: str
    model: str
    plate: str
    iccid: str
    labels: list[str]
    created: datetime


class VehicleList(msgspec.Struct, kw_only=True, frozen=True):
    """A page of vehicles; ``next`` is the next page's cursor, null at the end."""

    vehicles: list[VehicleView]
    next: str | None


class Imported(msgspec.Struct, kw_only=True, frozen=True):
    """How many vehicles were registered."""

    added: int


_one = msgspec.json.Decoder(NewVehicle | list[NewVehicle])
_each = msgspec.json.Decoder(NewVehicle)
_many = msgspec.json.Decoder(list[msgspec.Raw] | dict[str, msgspec.Raw])


def routes(context: Context) -> list[BaseRouteHandler]:
    """Register, list, look at and remove."""
    return [*_registering(context), *_listing(context), *_of_one(context)]


def _registering(context: Context) -> list[BaseRouteHandler]:
    access = context.access

    @post(
        "/v1/vehicles",
        request_max_body_size=limits.API_BODY_BYTES_MAX,
        **route(
            _TAG,
            "Register vehicles",
            "operator",
            Imported,
            status=201,
            example={"added": 1},
            says="All of them are registered.",
            fails=(400, 401, 403, 404, 409, 413, 429, 503),
            timeout_s=context.services.config.import_timeout_s,
            bodies={
                "application/json": {
                    "schema": {
                        "oneOf": [_SCHEMA, {"type": "array", "items": _SCHEMA, "minItems": 1}]
                    },
                    "example": _NEW,
                },
                "text/csv": {"schema": {"type": "string"}, "example": _CSV},
            },
        ),
    )
    async def add_vehicles(request: Request[Any, Any, Any], tenant: TenantName = None) -> Imported:
        """One vehicle, a list, or a CSV with a header line; hundreds of thousands at once.

        All or nothing: where a line is wrong (no VIN, a wrong check digit, registered already),
        `errors` says which and why, and none is registered."""
        whose = await access.tenant(request.auth, tenant)
        report = await _import(context, whose.number, request)
        context.vins.forget_unknown()
        if report.error_count:
            raise _wrong_lines(report)
        return Imported(added=report.added)

    return [add_vehicles]


def _listing(context: Context) -> list[BaseRouteHandler]:
    fleet, access = context.services.fleet, context.access

    @get(
        "/v1/vehicles",
        **route(
            _TAG,
            "List vehicles",
            "reader",
            VehicleList,
            example={"vehicles": [_VEHICLE], "next": None},
            says="A page of vehicles, in the order they were registered.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def list_vehicles(
        request: Request[Any, Any, Any],
        *,
        tenant: TenantName = None,
        search: Annotated[
            str, QueryParameter(max_length=64, description="Text anywhere in VIN, plate or model.")
        ] = "",
        vin_prefix: Annotated[
            str, QueryParameter(max_length=17, description="How the VIN begins.")
        ] = "",
        model: Annotated[
            str, QueryParameter(max_length=64, description="The model, exactly.")
        ] = "",
        label: Annotated[
            str, QueryParameter(max_length=64, description="One of the labels, exactly.")
        ] = "",
        limit: Annotated[
            int,
            QueryParameter(ge=1, le=limits.API_PAGE_ROWS_MAX, description="Vehicles of a page."),
        ] = limits.API_PAGE_ROWS_DEFAULT,
        cursor: Cursor = None,
    ) -> VehicleList:
        """The tenant's vehicles; filters restrict together."""
        whose = await access.tenant(request.auth, tenant)
        where = VehicleFilter(vin_prefix=vin_prefix, model=model, label=label, q=search)
        if "\0" in search + vin_prefix + model + label:
            raise Invalid("A filter holds a character no vehicle has.")
        rows = limited("limit", limit, 100, limits.API_PAGE_ROWS_MAX)
        page = await fleet.vehicles(whose.number, where, cursor=cursor, limit=rows)
        return VehicleList(vehicles=[_view(one) for one in page.vehicles], next=page.cursor)

    return [list_vehicles]


def _of_one(context: Context) -> list[BaseRouteHandler]:
    fleet, access = context.services.fleet, context.access

    @get(
        "/v1/vehicles/{vin:str}",
        **route(
            _TAG,
            "Look at a vehicle",
            "reader",
            VehicleView,
            example=_VEHICLE,
            says="The vehicle.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def get_vehicle(
        request: Request[Any, Any, Any], vin: Vin, tenant: TenantName = None
    ) -> VehicleView:
        """What is registered of one vehicle. Its state and history have addresses of their own."""
        whose = await access.tenant(request.auth, tenant)
        await context.vins.number(whose.number, vin)
        return _view(await fleet.vehicle(whose.number, vin))

    @delete(
        "/v1/vehicles/{vin:str}",
        **route(
            _TAG,
            "Remove a vehicle",
            "operator",
            None,
            status=204,
            says="It is removed.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def remove_vehicle(
        request: Request[Any, Any, Any], vin: Vin, tenant: TenantName = None
    ) -> None:
        """The vehicle is refused at its next login. Its history stays for as long as the tenant
        keeps it, but no longer answers to the VIN."""
        whose = await access.tenant(request.auth, tenant)
        await context.vins.number(whose.number, vin)
        context.vins.forget(whose.number, vin)
        await fleet.remove_vehicle(whose.number, vin)

    return [get_vehicle, remove_vehicle]


_SCHEMA = {
    "type": "object",
    "required": ["vin"],
    "additionalProperties": False,
    "properties": {
        "vin": {"type": "string", "description": "17 characters, without I, O and Q."},
        "model": {"type": "string", "maxLength": 64, "default": ""},
        "plate": {"type": "string", "maxLength": 16, "default": ""},
        "iccid": {"type": "string", "maxLength": 20, "default": ""},
        "labels": {"type": "array", "items": {"type": "string"}, "default": []},
        "phone": {"type": "string", "default": "", "description": "Of its JT/T 808 terminal."},
        "imei": {"type": "string", "default": "", "description": "Of its satellite modem."},
        "device": {"type": "string", "default": "", "description": "In compact datagrams."},
    },
}


async def _import(context: Context, tenant: int, request: Request[Any, Any, Any]) -> ImportReport:
    kind = request.content_type[0]
    body = await request.body()
    fleet = context.services.fleet
    if kind == "text/csv":
        return await fleet.import_vehicles(tenant, body)
    if kind not in ("application/json", ""):
        raise Invalid("Send application/json or text/csv.")
    try:
        if len(body) <= limits.API_INLINE_BYTES_MAX:
            read = _one.decode(body)
        else:
            read = await asyncio.to_thread(_read, body)
    except msgspec.DecodeError as error:
        raise Invalid(
            f"The body is not one vehicle or a list: {error}",
            errors=[{"field": "body", "message": str(error)}],
        ) from error
    rows = read if isinstance(read, list) else [read]
    if not rows:
        raise Invalid("The list is empty.")
    return await fleet.add_vehicles(tenant, rows)


def _read(body: bytes) -> NewVehicle | list[NewVehicle]:
    """A large body: one vehicle after the other, because the decoder lets nobody else run."""
    pieces = _many.decode(body)
    if not isinstance(pieces, list):
        return _each.decode(body)
    rows = []
    for place, piece in enumerate(pieces, 1):
        try:
            rows.append(_each.decode(piece))
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(f"{error}, in row {place}") from error
    return rows


def _wrong_lines(report: ImportReport) -> Invalid:
    lines = [
        {"line": one.line, "code": one.code, "message": one.reason, "vin": one.vin}
        for one in report.errors
    ]
    return Invalid(
        f"{report.error_count} of {report.rows} lines are wrong; nothing was registered.",
        errors=lines,
        error_count=report.error_count,
    )


def _view(vehicle: Vehicle) -> VehicleView:
    return VehicleView(
        vin=vehicle.vin,
        model=vehicle.model,
        plate=vehicle.plate,
        iccid=vehicle.iccid,
        labels=vehicle.labels,
        created=vehicle.created,
    )
