"""The process ``test_writer`` kills: commits records up to a number, from its checkpoint on."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from motorcade.clock import SystemClock
from motorcade.history.config import Config
from motorcade.history.maintenance import Maintenance
from motorcade.history.writer import HistoryWriter
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import load_catalogue

START_US = 1_750_032_000_000_000


async def main(directory: Path, wanted: int) -> None:
    """Two tenants' rows, a record a millisecond of event time; a commit every second record."""
    checkpoint = directory / "checkpoint"
    position = json.loads(checkpoint.read_text()) if checkpoint.exists() else 0
    config = Config(compact_fan_in=3, retention_days=0)
    history = directory / "history"
    clock = SystemClock()
    writer = HistoryWriter(history, 0, load_catalogue(), clock, config, position=position)
    maintenance = Maintenance(history, clock, config)
    print("ready", flush=True)
    for sequence in range(position + 1, wanted + 1):
        writer.add(sequence, [batch(sequence)])
        if sequence % 2 == 0 or sequence == wanted:
            position = await writer.commit()
            save(checkpoint, position)
            await maintenance.run_once()


def batch(sequence: int) -> SignalBatch:
    """The row of each tenant in the log record ``sequence``."""
    meta = {
        "tenant": np.array([1, 2]),
        "vehicle": np.array([7, 8]),
        "event_time": np.full(2, START_US + sequence),
        "ingest_time": np.full(2, START_US + sequence),
        "record": np.full(2, sequence),
        "reissued": np.zeros(2, bool),
    }
    speed = pa.array([float(sequence)] * 2, pa.float32())
    return SignalBatch.build("report", meta, {"Vehicle.Speed": speed})


def save(path: Path, position: int) -> None:
    """Replace the checkpoint in one step."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(position))
    new.replace(path)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
