"""``/v1/vehicles/{vin}/links``: over what a vehicle is connected now."""

from __future__ import annotations

from typing import Any, Final, Literal, cast

import msgspec
from litestar import Request, get
from litestar.handlers import BaseRouteHandler

from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import TenantName, Vin
from motorcade.apps.sessions.sessions import Session, started_us
from motorcade.apps.sessions.store import SessionStore
from motorcade.signals.text import iso_time

__all__ = ["EXAMPLE_NAME", "Bearer", "LinkNow", "LinksNow", "bearer_of", "routes"]

Bearer = Literal["unknown", "lte", "nr", "cv2x", "satellite", "wifi", "wired"]

EXAMPLE_NAME: Final = "gateway-0.1763990000123456/jt808/17"
_NOW: Final = {
    "vin": "LNSTEST0000000001",
    "online": True,
    "reachable": True,
    "bearer": "nr",
    "last_seen": "2026-11-22T08:00:01Z",
    "offline_at": None,
    "links": [
        {
            "name": EXAMPLE_NAME,
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


def routes(context: Context) -> list[BaseRouteHandler]:
    """Tell."""
    return [_now(context)]


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
        bearer=bearer_of(session.bearer) if session.bearer else None,
        last_seen=seen,
        offline_at=iso_time(session.due_us) if session.due_us else None,
        links=[
            LinkNow(
                name=link.link,
                protocol=link.protocol,
                bearer=bearer_of(link.bearer),
                gateway=started_us(link.incarnation)[0],
                since=iso_time(link.since_us),
                reachable=link.reachable,
                address=link.address,
                identity=link.identity,
            )
            for link in reversed(session.links)
        ],
    )


def bearer_of(word: str) -> Bearer:
    return cast(Bearer, word)
