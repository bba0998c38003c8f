"""The commands app in a process of its own, to be killed: links come from a file of vehicles."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from apps.commands.world import CATALOGUE, FakeLink, FakeLinks
from motorcade.apps.commands.config import Config
from motorcade.apps.commands.service import CommandsService
from motorcade.clock import SystemClock
from motorcade.fleet.config import Config as FleetConfig
from motorcade.fleet.store import Store
from motorcade.log.config import Config as LogConfig
from motorcade.log.log import Log
from motorcade.node.events import EventReader

__all__ = ["Settings", "serve"]


class Settings(msgspec.Struct):
    """What the process is given on its standard input."""

    log: LogConfig
    fleet: FleetConfig
    config: Config
    vehicles: list[int]


async def serve(settings: Settings) -> None:
    """The service and its reader, until killed."""
    log = await Log.connect(settings.log)
    store = Store(settings.fleet)
    await store.open()
    links = FakeLinks()
    partitions = range(log.partitions)
    service = CommandsService(
        store, log, links, CATALOGUE,
        clock=SystemClock(), partitions=partitions, config=settings.config,
    )  # fmt: skip
    await service.start()
    for vehicle in settings.vehicles:
        links.up(vehicle, FakeLink(f"l{vehicle}"))
    reader = EventReader(log, partitions, [service], SystemClock().now_us)
    await asyncio.gather(service.run(), reader.run())


if __name__ == "__main__":
    asyncio.run(serve(msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)))
