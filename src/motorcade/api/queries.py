"""Query parameters that an address does not know are refused by name, not passed over in silence.

A misspelt ``signal=`` that is passed over answers with everything, and nobody notices."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import QueryParameter

from motorcade.errors import Invalid

__all__ = ["Queries", "known"]

_SHOWN_CHARS_MAX: Final = 64
"""Of a name that is not known, this much is said back."""

_ALIKE: Final = 0.6
"""How alike two names are (``difflib``'s ratio) for one to be what the other meant."""


class Queries:
    """What every route takes, looked up once per route; ``guard`` stands behind the access
    guard."""

    def __init__(self) -> None:
        self._known: dict[BaseRouteHandler, frozenset[str] | None] = {}

    async def guard(
        self, connection: ASGIConnection[Any, Any, Any, Any], route: BaseRouteHandler
    ) -> None:
        """Raise ``Invalid`` for a parameter that ``route`` does not take, or that comes twice."""
        if not connection.scope["query_string"]:
            return
        if route not in self._known:
            self._known[route] = known(route)
        names = self._known[route]
        if names is None:
            return
        errors = _errors([name for name, _ in connection.query_params.multi_items()], names)
        if not errors:
            return
        detail = f"{errors[0]['field']}: {errors[0]['message']}"
        if connection.scope["type"] == ScopeType.WEBSOCKET:
            raise HTTPException(detail, status_code=Invalid.status)
        raise Invalid(detail, errors=errors)


def known(route: BaseRouteHandler) -> frozenset[str] | None:
    """The query parameters of ``route``; None where it is a page, which may be given any."""
    if isinstance(route, HTTPRouteHandler) and not route.resolve_include_in_schema():
        return None
    return frozenset(
        parameter.kwarg_definition.name or name
        for name, parameter in route.parsed_fn_signature.parameters.items()
        if isinstance(parameter.kwarg_definition, QueryParameter)
    )


def _errors(given: list[str], names: frozenset[str]) -> list[dict[str, str]]:
    twice = {name for name in names if given.count(name) > 1}
    return [
        *(_error(name, _meant(name, names)) for name in dict.fromkeys(given) if name not in names),
        *(_error(name, "is given more than once") for name in sorted(twice)),
    ]


def _meant(name: str, names: frozenset[str]) -> str:
    if not names:
        return "is not known here: this address takes no query parameters"
    near = get_close_matches(name[:_SHOWN_CHARS_MAX].lower(), sorted(names), 1, _ALIKE)
    if near:
        return f"is not known here; did you mean {near[0]}?"
    return f"is not known here; this address takes {', '.join(sorted(names))}"


def _error(name: str, message: str) -> dict[str, str]:
    return {"field": name[:_SHOWN_CHARS_MAX], "message": message}
