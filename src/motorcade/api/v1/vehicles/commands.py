"""``/v1/vehicles/{vin}/commands``: ask a vehicle to do something, and see what became of it."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, QueryParameter

from motorcade import limits
from motorcade.api.command_views import (
    EXAMPLE,
    TAG,
    CommandId,
    CommandList,
    CommandView,
    IdempotencyKey,
    KindFilter,
    NewCommand,
    StateFilter,
    asked_of,
    place_of,
    read_id,
    states_of,
    view_of,
)
from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import Cursor, TenantName, Vin
from motorcade.api.parameters import cursor as written
from motorcade.api.parameters import limit as limited
from motorcade.apps.commands.desk import Desk

__all__ = ["routes"]


def routes(context: Context) -> list[BaseRouteHandler]:
    """Make, list, look at, cancel."""
    services = context.services
    desk = Desk(services.fleet.store, services.log, services.clock, services.log.partitions)
    return [_making(context, desk), *_looking(context, desk), _cancelling(context, desk)]


def _making(context: Context, desk: Desk) -> BaseRouteHandler:
    services = context.services

    @post(
        "/v1/vehicles/{vin:str}/commands",
        **route(
            TAG,
            "Command a vehicle",
            "operator",
            CommandView,
            status=202,
            example={**EXAMPLE, "state": "queued", "code": "", "sent": None, "ended": None},
            says="The command waits to be sent; `Location` is where to see what becomes of it.",
            fails=(400, 401, 403, 404, 409, 413, 429, 503),
        ),
    )
    async def command_vehicle(
        request: Request[Any, Any, Any],
        vin: Vin,
        data: JSONBody[NewCommand],
        idempotency_key: IdempotencyKey = None,
        tenant: TenantName = None,
    ) -> Response[CommandView]:
        """Kept until the vehicle can hear it or the deadline passes, and ended exactly once:
        `succeeded`, `failed`, `expired` or `cancelled`.

        A vehicle's commands go out by priority, then age, one at a time, over the best link the
        tenant's policy allows, and over the next one where an answer does not come."""
        whose = await context.access.tenant(request.auth, tenant)
        number = await context.vins.number(whose.number, vin)
        now_us = services.clock.now_us()
        asked = asked_of(data, idempotency_key, services.catalogue, now_us, request.auth.key)
        row = await desk.add(whose.number, number, asked)
        where = f"/v1/vehicles/{vin.upper()}/commands/{row.id.hex}"
        view = view_of(row, {number: vin.upper()})
        return Response(view, status_code=202, headers={"Location": where})

    return command_vehicle


def _looking(context: Context, desk: Desk) -> list[BaseRouteHandler]:
    @get(
        "/v1/vehicles/{vin:str}/commands",
        **route(
            TAG,
            "List a vehicle's commands",
            "reader",
            CommandList,
            example={"commands": [EXAMPLE], "next": None},
            says="A page of commands, the newest first.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def list_vehicle_commands(
        request: Request[Any, Any, Any],
        vin: Vin,
        *,
        wanted: StateFilter = "",
        kind: KindFilter = "",
        limit: Annotated[
            int,
            QueryParameter(ge=1, le=limits.API_PAGE_ROWS_MAX, description="Commands of a page."),
        ] = limits.API_PAGE_ROWS_DEFAULT,
        cursor: Cursor = None,
        tenant: TenantName = None,
    ) -> CommandList:
        """What was asked of the vehicle, with what became of it."""
        whose = await context.access.tenant(request.auth, tenant)
        number = await context.vins.number(whose.number, vin)
        rows = limited("limit", limit, limits.API_PAGE_ROWS_DEFAULT, limits.API_PAGE_ROWS_MAX)
        page = await desk.page(
            whose.number,
            vehicle=number,
            states=states_of(wanted),
            kind=kind.replace("\0", ""),
            before=place_of(cursor),
            limit=rows,
        )
        views = [view_of(row, {number: vin.upper()}) for row in page.rows]
        return CommandList(commands=views, next=written(page.next) if page.next else None)

    @get(
        "/v1/vehicles/{vin:str}/commands/{command_id:str}",
        **route(
            TAG,
            "Look at a vehicle's command",
            "reader",
            CommandView,
            example=EXAMPLE,
            says="The command.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def get_vehicle_command(
        request: Request[Any, Any, Any],
        vin: Vin,
        command_id: CommandId,
        tenant: TenantName = None,
    ) -> CommandView:
        """Its state, every try with the link it went over, and what the vehicle answered."""
        whose = await context.access.tenant(request.auth, tenant)
        number = await context.vins.number(whose.number, vin)
        row = await desk.get(whose.number, read_id(command_id), number)
        return view_of(row, {number: vin.upper()})

    return [list_vehicle_commands, get_vehicle_command]


def _cancelling(context: Context, desk: Desk) -> BaseRouteHandler:
    @delete(
        "/v1/vehicles/{vin:str}/commands/{command_id:str}",
        **route(
            TAG,
            "Cancel a command",
            "operator",
            CommandView,
            status=200,
            example={**EXAMPLE, "state": "cancelled", "code": "cancelled", "sent": None},
            says="It is cancelled; no vehicle hears it.",
            fails=(400, 401, 403, 404, 409, 503),
        ),
    )
    async def cancel_vehicle_command(
        request: Request[Any, Any, Any],
        vin: Vin,
        command_id: CommandId,
        tenant: TenantName = None,
    ) -> CommandView:
        """Only while it is queued: what a link has been asked to carry may be carried out."""
        whose = await context.access.tenant(request.auth, tenant)
        number = await context.vins.number(whose.number, vin)
        row = await desk.cancel(whose.number, read_id(command_id), number)
        return view_of(row, {number: vin.upper()})

    return cancel_vehicle_command
