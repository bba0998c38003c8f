"""The twin: row updates, a box over the whole fleet, single states, memory and disk.

The full run writes ten signals of 10 million vehicles on the disk, then of 100 million (10 GB) in
files that live in memory where the machine has room: updates all over 10 GB dirty pages faster than
a disk takes them, and it would be the disk that is measured. ``quick`` writes a million on the
disk. Everything is removed afterwards.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue, load_catalogue
from motorcade.simulator.figures import Figure
from motorcade.twin.reader import TwinReader
from motorcade.twin.writer import TwinWriter

__all__ = ["run"]

ROWS = 100_000_000
ROWS_DISK = 10_000_000
ROWS_QUICK = 1_000_000
ROW_BYTES = 102
MEMORY = Path("/dev/shm")
TENANTS = 92
FILL_ROWS = 500_000
UPDATE_ROWS = 65_536
"""Rows of one update: what a worker gathers in 25 ms at 2.6 million rows a second."""
UPDATES = 30
WARM_UP = 20
"""Updates not counted: until nearly every page has been touched once since it was mapped, which
costs a microsecond each, once."""
LATITUDE = "Vehicle.CurrentLocation.Latitude"
LONGITUDE = "Vehicle.CurrentLocation.Longitude"
BEIJING = (116.2, 39.8, 116.6, 40.1)
HOT = (
    "Vehicle.Speed",
    "Vehicle.TraveledDistance",
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current",
    "Vehicle.Powertrain.TractionBattery.CurrentVoltage",
    "Vehicle.Powertrain.TractionBattery.CurrentCurrent",
    "Vehicle.Powertrain.DriveMotor.Motor1.Speed",
    "Vehicle.Powertrain.DriveMotor.Motor1.State",
    "Vehicle.IsMoving",
)
"""With latitude and longitude the ten hot signals."""
T0_US = 1_750_000_000_000_000


def run(quick: bool = False) -> list[Figure]:
    """Every figure of the twin; a few minutes unless ``quick``."""
    catalogue = load_catalogue()
    disk = Path(tempfile.gettempdir())
    figures = _in(disk, lambda at: _fleet(at, catalogue, ROWS_QUICK if quick else ROWS_DISK))
    figures += _in(disk, lambda at: _states(at, catalogue))
    if not quick and _has_room(MEMORY, ROWS):
        figures += _in(MEMORY, lambda at: _fleet(at, catalogue, ROWS))
    return figures


def _in(parent: Path, measure: Callable[[Path], Iterator[Figure]]) -> list[Figure]:
    """What ``measure`` finds in a directory of its own."""
    directory = Path(tempfile.mkdtemp(prefix="motorcade-twin-", dir=parent))
    try:
        return list(measure(directory))
    finally:
        shutil.rmtree(directory)


def _has_room(directory: Path, rows: int) -> bool:
    if not directory.is_dir():
        return False
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(fields["MemAvailable"].split()[0]) * 1024
    wanted = rows * ROW_BYTES
    return shutil.disk_usage(directory).free > wanted and available > wanted + (3 << 30)


def _fleet(directory: Path, catalogue: Catalogue, rows: int) -> Iterator[Figure]:
    rng = np.random.default_rng(1)
    millions = f"{rows // 1_000_000} M rows"
    writer = TwinWriter(directory, 0, 1, catalogue)
    filled = 0.0
    for first in range(1, rows, FILL_ROWS):
        batch = _batch(catalogue, rng, np.arange(first, min(first + FILL_ROWS, rows)), 0)
        began = time.perf_counter()
        writer.apply([batch])
        filled += time.perf_counter() - began
    yield _figure(f"twin fill, ten signals, {millions}", rows / filled / 1e6, "M rows/s")
    updates = [
        _batch(catalogue, rng, rng.integers(1, rows, UPDATE_ROWS), 1 + number)
        for number in range(WARM_UP + UPDATES)
    ]
    for batch in updates[:WARM_UP]:
        writer.apply([batch])
    updates = updates[WARM_UP:]
    began, worked = time.perf_counter(), time.process_time()
    for batch in updates:
        writer.apply([batch])
    rate = UPDATES * UPDATE_ROWS / (time.perf_counter() - began) / 1e6
    cost = (time.process_time() - worked) / UPDATES / UPDATE_ROWS * 1e9
    yield _figure(f"twin row updates, ten signals, anywhere in {millions}", rate, "M rows/s", 2.0)
    yield _figure(f"twin CPU per row update, {millions}", cost, "ns")
    yield from _boxes(directory, catalogue, millions)
    yield from _memory(directory, millions)
    writer.close()


def _boxes(directory: Path, catalogue: Catalogue, millions: str) -> Iterator[Figure]:
    reader = TwinReader(directory, 1, catalogue, threads=2)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        table = reader.platform_select(bbox=BEIJING, signals=["Vehicle.Speed"], limit=100_000)
        times.append(time.perf_counter() - began)
    yield _figure(f"box over {millions}, platform", statistics.median(times), "s", -0.5)
    yield _figure(f"vehicles in that box of {millions}", table.num_rows, "vehicles")
    times = []
    for _ in range(5):
        began = time.perf_counter()
        reader.select(7, bbox=BEIJING, where="Vehicle.Speed > 60", limit=100_000)
        times.append(time.perf_counter() - began)
    yield _figure(f"box and predicate of one tenant in {millions}", statistics.median(times), "s")


def _states(directory: Path, catalogue: Catalogue) -> Iterator[Figure]:
    """One vehicle's state out of 100,000 that report sixty signals each."""
    rng = np.random.default_rng(2)
    numbers = np.arange(1, 100_001)
    more = [s.path for s in catalogue.values() if s.datatype == "float" and s.path not in HOT][:50]
    writer = TwinWriter(directory, 0, 1, catalogue)
    writer.apply([_batch(catalogue, rng, numbers, 0, more)])
    reader = TwinReader(directory, 1, catalogue)
    asked = [(int(number), _tenant_of(int(number))) for number in rng.permutation(numbers)[:20_000]]
    began = time.perf_counter()
    for number, tenant in asked:
        reader.state(number, tenant)
    each = (time.perf_counter() - began) / len(asked) * 1e6
    yield _figure("twin state of sixty signals", each, "µs", -40.0)
    small = [_batch(catalogue, rng, rng.permutation(numbers)[:750], 1 + n, more) for n in range(40)]
    began = time.perf_counter()
    for batch in small:
        writer.apply([batch])
    each = (time.perf_counter() - began) / len(small) * 1e3
    yield _figure("twin write of 750 rows of sixty signals", each, "ms")
    writer.close()


def _memory(directory: Path, millions: str) -> Iterator[Figure]:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anonymous = int(fields["RssAnon"].split()[0]) / 1024
    mapped = int(fields["RssFile"].split()[0]) / 1024
    blocks = sum(path.stat().st_blocks for path in directory.rglob("*") if path.is_file())
    yield _figure(f"twin resident memory of its own, {millions}", anonymous, "MiB")
    yield _figure(f"twin files mapped and resident (page cache), {millions}", mapped, "MiB")
    yield _figure(f"twin files on disk, {millions}", blocks * 512 / 1e9, "GB")


def _batch(
    catalogue: Catalogue,
    rng: np.random.Generator,
    vehicles: NDArray[Any],
    second: int,
    more: list[str] | None = None,
) -> SignalBatch:
    count = len(vehicles)
    now = np.full(count, T0_US + second * 1_000_000)
    meta = {
        "tenant": _tenant_of(vehicles).astype(np.uint32),
        "vehicle": vehicles.astype(np.uint64),
        "event_time": now,
        "ingest_time": now,
        "record": vehicles.astype(np.uint64),
        "reissued": np.zeros(count, np.bool_),
    }
    values = rng.random(count, np.float32) * 120
    signals = {
        LATITUDE: pa.array(rng.random(count) * 30 + 20),
        LONGITUDE: pa.array(rng.random(count) * 55 + 75),
    }
    for path in [*HOT, *(more or [])]:
        kind = catalogue[path].arrow_type
        small = values % 3 if kind in (pa.uint8(), pa.bool_()) else values
        signals[path] = pa.array(small.astype(kind.to_pandas_dtype()))
    return SignalBatch.build("report", meta, signals)


def _tenant_of(vehicle: Any) -> Any:
    return vehicle % TENANTS + 1


def _figure(name: str, value: float, unit: str, bound: float | None = None) -> Figure:
    """A figure; ``bound`` is what to reach, negative where less is better."""
    if bound is None:
        return Figure(name=name, value=value, unit=unit)
    met = value <= -bound if bound < 0 else value >= bound
    sign = "<=" if bound < 0 else ">="
    return Figure(name=name, value=value, unit=unit, target=f"{sign} {abs(bound):g}", met=met)


if __name__ == "__main__":
    for figure in run("--full" not in sys.argv):
        print(
            f"{figure.name:60} {figure.value:12.3f} {figure.unit:10} {figure.target} {figure.met}"
        )
