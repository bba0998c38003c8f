"""``/v1/vehicles/{vin}/desired``: which values actuator signals are to have, and have."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, get, patch, put
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, JSONBody

from motorcade.api.command_views import TAG, moment_of
from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import TenantName, Vin, refuse
from motorcade.apps.commands.desired import Condition, Desired, DesiredStates, differs
from motorcade.apps.commands.desk import Desk
from motorcade.errors import Conflict, NotFound

__all__ = ["DesiredChange", "DesiredSignal", "DesiredView", "NewDesired", "routes"]

_PATH: Final = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
_EXAMPLE = {
    "vin": "LNSTEST0000000001",
    "version": 3,
    "changed": "2026-11-22T08:00:00Z",
    "converged": False,
    "signals": {
        _PATH: {
            "desired": 22,
            "reported": 18,
            "time": "2026-11-22T07:59:30Z",
            "converged": False,
        }
    },
    "command": "0199b5d2c3f07c1e9a4b2d6f8e1a3c5d",
}
_TAGS: Final = re.compile(r'(?:W/)?"(\d{1,18})"')

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="Only if it is of this version: an ETag this address gave, or `*`: any.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", description="`*`: only if nothing is desired yet."),
]


class NewDesired(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Everything that is to be desired."""

    signals: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="Path to value; actuators of the catalogue, in its units.",
            examples=[{_PATH: 22}],
        ),
    ]


class DesiredChange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is to be desired besides; null takes a signal out."""

    signals: Annotated[
        dict[str, Any],
        msgspec.Meta(description="Path to value, or to null.", examples=[{_PATH: None}]),
    ]


class DesiredSignal(msgspec.Struct, kw_only=True, frozen=True):
    """One signal: the value it is to have, and what the vehicle last said; ``reported`` is null
    where it never did, or said that it is not valid."""

    desired: Any
    reported: Any
    time: datetime | None
    converged: bool


class DesiredView(msgspec.Struct, kw_only=True, frozen=True):
    """A vehicle's desired state. ``version`` is its ETag's; ``command`` the one that was sent last
    to bring it about."""

    vin: str
    version: int
    changed: datetime
    converged: bool
    signals: dict[str, DesiredSignal]
    command: str | None


def routes(context: Context) -> list[BaseRouteHandler]:
    """Look at, set, change and end what is desired."""
    services = context.services
    store, log, clock = services.fleet.store, services.log, services.clock
    desk = Desk(store, log, clock, log.partitions)
    states = DesiredStates(store, log, services.catalogue, clock, log.partitions)
    return [
        _looking(context, states),
        *_setting(context, states, desk),
        _ending(context, states, desk),
    ]


def _looking(context: Context, states: DesiredStates) -> BaseRouteHandler:
    @get(
        "/v1/vehicles/{vin:str}/desired",
        **route(
            TAG,
            "Look at the desired state",
            "reader",
            DesiredView,
            example=_EXAMPLE,
            says="What is desired beside what is reported; the version is the `ETag`.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def get_desired(
        request: Request[Any, Any, Any], vin: Vin, tenant: TenantName = None
    ) -> Response[DesiredView]:
        """Each signal with the value it is to have and the one the vehicle last reported."""
        whose = await context.access.tenant(request.auth, tenant)
        number = await context.vins.number(whose.number, vin)
        found = await states.get(whose.number, number)
        return await _answer(context, whose.number, vin, found)

    return get_desired


def _setting(context: Context, states: DesiredStates, desk: Desk) -> list[BaseRouteHandler]:
    described: dict[str, Any] = {
        "example": _EXAMPLE,
        "says": "What is desired now; the version is the `ETag`.",
        "fails": (400, 401, 403, 404, 412, 413, 503),
    }

    @put(
        "/v1/vehicles/{vin:str}/desired",
        **route(TAG, "Set the desired state", "operator", DesiredView, **described),
    )
    async def set_desired(
        request: Request[Any, Any, Any],
        vin: Vin,
        data: JSONBody[NewDesired],
        *,
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
        tenant: TenantName = None,
    ) -> Response[DesiredView]:
        """Replace what is desired. While the vehicle reports other values, it is sent `set`
        commands, at growing distances, until it reports these or something else is desired."""
        condition = _condition(if_match, if_none_match)
        change = _Change(request, vin, tenant, data.signals, condition, merge=False)
        return await _change(context, states, desk, change)

    @patch(
        "/v1/vehicles/{vin:str}/desired",
        **route(TAG, "Change the desired state", "operator", DesiredView, **described),
    )
    async def change_desired(
        request: Request[Any, Any, Any],
        vin: Vin,
        data: JSONBody[DesiredChange],
        *,
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
        tenant: TenantName = None,
    ) -> Response[DesiredView]:
        """Desire other values of some signals, or nothing of some (null); the others stay."""
        condition = _condition(if_match, if_none_match)
        change = _Change(request, vin, tenant, data.signals, condition, merge=True)
        return await _change(context, states, desk, change)

    return [set_desired, change_desired]


def _ending(context: Context, states: DesiredStates, desk: Desk) -> BaseRouteHandler:
    @delete(
        "/v1/vehicles/{vin:str}/desired",
        **route(
            TAG,
            "Desire nothing",
            "operator",
            None,
            status=204,
            says="Nothing is desired any more.",
            fails=(400, 401, 403, 404, 412, 503),
        ),
    )
    async def delete_desired(
        request: Request[Any, Any, Any],
        vin: Vin,
        if_match: IfMatch = None,
        tenant: TenantName = None,
    ) -> None:
        """The vehicle stays as it is; a command to change it that is still queued is cancelled."""
        whose = await context.access.tenant(request.auth, tenant)
        number = await context.vins.number(whose.number, vin)
        command = await states.delete(whose.number, number, _condition(if_match, None))
        if command is not None:
            with contextlib.suppress(Conflict, NotFound):
                await desk.cancel(whose.number, command, number)

    return delete_desired


class _Change(msgspec.Struct, frozen=True):
    """A request to desire something else."""

    request: Request[Any, Any, Any]
    vin: str
    tenant: str | None
    signals: dict[str, Any]
    condition: Condition
    merge: bool


async def _change(
    context: Context, states: DesiredStates, desk: Desk, asked: _Change
) -> Response[DesiredView]:
    whose = await context.access.tenant(asked.request.auth, asked.tenant)
    number = await context.vins.number(whose.number, asked.vin)
    after, command = await states.put(
        whose.number,
        number,
        asked.signals,
        asked.condition,
        maker=asked.request.auth.key,
        merge=asked.merge,
    )
    if command is not None:
        with contextlib.suppress(Conflict, NotFound):
            await desk.cancel(whose.number, command, number)
    return await _answer(context, whose.number, asked.vin, after)


async def _answer(context: Context, tenant: int, vin: str, found: Desired) -> Response[DesiredView]:
    """What is desired beside what the twin knows."""
    catalogue = context.services.catalogue
    paths = [path for path in found.signals if path in catalogue]
    state = await context.services.twin.fetch(found.vehicle, tenant, paths)
    readings = state.signals if state is not None else {}
    signals: dict[str, DesiredSignal] = {}
    for path, value in found.signals.items():
        reading = readings.get(path)
        reported = None if reading is None else reading.value
        datatype = catalogue[path].datatype if path in catalogue else ""
        signals[path] = DesiredSignal(
            desired=value,
            reported=reported,
            time=None if reading is None else moment_of(reading.time_us),
            converged=not differs(value, reported, datatype),
        )
    view = DesiredView(
        vin=vin.upper(),
        version=found.version,
        changed=moment_of(found.changed_us),
        converged=all(signal.converged for signal in signals.values()),
        signals=signals,
        command=None if found.command is None else found.command.hex,
    )
    return Response(view, headers={"ETag": f'"{found.version}"'})


def _condition(match: str | None, none_match: str | None) -> Condition:
    if none_match is not None and none_match.strip() != "*":
        refuse("If-None-Match", "must be *")
    if match is None:
        return Condition(absent=none_match is not None)
    if match.strip() == "*":
        return Condition(versions=(), absent=none_match is not None)
    tags = [_TAGS.fullmatch(part.strip()) for part in match.split(",")]
    if not all(tags):
        refuse("If-Match", 'must be an ETag this address gave, as "3", or *')
    versions = tuple(int(tag[1]) for tag in tags if tag)
    return Condition(versions=versions, absent=none_match is not None)
