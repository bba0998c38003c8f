"""The gate around a route: what it counts, and that nothing takes longer than it may."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from motorcade.api.gate import Gate
from motorcade.api.metrics import Meters
from motorcade.clock import SystemClock

pytestmark = pytest.mark.asyncio


class Exchange:
    """One request through a gate: the pieces of its body, and what was sent back."""

    def __init__(self, pieces: int = 1, **opt: Any) -> None:
        self.meters = Meters()
        self.sent: list[dict[str, Any]] = []
        self._left = pieces
        self.scope: Any = {
            "type": "http",
            "method": "POST",
            "path_template": "/v1/things",
            "route_handler": SimpleNamespace(opt=opt),
        }

    @property
    def left(self) -> int:
        """Pieces of the body that nobody has taken."""
        return self._left

    async def pass_through(self, app: Any, timeout_s: float) -> None:
        gate = Gate(self.meters, SystemClock(), timeout_s)
        await gate(app)(self.scope, self._receive, self._send)

    def counted(self, status: int) -> bool:
        labels = f'method="POST",route="/v1/things",status="{status}"'
        return f"motorcade_api_requests_total{{{labels}}} 1.0" in self.meters.text()

    async def _receive(self) -> dict[str, Any]:
        self._left -= 1
        return {"type": "http.request", "body": b"x" * 100, "more_body": self._left > 0}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)


async def answers(scope: Any, receive: Any, send: Any, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def hangs(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


async def test_an_answer_is_counted_by_route_method_and_status() -> None:
    exchange = Exchange()
    await exchange.pass_through(answers, 5.0)
    assert exchange.sent[0]["type"] == "http.response.start"
    assert exchange.counted(200)


async def test_what_takes_too_long_ends_as_a_timeout() -> None:
    exchange = Exchange()
    with pytest.raises(TimeoutError):
        await exchange.pass_through(hangs, 0.01)
    assert exchange.counted(503)


async def test_a_failure_nobody_foresaw_is_counted_as_ours() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    exchange = Exchange()
    with pytest.raises(ZeroDivisionError):
        await exchange.pass_through(fails, 5.0)
    assert exchange.counted(500)


async def test_a_route_has_its_own_bound() -> None:
    exchange = Exchange(timeout_s=0.01)
    with pytest.raises(TimeoutError):
        await exchange.pass_through(hangs, 60.0)


async def test_streams_are_without_end_and_not_timed() -> None:
    exchange = Exchange(timeout_s=0)
    await exchange.pass_through(answers, 5.0)
    assert not exchange.counted(200)


async def test_a_refused_body_is_taken_in_before_the_answer() -> None:
    exchange = Exchange(pieces=20)

    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await answers(scope, receive, send, 413)

    await exchange.pass_through(refuses, 5.0)
    assert exchange.left == 0
    assert exchange.counted(413)
