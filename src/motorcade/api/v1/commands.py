"""``/v1/commands``: a tenant's commands, bulk jobs over many vehicles, and the downlink policy."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, patch, post, put
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, PathParameter, QueryParameter

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
    moment_of,
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
from motorcade.apps.commands.bulk import Bulks, Chosen, Job
from motorcade.apps.commands.desk import Desk
from motorcade.apps.commands.policies import Policies
from motorcade.apps.commands.policy import DEFAULT, Policy

__all__ = ["BulkChange", "BulkList", "BulkView", "NewBulk", "PolicyChange", "PolicyView", "routes"]

_BULK = {
    "id": "0199b5d2c3f07c1e9a4b2d6f8e1a3c5e",
    "kind": "text",
    "state": "running",
    "made": 1200,
    "skipped": 0,
    "vehicles": None,
    "rate_per_s": 100,
    "created": "2026-11-22T08:00:00Z",
    "ended": None,
    "states": {"queued": 180, "sent": 20, "succeeded": 1000},
    "maker": "4b1f0c9d2a37",
}
_DEFAULT_POLICY = msgspec.to_builtins(DEFAULT)


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


class BulkView(msgspec.Struct, kw_only=True, frozen=True):
    """A bulk job. ``made`` commands so far, ``skipped`` vehicles that had too many open ones;
    ``states`` says how many of its commands are in which state (only of a single job)."""

    id: str
    kind: str
    state: str
    made: int
    skipped: int
    vehicles: int | None
    rate_per_s: float
    created: datetime
    ended: datetime | None
    states: dict[str, int]
    maker: str


class BulkList(msgspec.Struct, kw_only=True, frozen=True):
    """A page of bulk jobs; ``next`` is the next page's cursor, null at the end."""

    jobs: list[BulkView]
    next: str | None


class BulkChange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a job is to be."""

    state: Literal["running", "paused", "cancelled"]


class BearerChange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Of one bearer, what differs from the defaults."""

    cost: float | None = None
    latency_ms: float | None = None
    battery: float | None = None
    silence_s: float | None = None


class ClassChange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Of one message class, what differs from the defaults."""

    cost: float | None = None
    latency: float | None = None
    battery: float | None = None
    never: list[str] | None = None


class PolicyChange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a tenant changes of the default policy; everything else stays as it is."""

    bearers: dict[str, BearerChange] = {}
    classes: dict[str, ClassChange] = {}
    in_flight_per_vehicle: int | None = None


class PolicyView(msgspec.Struct, kw_only=True, frozen=True):
    """The tenant's changes and the whole policy that follows from them."""

    changes: dict[str, Any]
    policy: Policy


def routes(context: Context) -> list[BaseRouteHandler]:
    """Commands of all vehicles, bulk jobs, the policy."""
    services = context.services
    store, log, clock = services.fleet.store, services.log, services.clock
    desk = Desk(store, log, clock, log.partitions)
    bulks = Bulks(store, log, clock, log.partitions)
    return [
        *_listing(context, desk),
        *_making(context, bulks),
        *_watching(context, bulks),
        *_policy(context, Policies(store)),
    ]


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


def _making(context: Context, bulks: Bulks) -> list[BaseRouteHandler]:
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
            example=_BULK,
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
        numbers = None
        if data.vehicles is not None:
            if len(data.vehicles) > limits.COMMAND_BULK_VEHICLES_MAX:
                refuse("vehicles", f"names more than {limits.COMMAND_BULK_VEHICLES_MAX}")
            vins = list(dict.fromkeys(one.upper() for one in data.vehicles if "\0" not in one))
            known = await services.fleet.numbers_of(whose.number, vins)
            unknown = [one for one in vins if one not in known] or (
                ["\0"] if len(vins) < len({one.upper() for one in data.vehicles}) else []
            )
            if unknown:
                shown = ", ".join(unknown[:10]).replace("\0", "?")
                refuse("vehicles", f"{len(unknown)} are not registered: {shown}")
            numbers = list(known.values())
        now_us = services.clock.now_us()
        asked = asked_of(data, idempotency_key, services.catalogue, now_us, request.auth.key)
        job = await bulks.create(
            whose.number, asked, chosen, vehicles=numbers, rate=data.rate_per_s
        )
        where = f"/v1/commands/bulk/{job.id.hex}"
        return Response(_job_view(job), status_code=202, headers={"Location": where})

    return [command_many]


def _watching(context: Context, bulks: Bulks) -> list[BaseRouteHandler]:
    @get(
        "/v1/commands/bulk",
        **route(
            TAG,
            "List bulk jobs",
            "reader",
            BulkList,
            example={"jobs": [{**_BULK, "states": {}}], "next": None},
            says="A page of jobs, the newest first.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def list_bulk_jobs(
        request: Request[Any, Any, Any],
        *,
        limit: Annotated[
            int, QueryParameter(ge=1, le=1_000, description="Jobs of a page.")
        ] = limits.API_PAGE_ROWS_DEFAULT,
        cursor: Cursor = None,
        tenant: TenantName = None,
    ) -> BulkList:
        """The tenant's bulk jobs, those that ended among them."""
        whose = await context.access.tenant(request.auth, tenant)
        jobs, further = await bulks.jobs(whose.number, place_of(cursor), limit)
        views = [_job_view(job) for job in jobs]
        return BulkList(jobs=views, next=written(further) if further else None)

    @get(
        "/v1/commands/bulk/{bulk_id:str}",
        **route(
            TAG,
            "Look at a bulk job",
            "reader",
            BulkView,
            example=_BULK,
            says="The job.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def get_bulk_job(
        request: Request[Any, Any, Any],
        bulk_id: Annotated[str, PathParameter(description="The job's id.")],
        tenant: TenantName = None,
    ) -> BulkView:
        """How far it is, and what became of its commands."""
        whose = await context.access.tenant(request.auth, tenant)
        return _job_view(await bulks.job(whose.number, read_id(bulk_id, "bulk job")))

    @patch(
        "/v1/commands/bulk/{bulk_id:str}",
        **route(
            TAG,
            "Pause, resume or cancel a bulk job",
            "operator",
            BulkView,
            example={**_BULK, "state": "paused"},
            says="The job as it is now.",
            fails=(400, 401, 403, 404, 409, 413, 503),
        ),
    )
    async def change_bulk_job(
        request: Request[Any, Any, Any],
        bulk_id: Annotated[str, PathParameter(description="The job's id.")],
        data: JSONBody[BulkChange],
        tenant: TenantName = None,
    ) -> BulkView:
        """A paused job makes no further commands; a cancelled one also cancels those that are still
        queued."""
        whose = await context.access.tenant(request.auth, tenant)
        job = await bulks.change(whose.number, read_id(bulk_id, "bulk job"), data.state)
        return _job_view(job)

    return [list_bulk_jobs, get_bulk_job, change_bulk_job]


def _policy(context: Context, policies: Policies) -> list[BaseRouteHandler]:
    example = {"changes": {}, "policy": _DEFAULT_POLICY}

    @get(
        "/v1/commands/policy",
        **route(
            TAG,
            "Look at the downlink policy",
            "reader",
            PolicyView,
            example=example,
            says="The policy.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def get_policy(request: Request[Any, Any, Any], tenant: TenantName = None) -> PolicyView:
        """What each bearer costs and how long its answers may take, and what each class of messages
        minds."""
        whose = await context.access.tenant(request.auth, tenant)
        changes, policy = await policies.read(whose.number)
        return PolicyView(changes=changes, policy=policy)

    @put(
        "/v1/commands/policy",
        **route(
            TAG,
            "Set the downlink policy",
            "admin",
            PolicyView,
            example=example,
            says="The policy as it is now.",
            fails=(400, 401, 403, 404, 413, 503),
        ),
    )
    async def set_policy(
        request: Request[Any, Any, Any], data: JSONBody[PolicyChange], tenant: TenantName = None
    ) -> PolicyView:
        """Replace the tenant's changes to the defaults; workers follow within five seconds."""
        whose = await context.access.tenant(request.auth, tenant)
        changes = _without_nulls(msgspec.to_builtins(data))
        return PolicyView(changes=changes, policy=await policies.write(whose.number, changes))

    return [get_policy, set_policy]


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


def _job_view(job: Job) -> BulkView:
    return BulkView(
        id=job.id.hex,
        kind=job.template.kind,
        state=job.state,
        made=job.made,
        skipped=job.skipped,
        vehicles=job.vehicles,
        rate_per_s=job.rate,
        created=moment_of(job.made_us),
        ended=None if job.ended_us is None else moment_of(job.ended_us),
        states=job.states,
        maker=job.maker,
    )


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return value
