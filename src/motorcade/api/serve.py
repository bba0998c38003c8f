"""Serving: the application on Granian inside this process's own event loop.

Granian accepts and parses in a thread of its own (Rust); Python runs in the loop that also holds
the NATS and PostgreSQL connections. Several processes share the port (``SO_REUSEPORT``)."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from motorcade import limits
from motorcade.addresses import shown_address, split_address
from motorcade.api.app import HUB, build
from motorcade.api.config import Config
from motorcade.api.hub import Hub
from motorcade.api.services import Services
from motorcade.errors import DependencyError
from motorcade.tasks import ended

__all__ = ["ApiServer"]

_POLL_S = 0.02


class ApiServer:
    """One API process's server: ``await start()``, then ``port`` answers; ``await stop()``."""

    def __init__(self, services: Services) -> None:
        self._config = services.config
        self.host, self.port = split_address(services.config.listen, "0.0.0.0")
        if self.port == 0:
            self.port = _free_port(self.host)
        app = build(services)
        self._hub: Hub = app.state[HUB]
        self._server = Server(
            app,
            address=self.host,
            port=self.port,
            interface=Interfaces.ASGI,
            http=HTTPModes.auto,
            backlog=self._config.backlog,
            backpressure=limits.API_CONNECTIONS_MAX,
            http1_settings=HTTP1Settings(header_read_timeout=limits.API_HEADER_TIMEOUT_MS),
            log_enabled=False,
            **_tls(self._config),
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Where it answers, as a URL without a path."""
        scheme = "https" if self._config.tls_certificate else "http"
        return f"{scheme}://{shown_address(self.host, self.port)}"

    async def start(self) -> None:
        """Return when requests are answered; raises ``DependencyError`` where the port cannot be
        had."""
        self._task = asyncio.create_task(self._server.serve(), name="api-server")
        while not await _accepts(self.host, self.port):
            if self._task.done():
                raise DependencyError(
                    f"cannot listen on {self._config.listen}: {_reason(self._task)}"
                )
            await asyncio.sleep(_POLL_S)
        structlog.get_logger("motorcade.api").info("api listens", address=self.address)

    async def stop(self) -> None:
        """End the streams, finish what is being answered (a little while), close the port."""
        task, self._task = self._task, None
        if task is None:
            return
        await self._hub.close()
        self._server.stop()  # type: ignore[no-untyped-call]
        # A peer that does not read what it is sent would hold the server up for ever.
        await asyncio.wait({task}, timeout=limits.API_STOP_S)
        await ended(task)

    async def wait(self) -> None:
        """Wait until the server ends, which without ``stop`` it does only when it fails."""
        if self._task is not None:
            await asyncio.shield(self._task)


def _tls(config: Config) -> dict[str, Any]:
    if not config.tls_certificate:
        return {}
    return {"ssl_cert": Path(config.tls_certificate), "ssl_key": Path(config.tls_key)}


def _free_port(host: str) -> int:
    """Port 0 means any: chosen here, because Granian does not tell which one it got."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


async def _accepts(host: str, port: int) -> bool:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        _, writer = await asyncio.open_connection(target, port)
    except OSError:
        return False
    writer.close()
    return True


def _reason(task: asyncio.Task[None]) -> str:
    error = None if task.cancelled() else task.exception()
    return str(error) if error is not None else "the server ended"
