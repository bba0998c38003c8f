"""``/v1/signals``: what a vehicle can report, and who speaks it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import limit as limited
from motorcade.signals.listing import Listed, listed

__all__ = ["SignalList", "routes"]

_ROWS_MAX = 2_000
_EXAMPLE = {
    "signals": [
        {
            "path": "Vehicle.Speed",
            "type": "float",
            "unit": "km/h",
            "protocols": ["gbt32960"],
            "kind": "sensor",
            "origin": "vss",
            "description": "Vehicle speed.",
            "comment": "",
            "allowed": [],
            "bits": [],
            "number": 1207,
        }
    ],
    "found": 1,
}


class SignalList(msgspec.Struct, kw_only=True, frozen=True):
    """Signals found; ``found`` counts also those beyond ``limit``."""

    signals: list[Listed]
    found: int


def routes(context: Context) -> list[BaseRouteHandler]:
    """Search the catalogue."""
    services = context.services

    @get(
        "/v1/signals",
        **route(
            "State",
            "Search the signal catalogue",
            "reader",
            SignalList,
            example=_EXAMPLE,
            says="The signals found, best first.",
            fails=(400, 401, 403),
        ),
    )
    async def list_signals(
        search: Annotated[
            str,
            QueryParameter(
                max_length=200, description="Words that must all occur: `motor temperature`."
            ),
        ] = "",
        limit: Annotated[
            int, QueryParameter(ge=1, le=_ROWS_MAX, description="How many to list.")
        ] = 100,
    ) -> SignalList:
        """The COVESA VSS catalogue with our overlay: path, type, unit, words of an enumeration, and
        which protocols report it."""
        found = listed(services.catalogue, services.protocols, search)
        rows = limited("limit", limit, 100, _ROWS_MAX)
        return SignalList(signals=found[:rows], found=len(found))

    return [list_signals]
