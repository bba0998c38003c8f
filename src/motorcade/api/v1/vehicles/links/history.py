"""``/v1/vehicles/{vin}/links/history``: how a vehicle's links came and went."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from motorcade import limits
from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import Cursor, From, TenantName, Until, Vin, period
from motorcade.api.v1.vehicles.links.registry import EXAMPLE_NAME, Bearer
from motorcade.apps.sessions.rows import KIND, PATHS
from motorcade.history.reader import QueryResult
from motorcade.signals.text import plain_column

__all__ = ["LinkChange", "LinkChanges", "routes"]

_PREFIX: Final = "Vehicle.Connectivity."
_FIELDS: Final = {
    "online": "IsOnline",
    "links": "LinkCount",
    "bearer": "Bearer",
    "event": "Link.Event",
    "name": "Link.Name",
    "protocol": "Link.Protocol",
    "link_bearer": "Link.Bearer",
    "previous_bearer": "Link.PreviousBearer",
    "address": "Link.Address",
    "reason": "Link.Reason",
    "duration_s": "Link.Duration",
    "gap_s": "Link.Gap",
}
_WORDS: Final = frozenset({"bearer", "link_bearer", "previous_bearer", "event"})
_HISTORY: Final = {
    "vin": "LNSTEST0000000001",
    "changes": [
        {
            "time": "2026-11-22T07:12:40.250000Z",
            "event": "up",
            "name": EXAMPLE_NAME,
            "online": True,
            "links": 1,
            "bearer": "nr",
            "protocol": "jt808",
            "link_bearer": "nr",
            "previous_bearer": "lte",
            "address": "192.0.2.17:40112",
            "gap_s": 0.8,
        }
    ],
    "complete": True,
    "next": None,
}


class LinkChange(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What happened to a link, and what was true of the vehicle then: whether it counted as
    ``online``, its number of ``links``, its ``bearer``.

    ``event``: a link came ``up``, ``changed``, went ``down`` (for a ``reason``, after
    ``duration_s``), or the vehicle was ``offline``. ``previous_bearer`` stands where the vehicle
    changed over from another; ``gap_s`` where it had no link before.
    """

    time: str
    event: Literal["up", "changed", "down", "offline"]
    name: str
    online: bool
    links: int
    bearer: Bearer
    protocol: str | None = None
    link_bearer: Bearer | None = None
    previous_bearer: Bearer | None = None
    address: str | None = None
    reason: str | None = None
    duration_s: float | None = None
    gap_s: float | None = None


class LinkChanges(msgspec.Struct, kw_only=True, frozen=True):
    """A page of changes, the oldest first; ``complete`` is false where the newest seconds could not
    be asked for; ``next`` is the next page's cursor."""

    vin: str
    changes: list[LinkChange]
    complete: bool
    next: str | None


def routes(context: Context) -> list[BaseRouteHandler]:
    """Tell."""
    return [_before(context)]


def _before(context: Context) -> BaseRouteHandler:
    services = context.services

    @get(
        "/v1/vehicles/{vin:str}/links/history",
        **route(
            "Links",
            "What became of a vehicle's links",
            "reader",
            LinkChanges,
            example=_HISTORY,
            says="Changes, the oldest first.",
            fails=(400, 401, 403, 404, 429, 503),
        ),
    )
    async def get_link_history(
        request: Request[Any, Any, Any],
        *,
        vin: Vin,
        from_: From = None,
        to: Until = None,
        limit: Annotated[
            int,
            QueryParameter(ge=1, le=limits.API_HISTORY_ROWS_MAX, description="Changes of a page."),
        ] = limits.API_HISTORY_ROWS_DEFAULT,
        cursor: Cursor = None,
        tenant: TenantName = None,
    ) -> LinkChanges:
        """Every link that came and went, each change of bearer, each gap, and when the vehicle
        counted as offline: by the time the platform heard of it."""
        whose = await context.access.tenant(request.auth, tenant)
        since, until = period(from_, to, services.clock.now_us())
        number = await context.vins.number(whose.number, vin)
        result = await services.history.query(
            whose.number,
            number,
            signals=PATHS,
            from_us=since,
            to_us=until,
            limit=limit,
            cursor=cursor,
            kind=KIND,
        )
        return LinkChanges(
            vin=vin.upper(),
            changes=_changes(result),
            complete=not result.partial,
            next=result.cursor,
        )

    return get_link_history


def _changes(result: QueryResult) -> list[LinkChange]:
    table = result.table
    columns = {name: plain_column(table.column(_PREFIX + path)) for name, path in _FIELDS.items()}
    for name in _WORDS:
        columns[name] = [word and word.lower() for word in columns[name]]
    times = plain_column(table.column("event_time"))
    return [
        LinkChange(time=time, **dict(zip(columns, row, strict=True)))
        for time, row in zip(times, zip(*columns.values(), strict=True), strict=True)
    ]
