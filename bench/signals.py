"""What the vocabulary costs: loading the catalogue, building, joining and reading back batches."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from motorcade.signals.batch import SignalBatch, concat
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import quality_codes
from motorcade.signals.text import plain_column
from motorcade.simulator.figures import Figure

__all__ = ["run"]

_ROWS = 100
_SCALARS = 58
_CELLS = 96


def run(quick: bool = False) -> list[Figure]:
    """The best of five rounds for each step, in microseconds a call."""
    repeat = 20 if quick else 400
    meta, signals = _columns()
    batch = SignalBatch.build("report", meta, signals)
    schema, data = batch.data.schema, batch.to_ipc()
    rows = np.arange(0, 1000, 3)
    cells = signals["Vehicle.List0"].flatten()
    load_ms = _best_us(load_catalogue, max(repeat // 40, 1)) / 1000
    build_us = _best_us(lambda: SignalBatch.build("report", meta, signals), repeat)
    read_us = _best_us(lambda: SignalBatch.from_ipc("report", schema, data), repeat)
    return [
        _figure("catalogue load", load_ms, "ms", 60),
        _figure("batch build, 60 columns x 100 rows", build_us, "us", 250),
        Figure(name="batch to IPC, 60 x 100", value=_best_us(batch.to_ipc, repeat), unit="us"),
        Figure(name="batch from IPC, checked, 60 x 100", value=read_us, unit="us"),
        Figure(
            name="concat of 10 batches, 60 x 100 each",
            value=_best_us(lambda: concat([batch] * 10), max(repeat // 4, 1)),
            unit="us",
        ),
        Figure(
            name="quality column, 334 faults in 1,000 rows",
            value=_best_us(lambda: quality_codes(rows, 7, 2, 1000), repeat),
            unit="us",
        ),
        Figure(
            name="rendering floats as shortest decimals",
            value=len(cells) / _best_us(lambda: plain_column(cells), max(repeat // 20, 1)),
            unit="M values/s",
        ),
    ]


def _figure(name: str, value: float, unit: str, bound: float) -> Figure:
    return Figure(name=name, value=value, unit=unit, target=f"<= {bound:g}", met=value <= bound)


def _best_us(step: Callable[[], object], repeat: int) -> float:
    step()
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(repeat):
            step()
        best = min(best, time.perf_counter() - start)
    return best / repeat * 1e6


def _columns() -> tuple[dict[str, np.ndarray], dict[str, pa.Array]]:
    random = np.random.default_rng(1)
    meta = {
        "tenant": np.ones(_ROWS, np.uint32),
        "vehicle": np.arange(1, _ROWS + 1, dtype=np.uint64),
        "event_time": np.full(_ROWS, 1_750_000_000_000_000, np.int64),
        "ingest_time": np.full(_ROWS, 1_750_000_000_000_000, np.int64),
        "record": random.integers(0, 2**63, _ROWS, dtype=np.uint64),
        "reissued": np.zeros(_ROWS, bool),
    }
    signals = {
        f"Vehicle.Scalar{place}": pa.array(random.random(_ROWS, dtype=np.float32))
        for place in range(_SCALARS)
    }
    offsets = pa.array(np.arange(_ROWS + 1, dtype=np.int32) * _CELLS)
    for place in range(2):
        values = pa.array(np.round(random.random(_ROWS * _CELLS), 3).astype(np.float32))
        signals[f"Vehicle.List{place}"] = pa.ListArray.from_arrays(offsets, values)
    return meta, signals
