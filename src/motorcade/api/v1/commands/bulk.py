"""``/v1/commands/bulk``: one command to many vehicles, and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get, patch
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, PathParameter, QueryParameter

from motorcade import limits
from motorcade.api.command_views import TAG, moment_of, place_of, read_id
from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import Cursor, TenantName
from motorcade.api.parameters import cursor as written
from motorcade.apps.commands.bulk import Bulks, Job

__all__ = ["EXAMPLE", "BulkChange", "BulkList", "BulkView", "job_view", "routes"]

EXAMPLE = {
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


def routes(context: Context) -> list[BaseRouteHandler]:
    """List, look at and change."""
    services = context.services
    log = services.log
    bulks = Bulks(services.fleet.store, log, services.clock, log.partitions)
    return [*_looking(context, bulks), _changing(context, bulks)]


def _looking(context: Context, bulks: Bulks) -> list[BaseRouteHandler]:
    @get(
        "/v1/commands/bulk",
        **route(
            TAG,
            "List bulk jobs",
            "reader",
            BulkList,
            example={"jobs": [{**EXAMPLE, "states": {}}], "next": None},
            says="A page of jobs, the newest first.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def list_bulk_jobs(
        request: Request[Any, Any, Any],
        *,
        limit: Annotated[
            int, QueryParameter(ge=1, le=limits.API_PAGE_ROWS_MAX, description="Jobs of a page.")
        ] = limits.API_PAGE_ROWS_DEFAULT,
        cursor: Cursor = None,
        tenant: TenantName = None,
    ) -> BulkList:
        """The tenant's bulk jobs, those that ended among them."""
        whose = await context.access.tenant(request.auth, tenant)
        jobs, further = await bulks.jobs(whose.number, place_of(cursor), limit)
        views = [job_view(job) for job in jobs]
        return BulkList(jobs=views, next=written(further) if further else None)

    @get(
        "/v1/commands/bulk/{bulk_id:str}",
        **route(
            TAG,
            "Look at a bulk job",
            "reader",
            BulkView,
            example=EXAMPLE,
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
        return job_view(await bulks.job(whose.number, read_id(bulk_id, "bulk job")))

    return [list_bulk_jobs, get_bulk_job]


def _changing(context: Context, bulks: Bulks) -> BaseRouteHandler:
    @patch(
        "/v1/commands/bulk/{bulk_id:str}",
        **route(
            TAG,
            "Pause, resume or cancel a bulk job",
            "operator",
            BulkView,
            example={**EXAMPLE, "state": "paused"},
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
        return job_view(job)

    return change_bulk_job


def job_view(job: Job) -> BulkView:
    """A job as callers see it."""
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
