"""Errors over HTTP: every failure as an ``application/problem+json`` object (RFC 9457).

Members: ``type`` (a place in ``/docs`` that explains the code), ``title``, ``status``, ``detail``,
``instance`` (the path asked for), ``code`` (from ``errors.py``), and the error's own facts:
``errors`` lists the fields of a body or query that are not valid. Never a stack trace.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from motorcade.errors import CallerError, CapacityError, DependencyError, Invalid, MotorcadeError
from motorcade.errors import NotFound as NotFoundError

__all__ = ["MEDIA_TYPE", "HANDLERS", "Problem", "problem", "problem_bytes"]

MEDIA_TYPE = "application/problem+json"
_AGAIN_S: Final = "1"
"""``Retry-After`` where an engine is away: they are back within seconds, or a person is needed."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller sees of a failure (RFC 9457 section 3.1)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str


def problem(error: Exception, instance: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The members and the response headers for ``error``; an unknown error tells nothing of
    itself."""
    headers: dict[str, str] = {}
    facts: Mapping[str, Any] = {}
    if isinstance(error, MotorcadeError):
        code, title, status, detail = error.code, error.title, error.status, error.detail
        facts = error.facts
        if isinstance(error, DependencyError):
            headers["Retry-After"] = _AGAIN_S
        if isinstance(error, CapacityError):
            headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
            facts = {**facts, "retry_after_s": error.retry_after_s}
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, HTTPException):
        code, title, status, detail, facts = _from_framework(error)
        headers.update(error.headers or {})
    elif isinstance(error, TimeoutError):
        code, title, status = DependencyError.code, DependencyError.title, DependencyError.status
        headers["Retry-After"] = _AGAIN_S
        detail = "The request took longer than this server allows; ask for less, or again later."
    else:
        code, title, status = MotorcadeError.code, MotorcadeError.title, MotorcadeError.status
        detail = "This is our bug; the server's log has the rest."
    plain = Problem(
        type=f"/docs#{code}",
        title=title,
        status=status,
        detail=detail,
        instance=instance,
        code=code,
    )
    members: dict[str, Any] = msgspec.to_builtins(plain)
    return {**members, **{k: v for k, v in facts.items() if k not in members}}, headers


def problem_bytes(error: Exception, instance: str) -> tuple[int, bytes, dict[str, str]]:
    """Status, encoded body and headers, for answers written without the framework."""
    members, headers = problem(error, instance)
    return int(members["status"]), msgspec.json.encode(members, enc_hook=str), headers


def _from_framework(error: HTTPException) -> tuple[str, str, int, str, Mapping[str, Any]]:
    if isinstance(error, ValidationException) or error.status_code == HTTPStatus.BAD_REQUEST:
        fields = _fields(error.extra)
        named = ", ".join(item["field"] for item in fields if item["field"])
        detail = f"Not valid: {named}." if named else error.detail
        return Invalid.code, Invalid.title, Invalid.status, detail, {"errors": fields}
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = "There is no such address; /docs lists all."
        return NotFoundError.code, NotFoundError.title, NotFoundError.status, detail, {}
    phrase = HTTPStatus(error.status_code).phrase
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        methods = (error.headers or {}).get("allow", "")
        detail = f"This address answers {methods} alone." if methods else phrase
        return CallerError.code, phrase, error.status_code, detail, {}
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return MotorcadeError.code, phrase, error.status_code, "This is our bug.", {}
    return CallerError.code, phrase, error.status_code, error.detail, {}


def _fields(extra: Any) -> list[dict[str, str]]:
    if not isinstance(extra, list):
        return []
    return [
        {"field": str(item.get("key", "")), "message": str(item.get("message", ""))}
        for item in extra
        if isinstance(item, dict)
    ]


def _respond(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    status, body, headers = problem_bytes(error, request.url.path)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, MotorcadeError):
        log = structlog.get_logger("motorcade.api")
        # As text, without local variables: those hold keys.
        trace = "".join(traceback.format_exception(error))
        log.error("request failed", path=request.url.path, method=request.method, trace=trace)
    return Response(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


HANDLERS: dict[int | type[Exception], Any] = {Exception: _respond, MotorcadeError: _respond}
"""What the application gives every failure to."""
