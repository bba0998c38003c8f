"""A log, a PostgreSQL, and the sessions app as a worker runs it: here, or in a process to kill."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from engines_nats import until
from motorcade.apps.sessions.config import Config
from motorcade.apps.sessions.service import SessionsService
from motorcade.apps.sessions.store import SessionStore
from motorcade.clock import SystemClock
from motorcade.fleet.config import Config as FleetConfig
from motorcade.fleet.store import Store
from motorcade.log.config import Config as LogConfig
from motorcade.log.events import Event
from motorcade.log.log import Log
from motorcade.node.events import EventReader
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.words import as_stored

__all__ = ["ROOT", "Told", "World", "serve"]

ROOT = "Vehicle.Connectivity."
_CATALOGUE = load_catalogue()


class Told:
    """What the telemetry log holds of links."""

    def __init__(self, batches: Sequence[SignalBatch]) -> None:
        self.rows: list[dict[str, Any]] = []
        self.identities: Counter[tuple[Any, ...]] = Counter()
        for batch in batches:
            for row in as_stored(batch.data, _CATALOGUE).to_pylist():
                self.rows.append(row)
                identity = (row["vehicle"], row["event_time"], batch.kind, row["record"])
                self.identities[identity] += 1

    def events(self, event: str) -> list[int]:
        """The vehicles of which this was told, in order."""
        return [row["vehicle"] for row in self.rows if row[ROOT + "Link.Event"] == event]


class World:
    """One test's engines."""

    def __init__(self, log: Log, log_config: LogConfig, fleet_config: FleetConfig) -> None:
        self.log = log
        self.log_config = log_config
        self.fleet_config = fleet_config
        self.config = Config(offline_grace_s=0.4, gateway_lost_s=60.0)

    async def post(self, *events: Event) -> None:
        """Post to the partitions of the vehicles; what names no vehicle goes to all."""
        for partition in range(self.log.partitions):
            mine = [
                event
                for event in events
                if getattr(event, "vehicle", partition) % self.log.partitions == partition
            ]
            await self.log.post(partition, mine)

    @contextlib.asynccontextmanager
    async def serving(self, log: Log | None = None) -> AsyncIterator[SessionsService]:
        """The app, running in this process."""
        store = Store(self.fleet_config)
        await store.open()
        service = SessionsService(log or self.log, SessionStore(store), SystemClock(), self.config)
        task = asyncio.create_task(_run(service, log or self.log))
        try:
            await until(lambda: _started(service, self.log.partitions))
            yield service
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await service.close()
            await store.close()

    def process(self) -> subprocess.Popen[bytes]:
        """The app, running in a process of its own."""
        settings = msgspec.json.encode([self.log_config, self.fleet_config, self.config])
        process = subprocess.Popen(
            [sys.executable, "-m", "apps.sessions.world"],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdin is not None
        process.stdin.write(settings)
        process.stdin.close()
        return process

    async def told(self) -> Told:
        """Everything the telemetry log holds."""
        batches: list[SignalBatch] = []
        for partition in range(self.log.partitions):
            last = await self.log.last_sequence(partition)
            async with self.log.consume(partition, 0) as records:
                while records.position < last:
                    batches += (await anext(records)).batches
        return Told([batch for batch in batches if batch.kind == "link"])

    async def until_told(self, event: str, count: int, within_s: float = 30.0) -> Told:
        """Wait until that many vehicles were told of."""
        found: list[Told] = []

        async def enough() -> bool:
            found[:] = [await self.told()]
            return len(found[0].events(event)) >= count

        await until(enough, within_s)
        return found[0]


async def serve(settings: bytes) -> None:
    """The app, until it is killed."""
    kinds = tuple[LogConfig, FleetConfig, Config]
    log_config, fleet_config, config = msgspec.json.decode(settings, type=kinds)
    log = await Log.connect(log_config)
    store = Store(fleet_config)
    await store.open()
    await _run(SessionsService(log, SessionStore(store), SystemClock(), config), log)


async def _run(service: SessionsService, log: Log) -> None:
    await service.start(range(log.partitions))
    reader = EventReader(log, range(log.partitions), [service], SystemClock().now_us)
    await reader.run()


async def _started(service: SessionsService, partitions: int) -> bool:
    with contextlib.suppress(KeyError):
        return all(service.position(partition) >= 0 for partition in range(partitions))
    return False


if __name__ == "__main__":
    asyncio.run(serve(sys.stdin.buffer.read()))
