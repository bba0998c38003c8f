"""One bridge: connections to a broker one after the other, batches of publishes into the log, each
acknowledged once it is on disk.

While a batch is being stored the next one gathers, so the fsync sets the size of the batches and
not the rate. What is not acknowledged when a connection or this process ends is the broker's to
send again.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from motorcade.errors import DependencyError
from motorcade.gateway.bridge.client import Client, VersionRefused, broker_address
from motorcade.gateway.bridge.config import BridgeConfig
from motorcade.gateway.bridge.filters import templates_of
from motorcade.gateway.bridge.intake import Intake
from motorcade.gateway.shared import Shared
from motorcade.limits import BRIDGE_BATCH_MAX
from motorcade.protocols.mqtt.packets import Publish
from motorcade.protocols.mqtt.words import V3, V5
from motorcade.tasks import ended

__all__ = ["Bridge"]

_BACKOFF_S: Final = 0.5
_QUIET_S: Final = 0.5
_log = structlog.get_logger(__name__)


class Bridge:
    """``start`` it inside a running loop; ``stop`` finishes the batch under way.

    ``connected``: whether it is subscribed now; ``reconnects``: connections after the first;
    ``intake`` counts messages ``received``, ``stored`` and ``refused``. ``Invalid`` where the
    settings are wrong.
    """

    def __init__(self, name: str, config: BridgeConfig, shared: Shared) -> None:
        templates = templates_of(config.topics)
        broker_address(config.url)
        self.name = name
        self.config = config
        self.connected = False
        self.reconnects = 0
        self.intake = Intake(name, config, templates, shared)
        self._shared = shared
        self._client_id = config.client_id or f"motorcade-{name}-{shared.name}"
        share = f"$share/{config.group}/" if config.group else ""
        self._filters = [share + template.filter for template in templates]
        self._version = V3 if config.version == "3.1.1" else V5
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Connect in the background, for ever."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Store and acknowledge the batch under way, say goodbye."""
        self._stopping.set()
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=timeout_s)
        for fault in await ended(self._task):
            _log.error("a bridge had ended by a fault", error=repr(fault))

    async def _run(self) -> None:
        pause_s = _BACKOFF_S
        while not self._stopping.is_set():
            client = Client(
                self.config, self._client_id, self._version, self._shared.clock, self._filters
            )
            try:
                present = await client.connect()
                _log.info("bridge connected", bridge=self.name, session_kept=present)
                self.connected, pause_s = True, _BACKOFF_S
                await self._serve(client)
            except VersionRefused as error:
                if self.config.version == "auto" and self._version == V5:
                    self._version, pause_s = V3, 0.0
                else:
                    _log.warning("bridge refused", bridge=self.name, reason=error.detail)
            except DependencyError as error:
                _log.warning("bridge disconnected", bridge=self.name, reason=error.detail)
            except Exception:
                # A fault of ours costs this connection, not the bridge: the broker sends again.
                _log.exception("bridge failed in an unforeseen way", bridge=self.name)
            finally:
                self.connected = False
                await client.close()
            if self._stopping.is_set():
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()
            pause_s = min(max(2 * pause_s, _BACKOFF_S), self.config.backoff_max_s)
            self.reconnects += 1

    async def _serve(self, client: Client) -> None:
        """Batch after batch until the connection or the bridge ends."""
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                next_ones = asyncio.create_task(client.publishes(BRIDGE_BATCH_MAX))
                await asyncio.wait({next_ones, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not next_ones.done():
                    next_ones.cancel()
                    break
                await self._take(client, next_ones.result())
            if self.config.leave_on_stop:
                await self._leave(client)
        finally:
            stopping.cancel()

    async def _leave(self, client: Client) -> None:
        """End the subscription, and take in what the broker has for this bridge until it is
        quiet."""
        client.leave()
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(_QUIET_S):
                    publishes = await client.publishes(BRIDGE_BATCH_MAX)
                await self._take(client, publishes)

    async def _take(self, client: Client, publishes: list[Publish]) -> None:
        await self.intake.take(publishes)
        await client.acknowledge(publishes)
