"""``/v1/ingest``: records in bodies."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, post
from litestar.handlers import BaseRouteHandler

from motorcade import limits
from motorcade.api.context import Context
from motorcade.api.ingest.bodies import ARROW
from motorcade.api.ingest.intake import Intake, Result
from motorcade.api.ingest.uploads import arrived
from motorcade.api.openapi import route
from motorcade.api.parameters import TenantName
from motorcade.errors import Invalid

__all__ = ["routes"]

_ROW = {"vin": "LNSTEST0000000001", "ts": "2026-11-22T08:00:00Z", "Vehicle.Speed": 54.3}
_LINES = (
    '{"vin":"LNSTEST0000000001","ts":"2026-11-22T08:00:00Z","Vehicle.Speed":54.3}\n'
    '{"vin":"LNSTEST0000000002","ts":"2026-11-22T08:00:01Z","Vehicle.IsMoving":false}\n'
)
_CSV = "vin,ts,Vehicle.Speed\nLNSTEST0000000001,2026-11-22T08:00:00Z,54.3\n"
_EXAMPLE = {
    "accepted": 99999,
    "rejected": 1,
    "errors": [
        {
            "line": 17,
            "vin": "LNSTEST0000000017",
            "code": "range",
            "reason": "400.5 is outside -90 to 90",
            "column": "Vehicle.CurrentLocation.Latitude",
        }
    ],
}


def routes(context: Context) -> list[BaseRouteHandler]:
    """Take in bodies."""
    return [_posting(context, Intake(context.services))]


def _posting(context: Context, intake: Intake) -> BaseRouteHandler:
    config = context.services.config

    @post(
        "/v1/ingest",
        request_max_body_size=limits.API_BODY_BYTES_MAX,
        **route(
            "Ingest",
            "Store records",
            "operator",
            Result,
            example=_EXAMPLE,
            says="The accepted rows are on disk.",
            fails=(400, 401, 403, 404, 408, 413, 429, 503),
            timeout_s=config.import_timeout_s,
            bodies={
                "application/x-ndjson": {"schema": {"type": "string"}, "example": _LINES},
                "application/json": {
                    "schema": {"type": "array", "items": {"type": "object"}},
                    "example": [_ROW],
                },
                "text/csv": {"schema": {"type": "string"}, "example": _CSV},
                ARROW: {"schema": {"type": "string", "format": "binary"}},
            },
        ),
    )
    async def ingest(request: Request[Any, Any, Any], tenant: TenantName = None) -> Result:
        """Up to 100,000 rows: JSON lines, a JSON list, CSV with a header line, or an Arrow IPC
        stream. Each has `vin`, `ts` (ISO 8601 with a zone, or a number since 1970) and signals by
        their paths in the catalogue's units; `reissued` says that it was stored in the vehicle.

        A row is stored whole or not at all; wrong rows do not hold up the others. When the answer
        comes, the accepted rows are on disk. The same body sent again changes nothing, so after a
        503 or a broken connection send it again; there is no need for an idempotency key."""
        whose = await context.access.tenant(request.auth, tenant)
        with intake.places.taken(whose.number):
            encoding = request.headers.get("content-encoding", "identity")
            if encoding != "identity":
                raise Invalid(f"Send the body as it is, not as {encoding}.")
            body = await arrived(
                request.stream(),
                timeout_s=config.upload_timeout_s,
                bytes_per_s_min=config.upload_bytes_per_s_min,
            )
            result = await intake.store(whose.number, request.content_type[0], body)
        if not result.accepted:
            raise Invalid(
                f"None of the {result.rejected} rows can be stored.",
                errors=msgspec.to_builtins(result.errors),
                rejected=result.rejected,
            )
        return result

    return ingest
