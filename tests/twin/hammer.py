"""Writes the same number into every signal of each row, over and over, until its input ends.

Run by ``test_reader.py`` as a process of its own: ``python hammer.py DIRECTORY``.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import load_catalogue
from motorcade.twin.writer import TwinWriter

SPEED = "Vehicle.Speed"
ODOMETER = "Vehicle.TraveledDistance"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
ROWS = 64


def main(directory: Path) -> None:
    catalogue = load_catalogue()
    writer = TwinWriter(directory, 0, 1, catalogue)
    vehicles = np.arange(1, ROWS, dtype=np.uint64)
    count = len(vehicles)
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        number += 1
        now = np.full(count, (1_750_000_000 + number // 100) * 1_000_000)
        values = np.full(count, number, np.float32)
        lists = [[float(number)] * (1 + number % 200)] * count
        signals = {
            CELLS: pa.array(lists, catalogue[CELLS].arrow_type),
            SPEED: pa.array(values),
            ODOMETER: pa.array(values),
        }
        meta = {
            "tenant": np.full(count, 7, np.uint32),
            "vehicle": vehicles,
            "event_time": now,
            "ingest_time": now,
            "record": vehicles,
            "reissued": np.zeros(count, np.bool_),
        }
        writer.apply([SignalBatch.build("report", meta, signals)])
        if number == 2:
            print("started", flush=True)
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
