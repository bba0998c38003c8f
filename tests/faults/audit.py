"""What must hold after any fault: nothing acknowledged is lost or doubled, all views agree.

Three witnesses are compared with what the cars remember: the HTTP API (history and state), the log
itself, and the twin's files beside a replay of the log into fresh ones.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from faults.cars import METRES_PER_COUNT, REPORTS_MAX, Car, Cars
from motorcade.log.log import Config as LogConfig
from motorcade.log.log import Log
from motorcade.signals.catalogue import Catalogue, load_catalogue
from motorcade.twin.reader import TwinReader
from motorcade.twin.writer import TwinWriter
from platforms import RunningPlatform

__all__ = ["PARTITIONS", "audit", "audit_http", "audit_log_and_twin"]

PARTITIONS = 2
MILEAGE = "Vehicle.TraveledDistance"
_READY_S = 60.0
_QUIET_S = 6.0
"""Longer than ``sessions.offline_grace_s``, and a turn of every app."""
_VEHICLES_MAX = 600
"""More than any test here registers; numbers are dense."""


async def audit(platform: RunningPlatform, cars: Cars, key: str, scratch: Path) -> None:
    """Everything below; the cars have stopped and hold nothing."""
    assert not [car.vin for car in cars.cars if car.held]
    await audit_http(platform, cars, key)
    await audit_log_and_twin(platform, cars, scratch)


async def audit_http(platform: RunningPlatform, cars: Cars, key: str) -> None:
    """History has every acknowledged report exactly once, in order; state shows the newest.

    Cars that still hold reports may find them there too, once: stored, and the answer was lost.
    """
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, timeout=20) as client:
        for car in cars.cars:
            await _told(lambda car=car: _history(platform, client, car))
            await _told(lambda car=car: _state(platform, client, car))


async def _history(platform: RunningPlatform, client: httpx.AsyncClient, car: Car) -> None:
    answer = await client.get(
        f"{platform.http}/v1/vehicles/{car.vin}/history",
        params={"signals": MILEAGE, "from": str(car.start_s), "limit": "100000"},
    )
    page = answer.raise_for_status().json()
    assert page["complete"]
    rows = [row for row in page["rows"] if row["kind"] == "report"]
    numbers = [_mileage(row["signals"][MILEAGE]) - car.index * REPORTS_MAX for row in rows]
    found, sent = set(numbers), set(range(1, car.sent + 1))
    assert len(found) == len(numbers), f"{car.vin}: more than once: {_doubled(numbers)}"
    assert found <= sent, f"{car.vin}: never sent: {sorted(found - sent)}"
    lost = car.acknowledged - found
    assert not lost, f"{car.vin}: acknowledged and not in the history: {sorted(lost)}"
    assert numbers == sorted(numbers), f"{car.vin}: out of order"
    times = [row["event_time"] for row in rows]
    assert times == [_iso(car.at_s(number)) for number in numbers]


async def _state(platform: RunningPlatform, client: httpx.AsyncClient, car: Car) -> None:
    answer = await client.get(f"{platform.http}/v1/vehicles/{car.vin}/state")
    shown = answer.raise_for_status().json()["signals"][MILEAGE]
    newest = max(car.acknowledged)
    assert _mileage(shown["value"]) == car.index * REPORTS_MAX + newest
    assert shown["time"] == _iso(car.at_s(newest))


async def audit_log_and_twin(platform: RunningPlatform, cars: Cars, scratch: Path) -> None:
    """The log holds every acknowledged report, in each car's order, and the twin is its replay."""
    catalogue = load_catalogue()
    logged = await _replay(platform, scratch, catalogue)
    for car in cars.cars:
        numbers = logged.get(car.index, [])
        assert car.acknowledged <= set(numbers), f"{car.vin}: acknowledged and not in the log"
        first = list(dict.fromkeys(numbers))
        if car.window == 1:
            assert first == sorted(first), f"{car.vin}: out of order in the log"
    await _told(lambda: _same(platform.data / "twin", scratch, catalogue))


async def _replay(
    platform: RunningPlatform, scratch: Path, catalogue: Catalogue
) -> dict[int, list[int]]:
    """Apply the whole log to fresh twin files; each car's report numbers in log order."""
    nats = platform.data / "nats"
    config = LogConfig(url_file=str(nats / "url"), directory=str(nats), partitions=PARTITIONS)
    log = await Log.connect(config)
    numbers: dict[int, list[int]] = defaultdict(list)
    try:
        await _quiet(log)
        for partition in range(PARTITIONS):
            writer = TwinWriter(scratch, partition, PARTITIONS, catalogue)
            last = await log.last_sequence(partition)
            async with log.consume(partition, 0) as records:
                while records.position < last:
                    batches = (await anext(records)).batches
                    writer.apply(batches)
                    for batch in batches:
                        if batch.kind == "report":
                            for metres in batch.data.column(MILEAGE).to_pylist():
                                car, number = divmod(_mileage(metres), REPORTS_MAX)
                                numbers[car].append(number)
            writer.close()
    finally:
        await log.close()
    return numbers


async def _quiet(log: Log) -> None:
    """Returns when nothing is appended any more: that a car is offline is told some seconds after
    its last link ended."""
    deadline = time.monotonic() + _READY_S
    seen: list[int] = []
    since = time.monotonic()
    while time.monotonic() - since < _QUIET_S:
        assert time.monotonic() < deadline, "the log is never quiet"
        now = [await log.last_sequence(partition) for partition in range(PARTITIONS)]
        if now != seen:
            seen, since = now, time.monotonic()
        await asyncio.sleep(0.2)


async def _same(twin: Path, replayed: Path, catalogue: Catalogue) -> None:
    ours, theirs = (_everything(folder, catalogue) for folder in (twin, replayed))
    different = [number for number in ours if ours[number] != theirs[number]]
    assert not different, f"twin and replay differ: {[(ours[n], theirs[n]) for n in different[:2]]}"


def _everything(folder: Path, catalogue: Catalogue) -> dict[int, Any]:
    """Every vehicle's state with times and quality."""
    reader = TwinReader(folder, PARTITIONS, catalogue)
    return {number: reader.platform_state(number) for number in range(1, _VEHICLES_MAX)}


async def _told(check: Callable[[], Any]) -> None:
    """Ask again until a check holds: views follow the acknowledgement by up to seconds."""
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            await check()
            return
        except (AssertionError, httpx.HTTPError, KeyError, OSError):
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.2)


def _mileage(metres: float) -> int:
    return round(metres / METRES_PER_COUNT)


def _doubled(numbers: list[int]) -> list[int]:
    return sorted({number for number in numbers if numbers.count(number) > 1})


def _iso(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()[:19] + "Z"
