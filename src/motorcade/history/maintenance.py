"""What keeps the tables small and fast by itself: merging, retention, removal of files nobody
needs.

Runs in the worker beside the writers, in threads of its own. A table is maintained by one process
at a time (a lock file beside it); commits go on meanwhile. Checkpoints and cleaning of the tables'
logs happen with every hundredth commit (``table``)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from motorcade.clock import Clock
from motorcade.errors import MotorcadeError
from motorcade.history.compaction import DAY_US, Merged, MergeStoppedError, merge, plan
from motorcade.history.config import Config
from motorcade.history.table import TelemetryTable, tenants_in
from motorcade.history.threads import give_memory_back, outlasted

__all__ = ["Maintenance"]

_MERGES_PER_TURN: Final = 4
_PAUSE_S: Final = 0.05


class Maintenance:
    """Maintains every table below ``directory``.

    ``retention_days`` gives a tenant's days of history: 0 for ever, None while it is not known,
    and then nothing of the tenant is forgotten. (The configured number for tenants without one of
    their own is the caller's to fill in, once it has read who has one.) ``failed`` is told of a
    table that could not be maintained; the others go on."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        config: Config | None = None,
        *,
        retention_days: Callable[[int], int | None] = lambda tenant: None,
        failed: Callable[[int, MotorcadeError], None] = lambda tenant, error: None,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._config = config or Config()
        self._retention_days = retention_days
        self._failed = failed
        self._vacuumed_s: dict[int, float] = {}
        self._stop = threading.Event()

    async def run(self) -> None:
        """Maintain for ever; end it by cancelling, which gives up a merge under way."""
        try:
            while True:
                await self.run_once()
                await asyncio.sleep(self._config.compact_every_s)
        finally:
            self._stop.set()

    async def run_once(self) -> list[Merged]:
        """Look at every table once, one after the other; what was merged."""
        merged: list[Merged] = []
        for tenant in await asyncio.to_thread(tenants_in, self._directory):
            try:
                merged += await self._in_thread(tenant)
            except MotorcadeError as error:
                self._failed(tenant, error)
            except Exception as error:  # whatever one table has in it, the others are maintained
                unknown = MotorcadeError(f"{type(error).__name__}: {error}")
                unknown.__cause__ = error
                self._failed(tenant, unknown)
            await asyncio.sleep(_PAUSE_S if merged else 0)
        return merged

    async def _in_thread(self, tenant: int) -> list[Merged]:
        work = asyncio.ensure_future(asyncio.to_thread(self.maintain, tenant))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stop.set()
            await outlasted(work)
            raise

    def maintain(self, tenant: int) -> list[Merged]:
        """Merge, forget and clean one tenant's table; nothing where another process does so."""
        table = TelemetryTable(self._directory, tenant)
        with table.locked("maintenance.lock", wait=False) as mine:
            if not mine:
                return []
            self._forget(table, tenant)
            merged = self._merge(table)
            self._vacuum(table, tenant)
            return merged

    def _merge(self, table: TelemetryTable) -> list[Merged]:
        merged: list[Merged] = []
        while len(merged) < _MERGES_PER_TURN:
            snapshot = table.snapshot(0)
            groups = plan(snapshot, self._clock.now_us(), self._config) if snapshot else []
            if snapshot is None or not groups:
                break
            try:
                merged.append(merge(table, snapshot, groups[0], self._config, self._stop))
            except MergeStoppedError:
                break
            finally:
                give_memory_back()
        return merged

    def _forget(self, table: TelemetryTable, tenant: int) -> None:
        """Drop files whose newest row is older than the tenant's retention: whole days at a time.

        Nothing where that is not known: what is forgotten does not come back."""
        days = self._retention_days(tenant)
        snapshot = table.snapshot(0) if days else None
        if snapshot is None or days is None:
            return
        before_us = self._clock.now_us() - days * DAY_US
        old = [file for file in snapshot.files if file.span.to_us < before_us]
        if old:
            table.commit([], old, columns=snapshot.columns)

    def _vacuum(self, table: TelemetryTable, tenant: int) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._vacuumed_s.setdefault(tenant, now_s) >= self._config.vacuum_every_s:
            self._vacuumed_s[tenant] = now_s
            table.vacuum(self._config.vacuum_after_hours)
