"""``/v1/vehicles/{vin}/history``: one vehicle as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from litestar import Request, Response, get
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import UNSET, UnsetType

from motorcade import limits
from motorcade.api import render
from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import (
    Cursor,
    From,
    Signals,
    TenantName,
    Until,
    Vin,
    duration,
    period,
    refuse,
)
from motorcade.api.parameters import limit as limited
from motorcade.api.parameters import signals as signal_paths

__all__ = ["History", "Row", "routes"]

_EXAMPLE = {
    "vin": "LNSTEST0000000001",
    "rows": [
        {
            "event_time": "2026-11-22T08:00:00Z",
            "ingest_time": "2026-11-22T08:00:00.412370Z",
            "kind": "report",
            "reissued": False,
            "quality": {"Vehicle.Chassis.Accelerator.PedalPosition": "invalid"},
            "signals": {"Vehicle.Speed": 54.3},
        },
    ],
    "complete": True,
    "next": None,
}
_HEADS: Final = ("event_time", "ingest_time", "kind", "reissued", "quality", "raw")
"""Columns that say something of the row, in this order; every other one is a signal."""

Every = Annotated[
    str | None,
    QueryParameter(
        description="Down-sample to a row per so long: `10s`, `5m`, `1h`. Raw where left out.",
        examples=[Example(value="5m")],
    ),
]
Aggregate = Annotated[
    Literal["mean", "min", "max", "last"],
    QueryParameter(description="What a down-sampled row says of its window's values."),
]
Kind = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^[a-z][a-z0-9_]{0,31}$",
        description="Only rows of this kind: `report`, `login`, `logout`, `link`, `event`, `media`,"
        " or another that a protocol has. With `every`, reports alone are asked.",
        examples=[Example(value="report")],
    ),
]


class Row(msgspec.Struct, kw_only=True, frozen=True):
    """What the vehicle said at one moment. Raw rows also say when it came in, their ``kind``, and
    whether they were ``reissued`` from the vehicle's store; where there are such, ``quality`` names
    signals that were ``invalid`` or ``abnormal``, and ``raw`` has items without a signal: type
    (one byte), length (two) and content of each, as hex."""

    event_time: str
    signals: dict[str, Any]
    ingest_time: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    reissued: bool | UnsetType = UNSET
    quality: dict[str, Literal["invalid", "abnormal"]] | UnsetType = UNSET
    raw: str | UnsetType = UNSET


class History(msgspec.Struct, kw_only=True, frozen=True):
    """A page of rows, the oldest first; ``complete`` is false where the newest seconds could not be
    asked for; ``next`` is the next page's cursor."""

    vin: str
    rows: list[Row]
    complete: bool
    next: str | None


def routes(context: Context) -> list[BaseRouteHandler]:
    """Read a history."""
    services = context.services

    @get(
        "/v1/vehicles/{vin:str}/history",
        **route(
            "History",
            "One vehicle's history",
            "reader",
            History,
            example=_EXAMPLE,
            says="Rows, the oldest first.",
            also={
                render.CSV: "A header line, then a row each; `Next-Cursor` in the header.",
                render.ARROW: "An Arrow IPC stream; `Next-Cursor` in the header.",
            },
            fails=(400, 401, 403, 404, 429, 503),
        ),
    )
    async def get_history(
        request: Request[Any, Any, Any],
        *,
        vin: Vin,
        signals: Signals = None,
        from_: From = None,
        to: Until = None,
        kind: Kind = None,
        every: Every = None,
        aggregate: Aggregate = "mean",
        limit: Annotated[
            int, QueryParameter(ge=1, le=limits.API_HISTORY_ROWS_MAX, description="Rows of a page.")
        ] = limits.API_HISTORY_ROWS_DEFAULT,
        cursor: Cursor = None,
        tenant: TenantName = None,
    ) -> Response[Any]:
        """Every record the vehicle was acknowledged, each once, within two seconds of the
        acknowledgement; or one row per `every`.

        Pages end at `limit`; `next` leads on with the same parameters. Records that say nothing of
        `signals` are left out, so a page may hold fewer rows, or none, and have a `next`.
        """
        whose = await context.access.tenant(request.auth, tenant)
        form = render.choose(request.headers.get("accept"))
        paths = signal_paths("signals", signals, services.catalogue)
        since, until = period(from_, to, services.clock.now_us())
        window_us = duration("every", every)
        if window_us is not None and kind not in (None, "report"):
            refuse("kind", "is of raw rows; `every` is about reports")
        number = await context.vins.number(whose.number, vin)
        result = await services.history.query(
            whose.number,
            number,
            signals=paths,
            from_us=since,
            to_us=until,
            every_us=window_us,
            aggregate=aggregate,
            limit=limited(
                "limit", limit, limits.API_HISTORY_ROWS_DEFAULT, limits.API_HISTORY_ROWS_MAX
            ),
            cursor=cursor,
            kind=kind,
        )
        table = _ordered(result.table)
        if paths is not None and window_us is None:
            table = _saying(table, paths)
        return await render.answer(
            form,
            table,
            named=tuple(name for name in _HEADS if name in result.table.column_names),
            rows_key="rows",
            members={"vin": vin.upper(), "complete": not result.partial},
            next_cursor=result.cursor,
        )

    return [get_history]


def _saying(table: pa.Table, paths: Sequence[str]) -> pa.Table:
    """The rows with a value of at least one of ``paths``, or with the word that it is not valid."""
    mask = np.zeros(table.num_rows, np.bool_)
    for path in paths:
        mask |= pc.is_valid(table.column(path)).to_numpy()
    said = table.column("quality").combine_chunks()
    words = pa.array([f"{path}:{word}" for path in paths for word in ("invalid", "abnormal")])
    named = pc.is_in(pc.list_flatten(said), value_set=words)
    mask[pc.list_parent_indices(said).filter(named).to_numpy()] = True
    return table if mask.all() else table.filter(pa.array(mask))


def _ordered(table: pa.Table) -> pa.Table:
    """What says something of the row first, without the hash that only the platform compares."""
    heads = [name for name in _HEADS if name in table.column_names]
    return table.select(
        [*heads, *(name for name in table.column_names if name not in (*heads, "record"))]
    )
