"""A server for each test, a log on it, and batches to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engines_nats import Nats
from motorcade.log.log import Log
from motorcade.signals.batch import SignalBatch

MakeBatch = Callable[..., SignalBatch]


@pytest.fixture
def make_batch() -> MakeBatch:
    """``make_batch(rows, first=1, columns=4, kind="report")``: vehicles from ``first`` on."""

    def build(rows: int, first: int = 1, columns: int = 4, kind: str = "report") -> SignalBatch:
        vehicles = np.arange(first, first + rows, dtype=np.uint64)
        meta = {
            "tenant": np.ones(rows, np.uint32),
            "vehicle": vehicles,
            "event_time": np.full(rows, 1_750_000_000_000_000),
            "ingest_time": np.full(rows, 1_750_000_000_100_000),
            "record": vehicles * 31,
            "reissued": np.zeros(rows, bool),
        }
        values = vehicles.astype(np.float32)
        signals = {f"Vehicle.Signal{index}": pa.array(values + index) for index in range(columns)}
        return SignalBatch.build(kind, meta, signals)

    return build


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    async with Nats(tmp_path) as server:
        yield server


@pytest.fixture
async def connect(nats: Nats) -> AsyncIterator[Callable[..., Awaitable[Log]]]:
    """``await connect(partitions=…)``: a log on the test's server, closed at the end."""
    logs: list[Log] = []

    async def open_log(**changes: object) -> Log:
        log = await Log.connect(nats.config(**changes))
        logs.append(log)
        return log

    yield open_log
    for log in logs:
        await log.close()


@pytest.fixture
async def log(connect: Callable[..., Awaitable[Log]]) -> Log:
    return await connect()
