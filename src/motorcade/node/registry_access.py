"""The registry for a command: the running platform's, a remote one, or one started for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from motorcade.clock import SystemClock
from motorcade.node.config import Settings
from motorcade.node.rooms import FleetConfig
from motorcade.node.run_files import DataLock, check_present, writing_in

if TYPE_CHECKING:
    from motorcade.fleet.registry import Fleet

__all__ = ["open_fleet"]


@contextlib.asynccontextmanager
async def open_fleet(settings: Settings) -> AsyncIterator[Fleet]:
    """The registry the settings point at; where they point at none, the data directory's embedded
    PostgreSQL, started for as long as this lasts.

    Raises ``NotFound`` where there is none (a mistyped ``--data`` must not become a registry),
    ``Conflict`` where another process is just starting on the data directory, ``Invalid`` where it
    cannot be written.
    """
    from motorcade.fleet.migrate import migrate
    from motorcade.fleet.registry import Fleet

    async with contextlib.AsyncExitStack() as stack:
        config = settings.get(FleetConfig)
        if not config.url:
            check_present(settings.data)
            config = await stack.enter_async_context(_embedded(settings))
        if config.owner_url:
            await migrate(config.owner_url, config.url)
        fleet = await Fleet.connect(config, SystemClock())
        stack.push_async_callback(fleet.close)
        yield fleet


@contextlib.asynccontextmanager
async def _embedded(settings: Settings) -> AsyncIterator[FleetConfig]:
    import asyncio

    from motorcade.fleet.engine import EmbeddedPostgres

    lock = DataLock(settings.data)
    lock.acquire("motorcade (a command that needs the registry)")
    try:
        engine = EmbeddedPostgres(settings.data / "postgres")
        with writing_in(settings.data):
            await asyncio.to_thread(engine.start)
        try:
            changes = {"fleet": {"url": engine.app_url, "owner_url": engine.url}}
            yield settings.but(changes).get(FleetConfig)
        finally:
            await asyncio.to_thread(engine.stop)
    finally:
        lock.release()
