"""What the log costs: appends a second with an fsync each, and the way from append to reader."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import uvloop

from motorcade.clock import SystemClock
from motorcade.log.engine import EmbeddedNats
from motorcade.log.log import Config, Log
from motorcade.signals.batch import SignalBatch
from motorcade.simulator.figures import Figure

__all__ = ["run"]

_MESSAGE_BYTES = 64 << 10
_READY_S = 20.0


def run(quick: bool = False) -> list[Figure]:
    """Start a server of its own in a temporary directory and measure."""
    with tempfile.TemporaryDirectory() as directory:
        engine = EmbeddedNats(Path(directory) / "nats")
        engine.prepare()
        server = subprocess.Popen(engine.command())
        try:
            return uvloop.run(_measure(engine, 300 if quick else 3000))
        finally:
            server.kill()
            server.wait()


async def _measure(engine: EmbeddedNats, count: int) -> list[Figure]:
    deadline = time.monotonic() + _READY_S
    while not await engine.ready():
        if time.monotonic() > deadline:
            raise TimeoutError("nats-server does not start")
        await asyncio.sleep(0.05)
    log = await Log.connect(Config(url_file=str(engine.url_file), bytes_max=8 << 30))
    try:
        return [
            *await _messages(log, count, 1),
            *await _messages(log, count, 8),
            *await _batches(log, count // 2),
            *await _latency(log, count // 3),
        ]
    finally:
        await log.close()


async def _messages(log: Log, count: int, in_flight: int) -> list[Figure]:
    """Messages of 64 KiB as they are, ``in_flight`` at once: what the engine takes."""
    payload = np.random.default_rng(1).bytes(_MESSAGE_BYTES)
    clock = SystemClock()

    async def append(_: int) -> None:
        await log._appending.store(0, payload, clock.monotonic_s() + 30)

    seconds, times_ms = await _timed(append, count, in_flight)
    name = f"append 64 KiB, {in_flight} in flight"
    rate = count / seconds
    return [
        Figure(name=name, value=rate, unit="messages/s", target=">= 500", met=rate >= 500),
        Figure(name=f"{name}, bytes", value=rate * _MESSAGE_BYTES / 1e6, unit="MB/s"),
        Figure(name=f"{name}, p50", value=float(np.percentile(times_ms, 50)), unit="ms"),
        Figure(name=f"{name}, p99", value=float(np.percentile(times_ms, 99)), unit="ms"),
    ]


async def _batches(log: Log, count: int) -> list[Figure]:
    """Batches of 250 rows and 60 signals, as a gateway's tick at 30,000 frames/s has them."""
    batch = _batch(250)

    async def append(number: int) -> None:
        await log.append(number % log.partitions, [batch])

    seconds, _ = await _timed(append, count, 2)
    return [Figure(name="append batches of 250 x 60", value=count * 250 / seconds, unit="rows/s")]


async def _latency(log: Log, count: int) -> list[Figure]:
    """At 125 messages/s: from the call of append to the reader's hands, and to append's return."""
    batch = _batch(100)
    called: list[float] = []
    read_ms: list[float] = []
    stored_ms: list[float] = []

    async def read() -> None:
        async with log.consume(1, await log.last_sequence(1)) as consumer:
            while len(read_ms) < count:
                await anext(consumer)
                read_ms.append((time.perf_counter() - called[len(read_ms)]) * 1e3)

    reader = asyncio.create_task(read())
    await asyncio.sleep(0.3)
    for _ in range(count):
        called.append(time.perf_counter())
        await log.append(1, [batch])
        stored_ms.append((time.perf_counter() - called[-1]) * 1e3)
        await asyncio.sleep(0.008)
    await reader
    p99 = float(np.percentile(read_ms, 99))
    return [
        Figure(name="append to return, p50", value=float(np.percentile(stored_ms, 50)), unit="ms"),
        Figure(name="append to return, p99", value=float(np.percentile(stored_ms, 99)), unit="ms"),
        Figure(name="append to reader, p50", value=float(np.percentile(read_ms, 50)), unit="ms"),
        Figure(name="append to reader, p99", value=p99, unit="ms", target="<= 10", met=p99 <= 10),
    ]


async def _timed(
    append: Callable[[int], Awaitable[None]], count: int, in_flight: int
) -> tuple[float, list[float]]:
    """Seconds for all, and milliseconds for each."""
    times_ms: list[float] = []
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            start = time.perf_counter()
            await append(number)
            times_ms.append((time.perf_counter() - start) * 1e3)

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return time.perf_counter() - start, times_ms


def _batch(rows: int) -> SignalBatch:
    random = np.random.default_rng(rows)
    meta = {
        "tenant": np.ones(rows, np.uint32),
        "vehicle": np.arange(1, rows + 1, dtype=np.uint64),
        "event_time": np.full(rows, 1_750_000_000_000_000),
        "ingest_time": np.full(rows, 1_750_000_000_100_000),
        "record": random.integers(0, 1 << 63, rows).astype(np.uint64),
        "reissued": np.zeros(rows, bool),
    }
    signals = {
        f"Vehicle.Signal{index}": pa.array(random.random(rows, dtype=np.float32))
        for index in range(60)
    }
    return SignalBatch.build("report", meta, signals)
