"""``/v1/vehicles/{vin}/state``: one vehicle as it last reported."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import BaseRouteHandler

from motorcade.api import render
from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import Signals, TenantName, Vin
from motorcade.api.parameters import signals as signal_paths
from motorcade.api.states import encoded

__all__ = ["Signal", "VehicleState", "routes"]

_EXAMPLE = {
    "vin": "LNSTEST0000000001",
    "event_time": "2026-11-22T08:00:00Z",
    "signals": {
        "Vehicle.Speed": {"value": 54.3, "time": "2026-11-22T08:00:00Z"},
        "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current": {
            "value": None,
            "time": "2026-11-22T07:59:30Z",
            "quality": "invalid",
        },
    },
}


class Signal(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The last word on one signal. ``value`` is null where the vehicle said it is invalid or
    abnormal, and ``quality`` then says which."""

    value: Any
    time: str
    quality: str = ""


class VehicleState(msgspec.Struct, kw_only=True, frozen=True):
    """A vehicle as last reported; ``event_time`` is null where it never has."""

    vin: str
    event_time: str | None
    signals: dict[str, Signal]


def routes(context: Context) -> list[BaseRouteHandler]:
    """Read a state."""
    services = context.services
    access, vins = context.access, context.vins

    @get(
        "/v1/vehicles/{vin:str}/state",
        **route(
            "State",
            "One vehicle's state",
            "reader",
            VehicleState,
            example=_EXAMPLE,
            says="The newest value of every signal it has reported.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def get_state(
        request: Request[Any, Any, Any],
        vin: Vin,
        signals: Signals = None,
        tenant: TenantName = None,
    ) -> Response[bytes]:
        """What the vehicle last said, signal by signal, each with the time it said so. Current
        within 100 ms of the acknowledgement the vehicle gets.

        A registered vehicle that never reported has no `signals`, and a null for `event_time`."""
        whose = await access.tenant(request.auth, tenant)
        paths = signal_paths("signals", signals, services.catalogue)
        number = vins.known(whose.number, vin)
        if number is None:
            number = await vins.number(whose.number, vin)
        state = await services.twin.fetch(number, whose.number, paths)
        return Response(encoded(vin.upper(), state, services.catalogue), media_type=render.JSON)

    return [get_state]
