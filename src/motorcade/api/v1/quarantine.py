"""``/v1/quarantine``: what vehicles sent that nobody could read."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import Cursor, TenantName
from motorcade.api.parameters import limit as limited
from motorcade.log.quarantine import Quarantined
from motorcade.signals.text import iso_time

__all__ = ["Piece", "Quarantine", "routes"]

_ROWS_MAX = 1_000
_EXAMPLE = {
    "entries": [
        {
            "time": "2026-11-22T08:00:00.120000Z",
            "protocol": "gbt32960",
            "peer": "203.0.113.9:40812",
            "vin": "LNSTEST0000000001",
            "code": "checksum",
            "reason": "The BCC does not match the bytes before it.",
            "hex": "232302fe4c4e53",
            "truncated": False,
        }
    ],
    "next": None,
}


class Piece(msgspec.Struct, kw_only=True, frozen=True):
    """A piece of a stream, with why it could not be read."""

    time: str
    protocol: str
    peer: str
    vin: str | None
    code: str
    reason: str
    hex: str
    truncated: bool


class Quarantine(msgspec.Struct, kw_only=True, frozen=True):
    """A page of pieces, the newest first. Pages follow the order in which they were written, which
    is that of time but for what gateways write moments apart."""

    entries: list[Piece]
    next: str | None


def routes(context: Context) -> list[BaseRouteHandler]:
    """Look at the quarantine."""
    log = context.services.log

    @get(
        "/v1/quarantine",
        **route(
            "Platform",
            "What could not be read",
            "operator",
            Quarantine,
            example=_EXAMPLE,
            says="A page of pieces, the newest first.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def list_quarantine(
        request: Request[Any, Any, Any],
        limit: Annotated[
            int, QueryParameter(ge=1, le=_ROWS_MAX, description="Pieces of a page.")
        ] = 100,
        cursor: Cursor = None,
        tenant: TenantName = None,
    ) -> Quarantine:
        """Frames of the tenant's vehicles that broke their standard: code, reason, bytes as hex. A
        platform key that names no tenant sees all, and what came from nobody known."""
        number = None
        if request.auth.tenant is not None or tenant is not None:
            number = (await context.access.tenant(request.auth, tenant)).number
        page = await log.quarantined(number, limited("limit", limit, 100, _ROWS_MAX), cursor)
        newest_first = sorted(page.entries, key=_time_us, reverse=True)
        return Quarantine(entries=[_piece(entry) for entry in newest_first], next=page.next)

    return [list_quarantine]


def _time_us(entry: Quarantined) -> int:
    return entry.time_us


def _piece(entry: Quarantined) -> Piece:
    return Piece(
        time=iso_time(entry.time_us),
        protocol=entry.protocol,
        peer=entry.peer,
        vin=entry.vin,
        code=entry.code,
        reason=entry.reason,
        hex=entry.data.hex(),
        truncated=entry.truncated,
    )
