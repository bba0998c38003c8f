"""``/v1/commands``: commands of all vehicles, and one command to many of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
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
from motorcade.api.parameters import Cursor, TenantName, box, predicate, refuse
from motorcade.api.parameters import cursor as written
from motorcade.api.parameters import limit as limited
from motorcade.api.v1.commands.bulk import EXAMPLE as BULK_EXAMPLE
from motorcade.api.v1.commands.bulk import BulkView, job_view
from motorcade.apps.commands.bulk import Bulks, Chosen
from motorcade.apps.commands.desk import Desk

__all__ = ["NewBulk", "routes"]


class NewBulk(NewCommand, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One command to many vehicles: named by `vehicles`, or chosen by the other filters, which
    restrict together. A filter must be there; `all: true` means every vehicle."""

    vehicles: Annotated[
        list[str] | None, msgspec.Meta(description="VINs.", examples=[["LNSTEST0000000001"]])
    ] = None
    where: Annotated[str, msgspec.Meta(description="A predicate, as of `/v1/state`.")] = ""
    bbox: Annotated[str, msgspec.Meta(description="`west,south,east,north` in degrees.")] = ""
    label: Annotated[str, msgspec.Meta(max_length=64)] = ""
    model: Annotated[str, msgspec.Meta(max_length=64)] = ""
    vin_prefix: Annotated[str, msgspec.Meta(max_length=17)] = ""
    all: bool = False
    rate_per_s: Annotated[
        float,
        msgspec.Meta(
            ge=0.1, le=limits.COMMAND_BULK_RATE_MAX, description="Commands made per second at most."
        ),
    ] = 100.0


def routes(context: Context) -> list[BaseRouteHandler]:
    """List, look at, cancel; command many."""
    services = context.services
    store, log, clock = services.fleet.store, services.log, services.clock
    desk = Desk(store, log, clock, log.partitions)
    bulks = Bulks(store, log, clock, log.partitions)
    return [*_listing(context, desk), _making(context, bulks)]


def _listing(context: Context, desk: Desk) -> list[BaseRouteHandler]:
    @get(
        "/v1/commands",
        **route(
            TAG,
            "List commands",
            "reader",
            CommandList,
            example={"commands": [EXAMPLE], "next": None},
            says="A page of commands, the newest first.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def list_commands(
        request: Request[Any, Any, Any],
        *,
        wanted: StateFilter = "",
        kind: KindFilter = "",
        bulk: Annotated[
            str, QueryParameter(max_length=36, description="Of one bulk job alone: its id.")
        ] = "",
        limit: Annotated[
            int,
            QueryParameter(ge=1, le=limits.API_PAGE_ROWS_MAX, description="Commands of a page."),
        ] = limits.API_PAGE_ROWS_DEFAULT,
        cursor: Cursor = None,
        tenant: TenantName = None,
    ) -> CommandList:
        """What was asked of the tenant's vehicles."""
        whose = await context.access.tenant(request.auth, tenant)
        rows = limited("limit", limit, limits.API_PAGE_ROWS_DEFAULT, limits.API_PAGE_ROWS_MAX)
        page = await desk.page(
            whose.number,
            states=states_of(wanted),
            kind=kind.replace("\0", ""),
            bulk=read_id(bulk, "bulk job") if bulk else None,
            before=place_of(cursor),
            limit=rows,
        )
        names = await context.vins.names(whose.number, [row.vehicle for row in page.rows])
        views = [view_of(row, names) for row in page.rows]
        return CommandList(commands=views, next=written(page.next) if page.next else None)

    @get(
        "/v1/commands/{command_id:str}",
        **route(
            TAG,
            "Look at a command",
            "reader",
            CommandView,
            example=EXAMPLE,
            says="The command.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def get_command(
        request: Request[Any, Any, Any], command_id: CommandId, tenant: TenantName = None
    ) -> CommandView:
        """Its state, every try with the link it went over, and what the vehicle answered."""
        whose = await context.access.tenant(request.auth, tenant)
        row = await desk.get(whose.number, read_id(command_id))
        return view_of(row, await context.vins.names(whose.number, [row.vehicle]))

    @delete(
        "/v1/commands/{command_id:str}",
        **route(
            TAG,
            "Cancel a command by its id",
            "operator",
            CommandView,
            status=200,
            example={**EXAMPLE, "state": "cancelled", "code": "cancelled", "sent": None},
            says="It is cancelled; no vehicle hears it.",
            fails=(400, 401, 403, 404, 409, 503),
        ),
    )
    async def cancel_command(
        request: Request[Any, Any, Any], command_id: CommandId, tenant: TenantName = None
    ) -> CommandView:
        """Only while it is queued: what a link has been asked to carry may be carried out."""
        whose = await context.access.tenant(request.auth, tenant)
        row = await desk.cancel(whose.number, read_id(command_id))
        return view_of(row, await context.vins.names(whose.number, [row.vehicle]))

    return [list_commands, get_command, cancel_command]


def _making(context: Context, bulks: Bulks) -> BaseRouteHandler:
    services = context.services

    @post(
        "/v1/commands",
        request_max_body_size=limits.API_BODY_BYTES_MAX,
        **route(
            TAG,
            "Command many vehicles",
            "operator",
            BulkView,
            status=202,
            example=BULK_EXAMPLE,
            says="The job runs; `Location` is where to see how far it is.",
            fails=(400, 401, 403, 404, 409, 413, 429, 503),
        ),
    )
    async def command_many(
        request: Request[Any, Any, Any],
        data: JSONBody[NewBulk],
        idempotency_key: IdempotencyKey = None,
        tenant: TenantName = None,
    ) -> Response[BulkView]:
        """A job that makes one command for each vehicle, at the rate given; vehicles chosen by a
        filter are looked for as the job proceeds."""
        whose = await context.access.tenant(request.auth, tenant)
        chosen = _chosen(context, data)
        numbers = await _numbers(context, whose.number, data.vehicles)
        now_us = services.clock.now_us()
        asked = asked_of(data, idempotency_key, services.catalogue, now_us, request.auth.key)
        job = await bulks.create(
            whose.number, asked, chosen, vehicles=numbers, rate=data.rate_per_s
        )
        where = f"/v1/commands/bulk/{job.id.hex}"
        return Response(job_view(job), status_code=202, headers={"Location": where})

    return command_many


def _chosen(context: Context, data: NewBulk) -> Chosen:
    """The filter of a body, checked."""
    texts = (data.where, data.bbox, data.label, data.model, data.vin_prefix)
    if any("\0" in text for text in texts):
        refuse("label", "holds a character no vehicle has")
    if data.vehicles is None and not any(texts) and not data.all:
        refuse("vehicles", "name vehicles or a filter, or say all: true")
    if data.vehicles is not None and (any(texts) or data.all):
        refuse("vehicles", "give vehicles or a filter, not both")
    predicate("where", data.where, context.services.catalogue)
    return Chosen(
        where=data.where.strip(),
        bbox=box("bbox", data.bbox or None),
        label=data.label,
        model=data.model,
        vin_prefix=data.vin_prefix,
    )


async def _numbers(context: Context, tenant: int, vins: list[str] | None) -> list[int] | None:
    """The numbers of the vehicles a body names."""
    if vins is None:
        return None
    if len(vins) > limits.COMMAND_BULK_VEHICLES_MAX:
        refuse("vehicles", f"names more than {limits.COMMAND_BULK_VEHICLES_MAX}")
    named = list(dict.fromkeys(vin.upper() for vin in vins))
    known = await context.services.fleet.numbers_of(tenant, named)
    unknown = [vin for vin in named if vin not in known]
    if unknown:
        shown = ", ".join(repr(vin[:20]) for vin in unknown[:10])
        refuse("vehicles", f"{len(unknown)} are not registered: {shown}")
    return list(known.values())
