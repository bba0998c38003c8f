"""State reads over HTTP: how many a second one API process answers, and how fast, while cars
report.

In full: `motorcade up`, and 2,000 cars that send its gateway 10,000 frames a second; what they cost
the machine's cores is part of the figure. Quick: the API process alone over real PostgreSQL, NATS
and twin files, with a process that writes 10,000 rows a second into the twin. Here states of random
vehicles are asked for over kept-alive connections.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

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
from motorcade.simulator.automakers import automakers
from motorcade.simulator.figures import Figure
from motorcade.simulator.load import Load, LoadPlan
from motorcade.twin.reader import TwinReader
from motorcade.twin.writer import TwinWriter

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from platforms import running_platform

__all__ = ["run"]

PARTITIONS = 2
VEHICLES = 10_000
LOADED = 1_000
SIGNALS = 30
ROWS_PER_S = 10_000
CONNECTIONS = 32
TARGET_PER_S = 4_000
TARGET_MS = 20.0
STEADY_PER_S = 1_000


def run(quick: bool = False) -> list[Figure]:
    """Rate, latency, memory and processor time of one API process."""
    with _light() if quick else _whole() as served:
        process, facts = psutil.Process(served.pid), served.facts
        uvloop.run(_each_once(served.port, served.key, served.vins))
        frames, begun = facts(), time.monotonic()
        before = sum(process.cpu_times()[:2])
        rate = uvloop.run(_closed(served.port, served.key, served.vins, served.seconds))
        used = sum(process.cpu_times()[:2]) - before
        latencies = uvloop.run(_steady(served.port, served.key, served.vins, served.seconds))
        coming = (facts() - frames) / (time.monotonic() - begun)
        memory = process.memory_info().rss / 2**20
    p50, p99 = np.percentile(latencies, [50, 99]).tolist()
    return [
        Figure(
            name="state_reads.rate", value=round(rate), unit="reads/s",
            target=f">= {TARGET_PER_S}", met=rate >= TARGET_PER_S,
        ),
        Figure(
            name="state_reads.p99_at_1000", value=round(p99, 1), unit="ms",
            target=f"<= {TARGET_MS:g}", met=p99 <= TARGET_MS,
        ),
        Figure(name="state_reads.p50_at_1000", value=round(p50, 1), unit="ms"),
        Figure(
            name="state_reads.api_cpu", value=round(used / (rate * served.seconds) * 1e6),
            unit="us per read",
        ),
        Figure(name="state_reads.api_memory", value=round(memory), unit="MiB"),
        Figure(
            name="state_reads.coming_in", value=round(coming), unit="frames/s",
            target=f">= {0.98 * ROWS_PER_S:g}", met=coming >= 0.98 * ROWS_PER_S,
        ),
        Figure(name="state_reads.load_average", value=round(os.getloadavg()[0], 2),
               unit="processes"),
    ]  # fmt: skip


class _Served(NamedTuple):
    """An API process with cars that report; ``facts()`` is how many rows they have sent so far."""

    port: int
    pid: int
    key: str
    vins: list[str]
    seconds: float
    facts: Callable[[], float]


@contextmanager
def _whole() -> Iterator[_Served]:
    """The whole platform, and its own cars driven by a child process."""
    with (
        tempfile.TemporaryDirectory(prefix="motorcade-bench-") as name,
        running_platform(Path(name) / "data") as platform,
    ):
        tenant = automakers(1)[0]
        platform.cli("tenant", "add", tenant.name, "--wmi", tenant.wmi)
        plan = LoadPlan(vehicles=LOADED, rate=ROWS_PER_S, seconds=0.0, tenants=1)
        load = Load(plan, platform.gbt32960)
        load.start()
        try:
            key = platform.key("reader", tenant.name)
            port = int(platform.http.rpartition(":")[2])
            vins = _until_all_reported(platform.http, key)
            facts = lambda: float(load.progress().acknowledged)  # noqa: E731
            yield _Served(port, platform.pid("api"), key, vins, 30.0, facts)
        finally:
            load.stop()
            load.wait()


def _until_all_reported(http: str, key: str) -> list[str]:
    """The VINs of the cars, once every one of them has a state."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        request = urllib.request.Request(
            f"{http}/v1/state?limit={LOADED}&where=Vehicle.Speed%20%3E%3D%200",
            headers={"Authorization": f"Bearer {key}"},
        )
        with urllib.request.urlopen(request) as answer:
            vins = [car["vin"] for car in json.load(answer)["vehicles"]]
        if len(vins) == LOADED:
            return vins
        time.sleep(0.5)
    raise RuntimeError(f"only {len(vins)} of {LOADED} cars have reported")


@contextmanager
def _light() -> Iterator[_Served]:
    """The API process alone, over engines and a writer of the twin."""
    with tempfile.TemporaryDirectory(prefix="motorcade-bench-") as name, _engines(Path(name)) as at:
        key, vins = uvloop.run(_register(at))
        with _child("write", at) as writer, _child("serve", at) as server:
            port = int(_line(server, "port "))
            _line(writer, "ready")
            rows = lambda: ROWS_PER_S * time.monotonic()  # noqa: E731
            yield _Served(port, server.pid, key, vins, 3.0, rows)


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
    command = [sys.executable, "-P", __file__, role, str(directory)]
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
    asked, turns = 0, cycle(askers)
    while (now := time.perf_counter() - begun) < seconds:
        while asked < now * STEADY_PER_S:
            # In turn: a connection that is never asked on is closed after a while.
            asker = next((one for one in islice(turns, len(askers)) if one.free), None)
            if asker is None:
                break
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
