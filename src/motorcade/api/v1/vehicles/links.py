"""``/v1/vehicles/{vin}/links``: over what a vehicle is connected, now and before."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, cast

import msgspec
from litestar import Request, get
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from motorcade import limits
from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import Cursor, From, TenantName, Until, Vin, period
from motorcade.apps.sessions.rows import KIND, PATHS
from motorcade.apps.sessions.sessions import Session, started_us
from motorcade.apps.sessions.store import SessionStore
from motorcade.history.reader import QueryResult
from motorcade.signals.text import iso_time, plain_column

__all__ = ["LinkChange", "LinkChanges", "LinkNow", "LinksNow", "routes"]

Bearer = Literal["unknown", "lte", "nr", "cv2x", "satellite", "wifi", "wired"]

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
_NAME: Final = "gateway-0.1763990000123456/jt808/17"
_NOW: Final = {
    "vin": "LNSTEST0000000001",
    "online": True,
    "reachable": True,
    "bearer": "nr",
    "last_seen": "2026-11-22T08:00:01Z",
    "offline_at": None,
    "links": [
        {
            "name": _NAME,
            "protocol": "jt808",
            "bearer": "nr",
            "gateway": "gateway-0",
            "since": "2026-11-22T07:12:40.250000Z",
            "reachable": True,
            "address": "192.0.2.17:40112",
            "identity": "13800001111",
        }
    ],
}
_HISTORY: Final = {
    "vin": "LNSTEST0000000001",
    "changes": [
        {
            "time": "2026-11-22T07:12:40.250000Z",
            "event": "up",
            "name": _NAME,
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


class LinkNow(msgspec.Struct, kw_only=True, frozen=True):
    """A link the vehicle has. ``identity`` is what it is called there: a VIN, a phone number."""

    name: str
    protocol: str
    bearer: Bearer
    gateway: str
    since: str
    reachable: bool
    address: str
    identity: str


class LinksNow(msgspec.Struct, kw_only=True, frozen=True):
    """How the vehicle is connected; ``links`` has the newest first.

    ``reachable``: whether a link can carry commands. ``bearer``: of the newest link, or of the last
    one. ``last_seen``: when something of it, or about its links, came in last. ``offline_at``:
    while it has no link and still counts as online, when that ends unless it comes back.
    """

    vin: str
    online: bool
    reachable: bool
    bearer: Bearer | None
    last_seen: str | None
    offline_at: str | None
    links: list[LinkNow]


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
    """Read links and what became of them."""
    return [_now(context), _before(context)]


def _now(context: Context) -> BaseRouteHandler:
    services = context.services
    sessions = SessionStore(services.fleet.store)

    @get(
        "/v1/vehicles/{vin:str}/links",
        **route(
            "Links",
            "A vehicle's links",
            "reader",
            LinksNow,
            example=_NOW,
            says="Its links, and whether it is online.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def get_links(
        request: Request[Any, Any, Any], vin: Vin, tenant: TenantName = None
    ) -> LinksNow:
        """Over what the vehicle is connected now. A session survives its links: a vehicle stays
        online while it changes over from one to another, and for a few seconds without any.

        `GET /v1/state?where=Vehicle.Connectivity.IsOnline = TRUE` lists all that are online."""
        whose = await context.access.tenant(request.auth, tenant)
        number = await context.vins.number(whose.number, vin)
        session = await sessions.of_vehicle(whose.number, number)
        state = await services.twin.fetch(number, whose.number, ())
        seen = None if state is None else iso_time(state.seen_s * 1_000_000)
        return _links_now(vin.upper(), session, seen)

    return get_links


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


def _links_now(vin: str, session: Session | None, seen: str | None) -> LinksNow:
    if session is None:
        return LinksNow(
            vin=vin,
            online=False,
            reachable=False,
            bearer=None,
            last_seen=seen,
            offline_at=None,
            links=[],
        )
    return LinksNow(
        vin=vin,
        online=session.online,
        reachable=any(link.reachable for link in session.links),
        bearer=_bearer(session.bearer) if session.bearer else None,
        last_seen=seen,
        offline_at=iso_time(session.due_us) if session.due_us else None,
        links=[
            LinkNow(
                name=link.link,
                protocol=link.protocol,
                bearer=_bearer(link.bearer),
                gateway=started_us(link.incarnation)[0],
                since=iso_time(link.since_us),
                reachable=link.reachable,
                address=link.address,
                identity=link.identity,
            )
            for link in reversed(session.links)
        ],
    )


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


def _bearer(word: str) -> Bearer:
    return cast(Bearer, word)
