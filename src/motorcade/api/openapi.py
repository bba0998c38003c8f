"""The OpenAPI 3.1 document: its frame, and helpers by which routes describe their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.spec import Components, License, SecurityScheme, Tag
from litestar.routes import HTTPRoute
from litestar.types import Method

from motorcade import __version__
from motorcade.api.auth import PUBLIC, needs, public
from motorcade.api.pages.document import DocsPage
from motorcade.api.problems import MEDIA_TYPE, Problem

__all__ = ["TAGS", "finished", "openapi_config", "route"]

TAGS: Final[Mapping[str, str]] = {
    "State": "What is true now.",
    "History": "What was true when.",
    "Stream": "What is happening, as it happens.",
    "Ingest": "What other back ends know of their cars.",
    "Commands": "What cars are asked to do, and what they are to be.",
    "Vehicles": "Whose cars these are.",
    "Forwarding": "What goes to other platforms.",
    "Tenants and keys": "Who may ask.",
    "Platform": "How the platform is doing, and what it could not read.",
}
"""Groups of addresses, in the order a reader meets them."""

_DESCRIPTION: Final = (
    "Connected vehicles: their state, their history, their stream. Send an API key as "
    "`Authorization: Bearer KEY`. A key belongs to one tenant and never sees another's data; a "
    "platform key names the tenant it acts for with `?tenant=NAME`. Times are ISO 8601 in UTC; "
    "signals are named by their COVESA VSS paths and given in the catalogue's units. Errors are "
    "`application/problem+json` (RFC 9457)."
)
_FAILURES: Final[Mapping[int, str]] = {
    400: "A parameter or the body is not valid; `errors` names the fields.",
    401: "No key, or one that is unknown or revoked.",
    403: "The key's role may not do this.",
    404: "No such thing, or none of this tenant's.",
    408: "The body does not arrive in time; send it again over a better link.",
    409: "It exists already, or is held by someone else.",
    412: "What `If-Match` or `If-None-Match` demands does not hold.",
    413: "The body is larger than this address takes.",
    429: "A limit is reached; `Retry-After` says when to come back.",
    503: "An engine does not answer; try again.",
}


def route(
    tag: str,
    summary: str,
    role: str,
    kind: Any,
    *,
    status: int = 200,
    says: str = "The answer.",
    example: Any = None,
    media_type: str = "application/json",
    also: Mapping[str, str] | None = None,
    bodies: Mapping[str, Any] | None = None,
    fails: tuple[int, ...] = (400, 401, 403, 404, 429, 503),
    **opt: Any,
) -> dict[str, Any]:
    """Handler arguments of one route: its role, its group, and its answers with an example.

    ``kind`` is the answer's type; ``also`` further media types with what they hold; ``bodies`` an
    example (and its schema) by media type, for routes that read their body themselves; ``opt`` what
    the gate asks (``timeout_s``).
    """
    specs = {
        status: ResponseSpec(
            data_container=kind,
            description=says,
            media_type=media_type,
            generate_examples=False,
        )
    }
    # Whatever an address takes, a parameter it does not know is refused.
    for code in sorted({400, *fails}) if role != PUBLIC else (400,):
        specs[code] = ResponseSpec(
            data_container=Problem,
            description=_FAILURES[code],
            media_type=MEDIA_TYPE,
            generate_examples=False,
        )
    declared = public() if role == PUBLIC else needs(role)
    hints = {"also": dict(also or {}), "bodies": dict(bodies or {}), "example": example}
    return {
        "tags": [tag],
        "summary": summary,
        "status_code": status,
        "responses": specs,
        "security": declared["security"],
        "opt": {**declared["opt"], **opt, "document": hints},
    }


def finished(app: Litestar) -> dict[str, Any]:
    """The document with what the framework cannot know: roles, further media types, raw bodies."""
    # Defaults that are structs become plain objects, which JSON and the page can show.
    document: dict[str, Any] = msgspec.to_builtins(app.openapi_schema.to_schema())
    for entry in app.routes:
        if not isinstance(entry, HTTPRoute) or entry.path_format not in document["paths"]:
            continue
        for method, (handler, _) in entry.route_handler_map.items():
            operation = document["paths"][entry.path_format].get(method.lower())
            if operation is not None:
                _finish(operation, handler.opt)
    return document


def _finish(operation: dict[str, Any], opt: Mapping[str, Any]) -> None:
    operation["x-role"] = opt.get("role", "")
    hints = opt.get("document", {})
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _without_null(parameter["schema"])
    if hints.get("bodies"):
        operation["requestBody"] = {"required": True, "content": hints["bodies"]}
    for status, answer in operation["responses"].items():
        if not status.startswith("2"):
            continue
        for media in answer.get("content", {}).values():
            if hints.get("example") is not None:
                media["example"] = hints["example"]
        for kind, text in hints.get("also", {}).items():
            schema = {"type": "string", "description": text}
            answer.setdefault("content", {})[kind] = {"schema": schema}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is left out, never null."""
    kinds = [kind for kind in schema.get("oneOf", []) if kind.get("type") != "null"]
    if len(kinds) != 1:
        return schema
    return {**kinds[0], **{name: part for name, part in schema.items() if name != "oneOf"}}


def _operation_id(handler: HTTPRouteHandler, method: Method, path: Sequence[Any]) -> str:
    """The handler's name: generated clients get methods called ``get_state``."""
    return handler.handler_name


def openapi_config() -> OpenAPIConfig:
    """The document's frame; ``/docs`` renders it without anything from another server."""
    return OpenAPIConfig(
        title="Motorcade",
        version=__version__,
        description=_DESCRIPTION,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
        components=Components(
            security_schemes={
                "key": SecurityScheme(
                    type="http", scheme="bearer", description="An API key of one tenant."
                )
            }
        ),
        use_handler_docstrings=True,
        operation_id_creator=_operation_id,
        render_plugins=[DocsPage(finished)],
        openapi_router=Router(
            "/docs", route_handlers=[], include_in_schema=False, opt=public()["opt"]
        ),
    )
