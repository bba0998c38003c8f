"""``/v1/commands/policy``: over which links a tenant's messages go."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, put
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from motorcade.api.command_views import TAG
from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.api.parameters import TenantName
from motorcade.apps.commands.policies import Policies
from motorcade.apps.commands.policy import DEFAULT, Policy

__all__ = ["BearerChange", "ClassChange", "PolicyChange", "PolicyView", "routes"]

_DEFAULT_POLICY = msgspec.to_builtins(DEFAULT)


class BearerChange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Of one bearer, what differs from the defaults."""

    cost: float | None = None
    latency_ms: float | None = None
    battery: float | None = None
    silence_s: float | None = None


class ClassChange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Of one message class, what differs from the defaults."""

    cost: float | None = None
    latency: float | None = None
    battery: float | None = None
    never: list[str] | None = None


class PolicyChange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a tenant changes of the default policy; everything else stays as it is."""

    bearers: dict[str, BearerChange] = {}
    classes: dict[str, ClassChange] = {}
    in_flight_per_vehicle: int | None = None


class PolicyView(msgspec.Struct, kw_only=True, frozen=True):
    """The tenant's changes and the whole policy that follows from them."""

    changes: dict[str, Any]
    policy: Policy


def routes(context: Context) -> list[BaseRouteHandler]:
    """Look at it and set it."""
    return _policy(context, Policies(context.services.fleet.store))


def _policy(context: Context, policies: Policies) -> list[BaseRouteHandler]:
    example = {"changes": {}, "policy": _DEFAULT_POLICY}

    @get(
        "/v1/commands/policy",
        **route(
            TAG,
            "Look at the downlink policy",
            "reader",
            PolicyView,
            example=example,
            says="The policy.",
            fails=(400, 401, 403, 404, 503),
        ),
    )
    async def get_policy(request: Request[Any, Any, Any], tenant: TenantName = None) -> PolicyView:
        """What each bearer costs and how long its answers may take, and what each class of messages
        minds."""
        whose = await context.access.tenant(request.auth, tenant)
        changes, policy = await policies.read(whose.number)
        return PolicyView(changes=changes, policy=policy)

    @put(
        "/v1/commands/policy",
        **route(
            TAG,
            "Set the downlink policy",
            "admin",
            PolicyView,
            example=example,
            says="The policy as it is now.",
            fails=(400, 401, 403, 404, 413, 503),
        ),
    )
    async def set_policy(
        request: Request[Any, Any, Any], data: JSONBody[PolicyChange], tenant: TenantName = None
    ) -> PolicyView:
        """Replace the tenant's changes to the defaults; workers follow within five seconds."""
        whose = await context.access.tenant(request.auth, tenant)
        changes = _without_nulls(msgspec.to_builtins(data))
        return PolicyView(changes=changes, policy=await policies.write(whose.number, changes))

    return [get_policy, set_policy]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return value
