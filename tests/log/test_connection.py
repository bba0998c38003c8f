"""The connection: whose fault an error is, and a server that moved to another port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest
from nats.errors import NoRespondersError
from nats.js.errors import APIError

from engines_nats import Nats, until
from motorcade.errors import CapacityError, DependencyError, NotFound
from motorcade.log.connection import refused, translated
from motorcade.log.log import Log

Connect = Callable[..., Awaitable[Log]]


async def _ok(log: Log) -> bool:
    return bool((await log.health())["ok"])


def test_errors_are_sorted_by_whose_fault_they_are() -> None:
    full = {"code": 503, "err_code": 10077, "description": "maximum bytes exceeded"}
    assert isinstance(refused(full, "append"), CapacityError)
    assert isinstance(translated(NoRespondersError(), "ask"), DependencyError)
    assert isinstance(translated(APIError(code=404, err_code=10059), "look"), NotFound)
    assert isinstance(translated(APIError(code=500, err_code=1), "look"), DependencyError)
    assert "ask" in translated(OSError("gone"), "ask").detail


@pytest.mark.engines
async def test_a_server_that_moved_to_another_port_is_found(nats: Nats, connect: Connect) -> None:
    log = await connect()
    port = urlsplit(nats.engine.url).port
    nats.kill()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        await nats.start()
        assert urlsplit(nats.engine.url).port != port
        await until(lambda: _ok(log))


@pytest.mark.engines
async def test_a_graceful_stop_and_start_is_survived(nats: Nats, connect: Connect) -> None:
    log = await connect()
    nats.stop()
    await nats.start()
    await until(lambda: _ok(log))


@pytest.mark.engines
async def test_closing_fails_what_waits(connect: Connect) -> None:
    log = await connect()

    async def never(_: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    await (await connect()).serve("never", never)
    waiting = asyncio.create_task(log.request("never", timeout_s=30))

    async def asked() -> bool:
        return bool(log._connection._waiting)

    await until(asked)
    await log.close()
    with pytest.raises(DependencyError):
        await waiting
