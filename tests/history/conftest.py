"""A history on disk with its worker and reader in one process, and rows to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from motorcade.clock import SteerableClock
from motorcade.errors import DependencyError
from motorcade.history.config import Config
from motorcade.history.maintenance import Maintenance
from motorcade.history.reader import HistoryReader
from motorcade.history.writer import HistoryWriter
from motorcade.signals.batch import Quality, SignalBatch
from motorcade.signals.catalogue import Catalogue, load_catalogue

DAY_US = 86_400_000_000
START_US = 1_750_032_000_000_000
"""2025-06-16T00:00:00Z."""
SPEED = "Vehicle.Speed"
ODOMETER = "Vehicle.TraveledDistance"
LATITUDE = "Vehicle.CurrentLocation.Latitude"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
HOOD = "Vehicle.Body.Hood.Switch"


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="session")
def make_batch(catalogue: Catalogue) -> Callable[..., SignalBatch]:
    """``make_batch(vehicles, times, tenant=1, kind="report", …)``: values follow from both."""

    def make(
        vehicles: Sequence[int],
        times: Sequence[int],
        *,
        tenant: int | Sequence[int] = 1,
        kind: str = "report",
        reissued: bool = False,
        ingest: int | None = None,
        signals: Sequence[str] = (SPEED, ODOMETER, LATITUDE, CELLS, HOOD),
    ) -> SignalBatch:
        vehicle = np.array(vehicles, np.uint64)
        time = np.array(times, np.int64)
        n = len(vehicle)
        mix = (vehicle * np.uint64(0x9E3779B97F4A7C15)) ^ time.astype(np.uint64)
        meta = {
            "tenant": np.broadcast_to(np.array(tenant, np.uint32), n),
            "vehicle": vehicle,
            "event_time": time,
            "ingest_time": time + 5 if ingest is None else np.full(n, ingest),
            "record": mix * np.uint64(0xC2B2AE3D27D4EB4F),
            "reissued": np.full(n, reissued),
        }
        values = _values(mix, n)
        if SPEED in signals:
            code = catalogue[SPEED].number * 4 + Quality.INVALID
            faults = [[code] if one == 0 else None for one in (mix % 7).tolist()]
            meta["quality"] = pa.array(faults, pa.list_(pa.uint32()))
        return SignalBatch.build(kind, meta, {path: values[path] for path in signals})

    return make


def _values(mix: np.ndarray[Any, Any], n: int) -> dict[str, pa.Array]:
    speed = pa.array((mix % 2000).astype(np.float32) / 10, mask=mix % 7 == 0)
    cells = pa.array([[3.5, (one % 100) / 50] if one % 3 else None for one in mix.tolist()])
    return {
        SPEED: speed,
        ODOMETER: pa.array((mix % 4_000_000_000).astype(np.uint32)),
        LATITUDE: pa.array(31 + (mix % 1000) / 1000),
        CELLS: cells.cast(pa.list_(pa.float32())),
        HOOD: pa.array((mix % 4).astype(np.uint8)),
    }


@dataclass
class World:
    """One partition's writer and a reader that asks it; ``down`` makes the worker silent."""

    directory: Path
    catalogue: Catalogue
    clock: SteerableClock
    config: Config
    partitions: int = 1
    down: bool = False
    asked: int = 0
    writers: dict[int, HistoryWriter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for partition in range(self.partitions):
            self.restart(partition)
        self.reader = self.another_reader()
        self.maintenance = Maintenance(self.directory, self.clock, self.config)

    @property
    def writer(self) -> HistoryWriter:
        return self.writers[0]

    def restart(self, partition: int = 0, position: int = 0) -> HistoryWriter:
        self.writers[partition] = HistoryWriter(
            self.directory,
            partition,
            self.catalogue,
            self.clock,
            self.config,
            position=position,
        )
        return self.writers[partition]

    def another_reader(self) -> HistoryReader:
        return HistoryReader(
            self.directory,
            self.partitions,
            self.catalogue,
            self.clock,
            self._tail,
            config=self.config,
        )

    async def _tail(self, partition: int, payload: bytes) -> bytes:
        self.asked += 1
        if self.down:
            raise DependencyError("no worker")
        return await self.writers[partition].answer_tail(payload)


@pytest.fixture
def make_world(tmp_path: Path, catalogue: Catalogue) -> Iterator[Callable[..., World]]:
    """``make_world(partitions=1, **config)``."""
    worlds: list[World] = []

    def make(partitions: int = 1, **config: Any) -> World:
        clock = SteerableClock(START_US + 3 * DAY_US)
        world = World(tmp_path / "history", catalogue, clock, Config(**config), partitions)
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.reader.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
