"""The log does not answer: no car is acknowledged, memory stays bounded, all goes on afterwards."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from faults.audit import audit
from faults.cars import Cars
from faults.floods import flooding
from platforms import RunningPlatform, running_platform

pytestmark = [
    pytest.mark.faults,
    pytest.mark.engines,
    pytest.mark.xdist_group("platform"),
]

CARS = 40
MEBIBYTE = 1 << 20
SETTINGS = (
    "twin.trim_log=false",
    "gateway.pending_bytes_max=4194304",  # small bounds, so that crossing them would show
    "gateway.partial_bytes_max=4194304",
)
RSS_GROWTH_MAX = 80 * MEBIBYTE
"""Far above both bounds and the ticks in flight, far below what the flood offers."""


async def test_a_frozen_log_is_waited_for_then_restarted(tmp_path: Path) -> None:
    with running_platform(tmp_path / "data", SETTINGS) as platform:
        platform.cli("tenant", "add", "acme", "--wmi", "LSG", "--wmi", "LSF")
        key = platform.key("reader", "acme")
        gateway = platform.pid("gateway")
        async with Cars(lambda: platform.gbt32960, CARS).on_the_road() as cars:
            await cars.until_acknowledged(2 * CARS)
            before = await _frozen_for_a_while(platform, cars)
            await cars.until_acknowledged(2 * CARS)
            await _frozen_until_restarted(platform, cars)
            await cars.until_acknowledged(2 * CARS)
            grown = _rss(platform) - before
            await cars.drained()
        assert platform.pid("gateway") == gateway, platform.output()
        assert grown < RSS_GROWTH_MAX, f"the gateway grew by {grown / MEBIBYTE:.0f} MiB"
        await audit(platform, cars, key, tmp_path / "replay")


async def _frozen_for_a_while(platform: RunningPlatform, cars: Cars) -> int:
    """Shorter than the supervisor's patience: the same server goes on. Returns the gateway's
    memory when the flood had begun and the log still answered."""
    nats = platform.pid("nats")
    with flooding("reports", platform.gbt32960, seconds=60):
        await cars.until_acknowledged(CARS)
        before = _rss(platform)
        assert platform.send("nats", signal.SIGSTOP)
        try:
            await _nobody_is_answered(cars, 4.0)
        finally:
            platform.send("nats", signal.SIGCONT)
    await cars.until_acknowledged(1)
    assert platform.pid("nats") == nats
    return before


async def _frozen_until_restarted(platform: RunningPlatform, cars: Cars) -> None:
    """Longer: the supervisor replaces it."""
    nats = platform.pid("nats")
    with flooding("reports", platform.gbt32960, seconds=60):
        await cars.until_acknowledged(CARS)
        assert platform.send("nats", signal.SIGSTOP)
        await _nobody_is_answered(cars, 4.0)
    deadline = time.monotonic() + 90
    while platform.pid("nats") == nats:
        assert time.monotonic() < deadline, platform.output()
        await asyncio.sleep(0.1)


async def _nobody_is_answered(cars: Cars, seconds: float) -> None:
    """Answers to what was stored before may still arrive; then there are none."""
    await asyncio.sleep(0.5)
    count = cars.acknowledged
    await asyncio.sleep(seconds)
    assert cars.acknowledged == count


def _rss(platform: RunningPlatform) -> int:
    gateway = platform.running("gateway")
    assert gateway is not None
    return int(gateway.memory_info().rss)
