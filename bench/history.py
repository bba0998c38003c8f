"""The history's hot paths: writing, merging, one car's day, the hot tail."""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.clock import SteerableClock
from motorcade.history.config import Config
from motorcade.history.maintenance import Maintenance
from motorcade.history.reader import HistoryReader
from motorcade.history.table import TelemetryTable
from motorcade.history.writer import HistoryWriter
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue, Signal, load_catalogue
from motorcade.simulator.figures import Figure

__all__ = ["run"]

_DAY_US = 86_400_000_000
_START_US = 1_750_032_000_000_000
_EVERY_US = 30_000_000
_CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
_PATHS = (
    *(
        f"Vehicle.{name}"
        for name in (
            "Speed",
            "TraveledDistance",
            "Alarm.Flags",
            "Alarm.Level",
            "CurrentLocation.CoordinateSystem",
            "CurrentLocation.IsValid",
            "CurrentLocation.Latitude",
            "CurrentLocation.Longitude",
        )
    ),
    *(
        f"Vehicle.Powertrain.DriveMotor.Motor1.{name}"
        for name in (
            "ControllerCurrent",
            "ControllerTemperature",
            "ControllerVoltage",
            "Index",
            "Speed",
            "State",
            "Temperature",
            "Torque",
        )
    ),
    *(
        f"Vehicle.Powertrain.TractionBattery.{name}"
        for name in (
            "CellVoltage.Max",
            "CellVoltage.MaxCell",
            "CellVoltage.MaxPack",
            "CellVoltage.Min",
            "CellVoltage.MinCell",
            "CellVoltage.MinPack",
            "Charging.State",
            "CurrentCurrent",
            "CurrentVoltage",
            "DCDC.State",
            "InsulationResistance",
            "StateOfCharge.Displayed",
            "Temperature.Max",
            "Temperature.MaxPack",
            "Temperature.MaxProbe",
            "Temperature.Min",
            "Temperature.MinPack",
            "Temperature.MinProbe",
        )
    ),
)
_TEN = tuple(path for path in _PATHS if "Motor1" not in path)[:10]


def run(quick: bool = False) -> list[Figure]:
    """Rates and latencies on this machine; ``quick`` takes a tenth of the rows."""
    catalogue = load_catalogue()
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(Path(folder), catalogue, quick))


async def _run(folder: Path, catalogue: Catalogue, quick: bool) -> list[Figure]:
    rows = 300_000 if quick else 1_500_000
    figures = [
        await _writing(folder / "one", catalogue, rows, tenants=1),
        await _writing(folder / "many", catalogue, rows, tenants=92),
        await _writing(folder / "cells", catalogue, rows // 5, tenants=92, cells=96),
    ]
    figures += await _a_day(folder / "day", catalogue, cars=350 if quick else 3500)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures.append(
        Figure(name="history: peak memory of the bench", value=peak_kib / 1024, unit="MiB")
    )
    return figures


async def _writing(
    folder: Path, catalogue: Catalogue, rows: int, *, tenants: int, cells: int = 0
) -> Figure:
    """Batches of 500 rows, as a gateway tick makes them, up to the last commit."""
    clock = SteerableClock(_START_US + _DAY_US)
    writer = HistoryWriter(folder, 0, catalogue, clock, Config())
    rng = np.random.default_rng(7)
    batches = [_random_batch(catalogue, rng, 500, tenants, cells) for _ in range(64)]
    spent_s = 0.0
    for sequence in range(1, rows // 500 + 1):
        batch = _at(batches[sequence % 64], _START_US + sequence * 40_000)
        start = time.perf_counter()
        writer.add(sequence, [batch])
        if writer.due:
            await writer.commit()
        spent_s += time.perf_counter() - start
    start = time.perf_counter()
    await writer.commit()
    rate = rows / (spent_s + time.perf_counter() - start)
    extra = f" and {cells} cells" if cells else ""
    return Figure(
        name=f"history: write path, {len(_PATHS)} signals{extra}, {tenants} tenants",
        value=round(rate),
        unit="rows/s",
        target="" if cells else ">= 150000",
        met=None if cells else rate >= 150_000,
    )


async def _a_day(folder: Path, catalogue: Catalogue, cars: int) -> list[Figure]:
    """One tenant's day: a row every 30 s of every car, committed by the hour, then merged."""
    clock = SteerableClock(_START_US + _DAY_US)
    config = Config(tail_grace_s=0.0, tail_bytes_max=1 << 30, commit_rows=1 << 40)
    writer = HistoryWriter(folder, 0, catalogue, clock, config)
    for sequence, batch in enumerate(_day_batches(catalogue, cars), 1):
        writer.add(sequence, [batch])
        if sequence % 60 == 0:
            await writer.commit()
            clock.advance(1)

    async def tail(_partition: int, payload: bytes) -> bytes:
        return await writer.answer_tail(payload)

    reader = HistoryReader(folder, 1, catalogue, clock, tail)
    before = await _latencies(reader, cars, 20, _TEN)
    clock.advance(86_400)
    read, merging_s = await _merged(Maintenance(folder, clock, config))
    ten = await _latencies(reader, cars, 200, _TEN)
    every = await _latencies(reader, cars, 50, None)
    mean = await _latencies(reader, cars, 50, _TEN, every_us=600_000_000)
    newest = _random_batch(catalogue, np.random.default_rng(1), 1000, 1, 0)
    writer.add(1 << 40, [_at(newest, _START_US + 2 * _DAY_US)])
    hot = await _latencies(reader, cars, 200, _TEN, day=2)
    reader.close()
    total = cars * _DAY_US // _EVERY_US
    of = f"one car's day (2880 rows) of {total / 1e6:.0f} M"
    return [
        Figure(name="history: merge", value=round(read / merging_s), unit="rows/s"),
        _latency(f"history: {of}, 10 signals, p95", ten, 50.0),
        _latency(f"history: {of}, {len(_PATHS)} signals, p95", every, 50.0),
        _latency(f"history: {of}, 10 signals by 10 minutes, p95", mean, None),
        _latency(f"history: {of}, 10 signals, before merging, p95", before, None),
        _latency("history: a car's newest rows, from the tail, p95", hot, None),
        Figure(name="history: on disk", value=round(_bytes_in(folder) / total, 1), unit="B/row"),
    ]


def _latency(name: str, seconds: list[float], most_ms: float | None) -> Figure:
    value = float(np.percentile(seconds, 95)) * 1000
    met = None if most_ms is None else value <= most_ms
    target = "" if most_ms is None else f"<= {most_ms:.0f}"
    return Figure(name=name, value=round(value, 1), unit="ms", target=target, met=met)


async def _latencies(
    reader: HistoryReader,
    cars: int,
    times: int,
    paths: tuple[str, ...] | None,
    *,
    every_us: int | None = None,
    day: int = 0,
) -> list[float]:
    rng = np.random.default_rng(11)
    seconds = []
    from_us = _START_US + day * _DAY_US
    for vehicle in rng.integers(1, cars + 1, times + 3).tolist():
        start = time.perf_counter()
        await reader.query(
            1,
            vehicle,
            paths,
            from_us=from_us,
            to_us=from_us + _DAY_US,
            every_us=every_us,
            limit=10_000,
        )
        seconds.append(time.perf_counter() - start)
    return seconds[3:]


async def _merged(maintenance: Maintenance) -> tuple[int, float]:
    """Rows read and seconds taken until nothing is left to merge."""
    start = time.perf_counter()
    rows = 0
    while done := await maintenance.run_once():
        rows += sum(one.rows_read for one in done)
    return rows, time.perf_counter() - start


def _bytes_in(folder: Path) -> int:
    table = TelemetryTable(folder, 1).snapshot(1)
    return sum(file.size for file in table.files) if table else 0


def _day_batches(catalogue: Catalogue, cars: int) -> Iterator[SignalBatch]:
    """1,440 batches of two rows of every car."""
    rng = np.random.default_rng(3)
    vehicle = np.repeat(np.arange(1, cars + 1, dtype=np.uint64), 2)
    jitter = rng.integers(0, 1_000_000, 2 * cars) + np.tile([0, _EVERY_US], cars)
    for minute in range(1440):
        batch = _random_batch(catalogue, rng, 2 * cars, 1, 0)
        yield _at(batch, _START_US + minute * 60_000_000, vehicle, jitter)


def _at(
    batch: SignalBatch,
    from_us: int,
    vehicle: NDArray[Any] | None = None,
    jitter: NDArray[Any] | int = 0,
) -> SignalBatch:
    """``batch`` with other times (and vehicles)."""
    data = batch.data
    time_us = pa.array(np.full(len(batch), from_us) + jitter).view(pa.timestamp("us", "UTC"))
    for name in ("event_time", "ingest_time"):
        data = data.set_column(data.schema.get_field_index(name), data.schema.field(name), time_us)
    if vehicle is not None:
        place = data.schema.get_field_index("vehicle")
        data = data.set_column(place, data.schema.field("vehicle"), pa.array(vehicle))
    return SignalBatch(batch.kind, data)


def _random_batch(
    catalogue: Catalogue, rng: np.random.Generator, rows: int, tenants: int, cells: int
) -> SignalBatch:
    """Values with the spread real reports have: counts of small steps, not noise in every bit."""
    vehicle = rng.choice(100_000, rows, replace=False) + 1
    meta = {
        "tenant": vehicle % tenants + 1,
        "vehicle": vehicle,
        "event_time": np.zeros(rows, np.int64),
        "ingest_time": np.zeros(rows, np.int64),
        "record": rng.integers(0, 1 << 63, rows).astype(np.uint64),
        "reissued": np.zeros(rows, bool),
    }
    signals = {path: _values(catalogue[path], rng, rows) for path in _PATHS}
    if cells:
        volts = pa.array((rng.integers(3000, 4200, rows * cells) / 1000).astype(np.float32))
        offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * cells)
        signals[_CELLS] = pa.ListArray.from_arrays(offsets, volts)
    return SignalBatch.build("report", meta, signals)


def _values(signal: Signal, rng: np.random.Generator, rows: int) -> pa.Array:
    kind = signal.arrow_type
    if signal.is_enum:
        return pa.array(rng.integers(0, len(signal.words), rows).astype(np.uint8))
    if pa.types.is_boolean(kind):
        return pa.array(rng.random(rows) < 0.99)
    if pa.types.is_floating(kind):
        scale = 1e-6 if kind == pa.float64() else 0.1
        count = rng.integers(0, 1_000_000 if kind == pa.float64() else 4000, rows)
        return pa.array((count * scale).astype(kind.to_pandas_dtype()))
    return pa.array(rng.integers(0, 200, rows).astype(kind.to_pandas_dtype()))
