"""Floods at one gateway: it does not end, does not grow, and ten well-behaved cars are served."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest

from faults.audit import audit_http
from faults.cars import Cars
from faults.floods import KINDS, flooding
from platforms import RunningPlatform, running_platform

pytestmark = [
    pytest.mark.faults,
    pytest.mark.engines,
    pytest.mark.xdist_group("platform"),
]

CARS = 10
MEBIBYTE = 1 << 20
WARM_S = 2.5
SECONDS = 5.0
SETTINGS = (
    "gateway.pending_bytes_max=4194304",  # small bounds, so that crossing them would show
    "gateway.partial_bytes_max=4194304",
    "gateway.garbage_bytes_max=131072",
    "gateway.gbt32960.frame_timeout_s=3",
)
RSS_GROWTH_MAX = 64 * MEBIBYTE


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(tmp_path_factory.mktemp("floods"), SETTINGS) as running:
        running.cli("tenant", "add", "acme", "--wmi", "LSG", "--wmi", "LSF")
        yield running


@pytest.mark.parametrize("kind", KINDS)
async def test_well_behaved_cars_are_served_through_a_flood(
    platform: RunningPlatform, kind: str
) -> None:
    key = platform.key("reader", "acme")
    gateway = platform.running("gateway")
    assert gateway is not None
    cars = Cars(lambda: platform.gbt32960, CARS, pace_s=0.1, answer_s=15.0, prefix=_prefix(kind))
    async with cars.on_the_road():
        await cars.until_acknowledged(2 * CARS)
        with flooding(kind, platform.gbt32960, seconds=60):
            before = await _peak(gateway, cars, WARM_S)  # buffers and caches get their size
            grown = await _peak(gateway, cars, SECONDS) - before
        await cars.drained()
    slowest = max(car.slowest_s for car in cars.cars)
    print(f"{kind}: grew by {grown / MEBIBYTE:.1f} MiB, slowest answer {slowest:.2f} s")
    assert platform.pid("gateway") == gateway.pid, platform.output()
    assert [car.logins for car in cars.cars] == [1] * CARS
    assert grown < RSS_GROWTH_MAX, f"the gateway grew by {grown / MEBIBYTE:.0f} MiB"
    await audit_http(platform, cars, key)


async def _peak(gateway: psutil.Process, cars: Cars, seconds: float) -> int:
    """The gateway's most memory over a time in which the cars are served."""
    most, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        await cars.until_acknowledged(CARS)
        most = max(most, int(gateway.memory_info().rss))
    return most


def _prefix(kind: str) -> str:
    """Cars of their own for every kind: an earlier test's reports are not theirs."""
    return f"LSG{KINDS.index(kind)}"
