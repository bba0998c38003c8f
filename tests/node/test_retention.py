"""Retention: what a worker believes of tenants' days before and after the registry answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from motorcade.errors import DependencyError
from motorcade.node.retention import Retention


class _Registry:
    """A registry in memory that may be away."""

    def __init__(self, days: dict[int, int | None]) -> None:
        self.days = days
        self.away = False
        self.asked = asyncio.Event()

    async def gateway_settings(self) -> dict[int, Any]:
        self.asked.set()
        if self.away:
            raise DependencyError("PostgreSQL does not answer")
        return {t: SimpleNamespace(history_retention_days=d) for t, d in self.days.items()}

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        yield self


def test_without_a_registry_the_configured_days_hold() -> None:
    assert Retention(365, None)(7) == 365


async def test_tenants_own_days_hold_once_they_are_known() -> None:
    registry = _Registry({1: None, 2: 0, 3: 30})
    retention = Retention(365, registry.connect)
    assert retention(1) is None
    async with retention.refreshed():
        await asyncio.wait_for(registry.asked.wait(), 5)
        await asyncio.sleep(0)
        assert [retention(tenant) for tenant in (1, 2, 3)] == [365, 0, 30]
        assert retention(4) is None


async def test_while_the_registry_is_away_nothing_is_known() -> None:
    registry = _Registry({1: 30})
    registry.away = True
    retention = Retention(365, registry.connect)
    async with retention.refreshed():
        await asyncio.wait_for(registry.asked.wait(), 5)
        await asyncio.sleep(0)
        assert retention(1) is None
