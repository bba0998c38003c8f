"""``/v1/state``: every vehicle of a tenant that a box and a predicate choose, as it is now."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from litestar import Request, Response, get
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from motorcade import limits
from motorcade.api import render
from motorcade.api.context import Context
from motorcade.api.hub import LATITUDE, LONGITUDE
from motorcade.api.openapi import route
from motorcade.api.parameters import (
    Bbox,
    Cursor,
    Number,
    Signals,
    TenantName,
    Where,
    box,
    predicate,
    read_cursor,
)
from motorcade.api.parameters import cursor as written
from motorcade.api.parameters import limit as limited
from motorcade.api.parameters import signals as signal_paths

__all__ = ["FleetState", "FleetVehicle", "routes"]

_SHOWN: Final = (LATITUDE, LONGITUDE, "Vehicle.Speed")
"""Signals of an answer to a request that names none, beside those of its predicate."""

_EXAMPLE = {
    "vehicles": [
        {
            "vin": "LNSTEST0000000001",
            "event_time": "2026-11-22T08:00:00Z",
            "signals": {"Vehicle.Speed": 81.5, LATITUDE: 31.2304, LONGITUDE: 121.4737},
        }
    ],
    "next": None,
}


class FleetVehicle(msgspec.Struct, kw_only=True, frozen=True):
    """One vehicle; signals that are not valid are left out."""

    vin: str
    event_time: str
    signals: dict[str, Any]


class FleetState(msgspec.Struct, kw_only=True, frozen=True):
    """A page of vehicles; ``next`` is the next page's cursor, null at the end."""

    vehicles: list[FleetVehicle]
    next: str | None


def routes(context: Context) -> list[BaseRouteHandler]:
    """Ask the whole fleet."""
    services = context.services

    @get(
        "/v1/state",
        **route(
            "State",
            "The state of many vehicles",
            "reader",
            FleetState,
            example=_EXAMPLE,
            says="The vehicles chosen.",
            also={
                render.CSV: "A header line, then a row each; `Next-Cursor` in the header.",
                render.ARROW: "An Arrow IPC stream; `Next-Cursor` in the header.",
            },
            fails=(400, 401, 403, 404, 429, 503),
        ),
    )
    async def get_fleet_state(
        request: Request[Any, Any, Any],
        *,
        bbox: Bbox = None,
        where: Where = None,
        signals: Signals = None,
        limit: Annotated[
            int,
            QueryParameter(ge=1, le=limits.API_PAGE_ROWS_MAX, description="Vehicles of a page."),
        ] = limits.API_PAGE_ROWS_DEFAULT,
        cursor: Cursor = None,
        tenant: TenantName = None,
    ) -> Response[Any]:
        """The tenant's vehicles in a box on the map, or for which a predicate holds, or both, or
        all.

        Without `signals` an answer has position, speed and what the predicate reads.
        """
        whose = await context.access.tenant(request.auth, tenant)
        kind = render.choose(request.headers.get("accept"))
        chosen = predicate("where", where, services.catalogue)
        paths = signal_paths("signals", signals, services.catalogue)
        if paths is None:
            read = sorted(chosen.paths) if chosen is not None else []
            paths = [p for p in dict.fromkeys([*_SHOWN, *read]) if p in services.catalogue]
        rows = limited("limit", limit, limits.API_PAGE_ROWS_DEFAULT, limits.API_PAGE_ROWS_MAX)
        table = await asyncio.to_thread(
            services.twin.select,
            whose.number,
            bbox=box("bbox", bbox),
            where=chosen,
            signals=paths,
            limit=rows,
            after=read_cursor(cursor, Number) or 0,
        )
        further = None
        if table.num_rows == rows:
            further = written(table.column("vehicle")[-1].as_py())
        return await render.answer(
            kind,
            await _named(context, whose.number, table),
            named=("vin", "event_time"),
            rows_key="vehicles",
            members={},
            next_cursor=further,
        )

    return [get_fleet_state]


async def _named(context: Context, tenant: int, table: pa.Table) -> pa.Table:
    """``table`` with VINs for numbers; vehicles that are no longer registered are left out."""
    numbers = table.column("vehicle").to_numpy()
    names = await context.vins.names(tenant, numbers.tolist())
    vins = pa.array([names.get(number) for number in numbers.tolist()], pa.string())
    named = table.set_column(0, "vin", vins)
    if len(names) < len(numbers):
        named = named.filter(pa.array(np.isin(numbers, list(names))))
    return named
