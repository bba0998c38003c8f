"""Failures as problems (RFC 9457): members, headers, and nothing of the inside."""

from __future__ import annotations

from litestar.exceptions import HTTPException

from motorcade.api.problems import problem
from motorcade.errors import CapacityError, DependencyError, Invalid, NotFound, Unauthorized


def test_members() -> None:
    members, headers = problem(NotFound("There is no vehicle X."), "/v1/vehicles/X")
    assert members == {
        "type": "/docs#caller.not_found",
        "title": "No such thing",
        "status": 404,
        "detail": "There is no vehicle X.",
        "instance": "/v1/vehicles/X",
        "code": "caller.not_found",
    }
    assert headers == {}


def test_facts_and_headers() -> None:
    fields = [{"field": "from", "message": "no"}]
    members, _ = problem(Invalid("no", errors=fields), "/")
    assert members["errors"] == fields
    members, headers = problem(CapacityError("full", retry_after_s=2.6), "/")
    assert (members["status"], headers["Retry-After"]) == (429, "3")
    assert problem(Unauthorized("who?"), "/")[1]["WWW-Authenticate"] == "Bearer"
    for away in (DependencyError("gone"), TimeoutError()):
        members, headers = problem(away, "/")
        assert (members["status"], headers["Retry-After"]) == (503, "1")


def test_a_bug_tells_nothing() -> None:
    members, _ = problem(ValueError("secret /etc/passwd"), "/")
    assert members["status"] == 500
    assert "secret" not in str(members)
    assert problem(TimeoutError(), "/")[0]["status"] == 503


def test_the_frameworks_own() -> None:
    assert problem(HTTPException(status_code=405, detail="no"), "/")[0]["status"] == 405
    assert problem(HTTPException(status_code=413, detail="big"), "/")[0]["code"] == "caller"
