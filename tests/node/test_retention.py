"""Retention: what a worker believes of tenants' days before and after the registry answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from motorcade.clock import SteerableClock
from motorcade.errors import DependencyError
from motorcade.node.retention import Retention


class _Registry:
    """A registry in memory that may be away."""

    def __init__(self, days: dict[int, int | None]) -> None:
        self.days = days
        self.away = False
        self.asked = asyncio.Event()
        self.forgotten = 0
        self.forgot = asyncio.Event()

    async def gateway_settings(self) -> dict[int, Any]:
        self.asked.set()
        if self.away:
            raise DependencyError("PostgreSQL does not answer")
        return {t: SimpleNamespace(history_retention_days=d) for t, d in self.days.items()}

    async def forget_sessions(self) -> int:
        self.forgotten += 1
        self.forgot.set()
        return 0

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


async def test_sessions_that_hold_no_more_are_forgotten_each_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the days are asked for each minute."""
    monkeypatch.setattr("motorcade.node.retention._REFRESH_S", 0.0)
    registry, clock = _Registry({1: 30}), SteerableClock()
    retention = Retention(365, registry.connect, clock)

    async def asked(times: int) -> None:
        for _ in range(times):
            registry.asked.clear()
            await asyncio.wait_for(registry.asked.wait(), 5)

    async with retention.refreshed():
        await asyncio.wait_for(registry.forgot.wait(), 5)
        await asked(3)
        assert registry.forgotten == 1
        clock.advance(3_601.0)
        await asked(2)
        assert registry.forgotten == 2
