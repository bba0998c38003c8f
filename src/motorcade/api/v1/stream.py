"""``/v1/stream``: events as they are acknowledged, as server-sent events or over a WebSocket."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from litestar import Request, WebSocket, get, websocket
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from numpy.typing import NDArray

from motorcade import limits
from motorcade.api import render
from motorcade.api.context import Context
from motorcade.api.hub import Filter, Predicate
from motorcade.api.openapi import route
from motorcade.api.parameters import (
    Bbox,
    Signals,
    TenantName,
    Where,
    box,
    predicate,
    refuse,
)
from motorcade.api.parameters import signals as signal_paths
from motorcade.api.seats import EVENT_STREAM, EventStream, Seat, send_messages
from motorcade.errors import MotorcadeError
from motorcade.fleet.keys import Principal
from motorcade.signals.batch import SignalBatch

__all__ = ["Event", "routes"]

_EXAMPLE = (
    ': ready\n\ndata: {"vin":"LNSTEST0000000001","event_time":"2026-11-22T08:00:00Z",'
    '"kind":"report","signals":{"Vehicle.Speed":54.3}}\n\nevent: missed\ndata: {"missed":412}\n\n'
)

Vins = Annotated[
    str | None,
    QueryParameter(
        name="vin",
        description="Only these vehicles: VINs separated by commas,"
        f" {limits.API_STREAM_VINS_MAX} at most.",
    ),
]


class Event(msgspec.Struct, kw_only=True, frozen=True):
    """What one record said; ``kind`` is ``report``, ``login``, ``logout``, ``link`` (the platform's
    word on links and presence), ``event`` or ``media``."""

    vin: str
    event_time: str
    kind: str
    signals: dict[str, Any]


def routes(context: Context) -> list[BaseRouteHandler]:
    """Subscribe."""

    @get(
        "/v1/stream",
        **route(
            "Stream",
            "Live events",
            "reader",
            str,
            example=_EXAMPLE,
            media_type=EVENT_STREAM,
            says="Events, until the caller leaves or its key is revoked.",
            fails=(400, 401, 403, 404, 429, 503),
            timeout_s=0,
        ),
    )
    async def stream(
        request: Request[Any, Any, Any],
        *,
        bbox: Bbox = None,
        where: Where = None,
        signals: Signals = None,
        vins: Vins = None,
        tenant: TenantName = None,
    ) -> EventStream:
        """Every record of the tenant's vehicles from now on, right after its acknowledgement, as
        server-sent events; or over a WebSocket on the same address, one JSON object a message.

        `: ready` says that nothing is missed from here on. A filter looks at the record itself:
        `where Vehicle.Speed > 80` chooses records that report such a speed. Who reads too slowly is
        told so: `event: missed` with how many, and goes on with the newest. `event: end` says why
        there is no more: the key was revoked, or the server stops."""
        render.choose(request.headers.get("accept"), (EVENT_STREAM,))
        wanted, chooses = await _filter(
            context, request.auth, bbox=bbox, where=where, signals=signals, vins=vins, tenant=tenant
        )
        seat = await Seat.taken(context, wanted, chooses, request.headers.get("authorization"))
        return EventStream(seat)

    @websocket("/v1/stream", opt={"role": "reader"})
    async def stream_socket(
        socket: WebSocket[Any, Any, Any],
        *,
        bbox: Bbox = None,
        where: Where = None,
        signals: Signals = None,
        vins: Vins = None,
        tenant: TenantName = None,
    ) -> None:
        """The same over a WebSocket."""
        principal: Principal = socket.scope["auth"]
        try:
            wanted, chooses = await _filter(
                context,
                principal,
                bbox=bbox,
                where=where,
                signals=signals,
                vins=vins,
                tenant=tenant,
            )
            header = socket.headers.get("authorization")
            seat = await Seat.taken(context, wanted, chooses, header)
        except MotorcadeError as error:
            raise HTTPException(error.detail, status_code=error.status) from error
        async with seat.held():
            await socket.accept()
            await send_messages(socket, seat)

    return [stream, stream_socket]


async def _filter(
    context: Context,
    principal: Principal,
    *,
    bbox: str | None,
    where: str | None,
    signals: str | None,
    vins: str | None,
    tenant: str | None,
) -> tuple[Filter, Predicate | None]:
    """What the caller may see and wants; raises what is wrong with the parameters."""
    catalogue = context.services.catalogue
    whose = await context.access.tenant(principal, tenant)
    chosen = predicate("where", where, catalogue)
    paths = signal_paths("signals", signals, catalogue)
    vehicles = None
    if vins is not None:
        named = [vin.strip() for vin in vins.split(",") if vin.strip()]
        if not 0 < len(named) <= limits.API_STREAM_VINS_MAX:
            refuse("vin", f"name 1 to {limits.API_STREAM_VINS_MAX} vehicles")
        vehicles = tuple(sorted(await context.vins.numbers(whose.number, named)))
    wanted = Filter(
        tenant=whose.number,
        bbox=box("bbox", bbox),
        where=where,
        signals=None if paths is None else tuple(paths),
        vehicles=vehicles,
    )
    if chosen is None:
        return wanted, None

    def chooses(batch: SignalBatch) -> NDArray[np.bool_]:
        present = chosen.paths.intersection(batch.paths)
        return chosen.mask({path: batch.column(path) for path in present}, len(batch))

    return wanted, chooses
