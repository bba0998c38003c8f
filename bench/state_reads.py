"""State reads over HTTP: how many a second one API process answers, and how fast, while cars
report.

Real PostgreSQL, NATS and twin files. One process serves, one writes 10,000 rows a second of 30
signals into the twin, this one asks for states of random vehicles over kept-alive connections.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import uvloop

from motorcade.api.config import Config
from motorcade.api.serve import ApiServer
from motorcade.api.services import Services
from motorcade.clock import SystemClock
from motorcade.fleet.engine import EmbeddedPostgres
from motorcade.fleet.registry import Config as FleetConfig
from motorcade.fleet.registry import Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.fleet.vin import build as build_vins
from motorcade.history.reader import HistoryReader
from motorcade.log.engine import EmbeddedNats
from motorcade.log.log import Config as LogConfig
from motorcade.log.log import Log
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import load_catalogue
from motorcade.simulator.figures import Figure
from motorcade.twin.reader import TwinReader
from motorcade.twin.writer import TwinWriter

__all__ = ["run"]

PARTITIONS = 2
VEHICLES = 10_000
SIGNALS = 30
ROWS_PER_S = 10_000
CONNECTIONS = 32
TARGET_PER_S = 4_000
TARGET_MS = 20.0
STEADY_PER_S = 1_000


def run(quick: bool = False) -> list[Figure]:
    """Rate, latency, memory and processor time of one API process."""
    seconds = 3.0 if quick else 15.0
    with tempfile.TemporaryDirectory(prefix="motorcade-bench-") as name, _engines(Path(name)) as at:
        key, vins = uvloop.run(_register(at))
        with _child("write", at) as writer, _child("serve", at) as server:
            port = int(_line(server, "port "))
            _line(writer, "ready")
            process = psutil.Process(server.pid)
            uvloop.run(_each_once(port, key, vins))
            before = sum(process.cpu_times()[:2])
            rate = uvloop.run(_closed(port, key, vins, seconds))
            used = sum(process.cpu_times()[:2]) - before
            latencies = uvloop.run(_steady(port, key, vins, seconds))
            memory = process.memory_info().rss / 2**20
    p99 = float(np.percentile(latencies, 99))
    return [
        Figure(
            name="state reads by HTTP, one process, 10,000 rows/s coming in",
            value=rate, unit="1/s", target=f">= {TARGET_PER_S}", met=rate >= TARGET_PER_S,
        ),
        Figure(
            name="state read p99 at 1,000/s", value=p99, unit="ms",
            target=f"<= {TARGET_MS:g}", met=p99 <= TARGET_MS,
        ),
        Figure(
            name="state read p50 at 1,000/s", value=float(np.percentile(latencies, 50)), unit="ms"
        ),
        Figure(name="processor time per read", value=used / (rate * seconds) * 1e6, unit="us"),
        Figure(name="API process resident memory", value=memory, unit="MiB"),
    ]  # fmt: skip


@contextmanager
def _engines(directory: Path) -> Iterator[Path]:
    postgres = EmbeddedPostgres(directory / "postgres")
    nats = EmbeddedNats(directory / "nats")
    postgres.start()
    try:
        nats.prepare()
        with subprocess.Popen(nats.command(), stderr=subprocess.DEVNULL) as process:
            try:
                while not uvloop.run(nats.ready()):
                    time.sleep(0.05)
                yield directory
            finally:
                process.terminate()
    finally:
        postgres.stop()


@contextmanager
def _child(role: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, __file__, role, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def _line(process: subprocess.Popen[str], mark: str) -> str:
    """What follows ``mark`` on the line that begins with it; other lines are the child's log."""
    for line in process.stdout or ():
        if line.startswith(mark):
            return line.removeprefix(mark).strip()
    raise RuntimeError("a part of the bench ended before it was ready")


def _fleet_config(directory: Path) -> FleetConfig:
    engine = EmbeddedPostgres(directory / "postgres")
    return FleetConfig(url=engine.app_url, owner_url=engine.url)


async def _register(directory: Path) -> tuple[str, list[str]]:
    config = _fleet_config(directory)
    await Fleet.migrate(config)
    fleet = await Fleet.connect(config, SystemClock())
    try:
        tenant = await fleet.create_tenant("bench")
        vins = build_vins(np.random.default_rng(1), "LBN", VEHICLES)
        await fleet.add_vehicles(tenant.number, [NewVehicle(vin=vin) for vin in vins])
        return (await fleet.create_key(tenant.number, "reader")).token, vins
    finally:
        await fleet.close()


async def _serve(directory: Path) -> None:
    clock, catalogue = SystemClock(), load_catalogue()
    nats = EmbeddedNats(directory / "nats")
    fleet = await Fleet.connect(_fleet_config(directory), clock)
    log = await Log.connect(LogConfig(url_file=str(nats.url_file), partitions=PARTITIONS), clock)

    async def tail(partition: int, payload: bytes) -> bytes:
        return await log.request(f"history.tail.{partition}", payload)

    server = ApiServer(
        Services(
            fleet=fleet,
            log=log,
            twin=TwinReader(directory / "twin", PARTITIONS, catalogue),
            history=HistoryReader(directory / "history", PARTITIONS, catalogue, clock, tail),
            catalogue=catalogue,
            clock=clock,
            config=Config(listen="127.0.0.1:0"),
        )
    )
    await server.start()
    print("port", server.port, flush=True)
    await server.wait()


def _write(directory: Path) -> None:
    """Fill the twin, then write 80 rows every 8 ms."""
    catalogue = load_catalogue()
    floats = [s.path for s in catalogue.values() if s.datatype == "float" and s.kind == "sensor"]
    writers = [TwinWriter(directory / "twin", p, PARTITIONS, catalogue) for p in range(PARTITIONS)]
    clock = SystemClock()
    rng = np.random.default_rng(2)

    def apply(vehicles: np.ndarray) -> None:
        for partition, writer in enumerate(writers):
            mine = vehicles[vehicles % PARTITIONS == partition]
            if len(mine):
                writer.apply([_batch(mine, clock.now_us(), floats[:SIGNALS], rng)])

    apply(np.arange(1, VEHICLES + 1, dtype=np.uint64))
    print("ready", flush=True)
    tick_s = 0.008
    count = round(ROWS_PER_S * tick_s)
    due = time.monotonic()
    while True:
        apply(np.unique(rng.integers(1, VEHICLES + 1, count)).astype(np.uint64))
        due += tick_s
        time.sleep(max(0.0, due - time.monotonic()))


def _batch(
    vehicles: np.ndarray, now_us: int, paths: Sequence[str], rng: np.random.Generator
) -> SignalBatch:
    rows = len(vehicles)
    meta = {
        "tenant": np.ones(rows, np.uint32),
        "vehicle": vehicles,
        "event_time": np.full(rows, now_us),
        "ingest_time": np.full(rows, now_us),
        "record": rng.integers(0, 1 << 60, rows).astype(np.uint64),
        "reissued": np.zeros(rows, bool),
    }
    # In steps of 0.1, as vehicles report.
    values = (rng.integers(0, 1000, (len(paths), rows)) / 10).astype(np.float32)
    return SignalBatch.build(
        "report", meta, {path: pa.array(row) for path, row in zip(paths, values, strict=True)}
    )


class _Asker(asyncio.Protocol):
    """One kept-alive connection: a request at a time, its latency on arrival of the whole
    answer."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.free = True
        self._todo: Iterator[bytes] = iter(())
        self._buffer = b""
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, todo: Iterator[bytes], begun: float | None = None) -> None:
        """Send the first of ``todo``, and the next whenever an answer is complete."""
        self._todo = todo
        request = next(todo, None)
        self.free = request is None
        if request is not None:
            self._begun = time.perf_counter() if begun is None else begun
            self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._buffer[:300])
        at = self._buffer.lower().find(b"content-length: ") + 16
        if len(self._buffer) < head + 4 + int(self._buffer[at : self._buffer.index(b"\r", at)]):
            return
        self.latencies.append(time.perf_counter() - self._begun)
        self._buffer = b""
        self.ask(self._todo)


async def _askers(port: int, count: int) -> list[_Asker]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(_Asker, "127.0.0.1", port) for _ in range(count)]
    return [protocol for _, protocol in made]


def _requests(key: str, vins: list[str]) -> list[bytes]:
    head = f" HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\r\n"
    return [f"GET /v1/vehicles/{vin}/state{head}".encode() for vin in vins]


def _forever(requests: list[bytes], until: float) -> Iterator[bytes]:
    while time.perf_counter() < until:
        yield random.choice(requests)


async def _each_once(port: int, key: str, vins: list[str]) -> None:
    """Ask for every vehicle, so that what is measured is not the first look-up of each VIN."""
    askers, requests = await _askers(port, CONNECTIONS), _requests(key, vins)
    for number, asker in enumerate(askers):
        asker.ask(iter(requests[number::CONNECTIONS]))
    await _finished(askers)


async def _closed(port: int, key: str, vins: list[str], seconds: float) -> float:
    """Every connection asks again as soon as it is answered; answers per second."""
    askers, requests = await _askers(port, CONNECTIONS), _requests(key, vins)
    begun = time.perf_counter()
    for asker in askers:
        asker.ask(_forever(requests, begun + seconds))
    await _finished(askers)
    return sum(len(asker.latencies) for asker in askers) / (time.perf_counter() - begun)


async def _steady(port: int, key: str, vins: list[str], seconds: float) -> np.ndarray:
    """1,000 requests a second by the clock; latencies in ms from when each was due."""
    askers, requests = await _askers(port, 4 * CONNECTIONS), _requests(key, vins)
    begun = time.perf_counter()
    asked = 0
    while (now := time.perf_counter() - begun) < seconds:
        waiting = iter([asker for asker in askers if asker.free])
        while asked < now * STEADY_PER_S and (asker := next(waiting, None)) is not None:
            asker.ask(iter([random.choice(requests)]), begun + asked / STEADY_PER_S)
            asked += 1
        await asyncio.sleep(0.0005)
    await _finished(askers)
    return np.concatenate([asker.latencies for asker in askers]) * 1000


async def _finished(askers: list[_Asker]) -> None:
    while not all(asker.free for asker in askers):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    for asker in askers:
        asker.transport.close()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        uvloop.run(_serve(Path(sys.argv[2])))
    else:
        _write(Path(sys.argv[2]))
