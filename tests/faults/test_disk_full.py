"""The disk fills up: nothing more is acknowledged, nothing ends, and room alone makes all go on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.audit import audit
from faults.cars import Cars
from platforms import RunningPlatform, running_platform

pytestmark = [
    pytest.mark.faults,
    pytest.mark.engines,
    pytest.mark.xdist_group("platform"),
]

PROCESSES = ("gateway", "worker", "api", "nats", "postgres")
CARS = 30
MEBIBYTE = 1 << 20
DISK_BYTES = 448 * MEBIBYTE
RESERVE_BYTES = 64 * MEBIBYTE
SETTINGS = (
    "twin.trim_log=false",
    "history.commit_interval_s=0.7",
    f"log.disk_reserve_bytes={RESERVE_BYTES}",
    f"log.bytes_max={128 * MEBIBYTE}",
)
RSS_GROWTH_MAX = 40 * MEBIBYTE


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; gone afterwards, whatever came."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small file system this test fills")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "motorcade-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_disk_at_its_reserve_refuses_and_recovers(tmp_path: Path, small_disk: Path) -> None:
    """The reserve is what it is for: no process so much as restarts."""
    with running_platform(small_disk / "data", SETTINGS) as platform:
        key = _tenant(platform)
        pids = {name: platform.pid(name) for name in PROCESSES}
        async with Cars(lambda: platform.gbt32960, CARS).on_the_road() as cars:
            await cars.until_acknowledged(4 * CARS)
            with _filled(small_disk, RESERVE_BYTES - 4 * MEBIBYTE):
                await _nobody_is_answered(platform, cars, 8.0)
            await cars.until_acknowledged(4 * CARS)
            await cars.drained()
        assert {name: platform.pid(name) for name in PROCESSES} == pids, platform.output()
        await audit(platform, cars, key, tmp_path / "replay")


async def test_a_disk_without_one_free_byte_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    """Something else took the reserve too, and then every process is killed: none can start
    as long as there is no room, and all are back when there is."""
    with running_platform(small_disk / "data", SETTINGS) as platform:
        key = _tenant(platform)
        async with Cars(lambda: platform.gbt32960, CARS).on_the_road() as cars:
            await cars.until_acknowledged(4 * CARS)
            with _filled(small_disk, 0):
                await _nobody_is_answered(platform, cars, 8.0)
                for name in PROCESSES:
                    platform.send(name, signal.SIGKILL)
                await _nobody_is_answered(platform, cars, 6.0)
                assert platform.process.poll() is None, platform.output()
            await cars.until_acknowledged(4 * CARS)
            await cars.drained()
        print(platform.output())
        await audit(platform, cars, key, tmp_path / "replay")


def _tenant(platform: RunningPlatform) -> str:
    platform.cli("tenant", "add", "acme", "--wmi", "LSG")
    return platform.key("reader", "acme")


@contextlib.contextmanager
def _filled(disk: Path, free_bytes: int) -> Iterator[None]:
    """A file that leaves ``free_bytes``, kept at that while the block lasts."""
    file = disk / "filler"
    try:
        with file.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while (more := shutil.disk_usage(disk).free - free_bytes) > 0:
                filler.write(bytes(min(more, MEBIBYTE)))
        yield
    finally:
        file.unlink()


async def _nobody_is_answered(platform: RunningPlatform, cars: Cars, seconds: float) -> None:
    """Answers to what was stored before may still arrive; then there are none, and the gateway
    does not pile up what it cannot store."""
    await asyncio.sleep(1.0)
    count, before, end = cars.acknowledged, _rss(platform), time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(0.2)
        assert cars.acknowledged == count
    grown = _rss(platform) - before
    assert grown < RSS_GROWTH_MAX, f"the gateway grew by {grown / MEBIBYTE:.0f} MiB"


def _rss(platform: RunningPlatform) -> int:
    gateway = platform.running("gateway")
    return int(gateway.memory_info().rss) if gateway is not None else 0
