"""Ingest over HTTP: how long 100,000 rows of six signals take until they are on disk, by format.

Against the whole platform; every body holds rows of 5,000 registered vehicles, and every round's
are new ones. Beside it somebody asks for one vehicle's state, one request after the other: the
slowest of those tells whether an upload holds the API up.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv

from motorcade.fleet.vin import build as build_vins
from motorcade.simulator.figures import Figure

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from platforms import running_platform

__all__ = ["run"]

ROWS = 100_000
VEHICLES = 5_000
TARGET_S = 2.0
TARGET_MS = 250.0
_TENANT = "northstar"


def run(quick: bool = False) -> list[Figure]:
    """Seconds a body by format, the API's memory, and the slowest read beside."""
    vins = build_vins(np.random.default_rng(5), "LNS", VEHICLES)
    rounds = 1 if quick else 5
    taken: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="motorcade-bench-") as name,
        running_platform(Path(name) / "data") as platform,
    ):
        platform.cli("tenant", "add", _TENANT)
        key = {"Authorization": f"Bearer {platform.key('operator', _TENANT)}"}
        process = psutil.Process(platform.pid("api"))
        with httpx.Client(base_url=platform.http, headers=key, timeout=60.0) as client:
            _register(client, vins)
            before = process.memory_info().rss
            with _Asking(platform.http, key, vins[0]) as asking:
                for turn in range(rounds):
                    for kind, write in _FORMATS.items():
                        body = write(_table(vins, turn * len(_FORMATS) + len(taken)))
                        taken.setdefault(kind, []).append(_posted(client, kind, body))
            memory = (process.memory_info().rss - before) / 2**20
    slowest_ms = float(np.percentile(asking.took_ms, 99)) if asking.took_ms else float("nan")
    return [
        *(
            Figure(
                name=f"ingest_http.{_NAMES[kind]}", value=round(float(np.median(some)), 2),
                unit="s per 100,000 rows", target=f"<= {TARGET_S:g}",
                met=float(np.median(some)) <= TARGET_S,
            )
            for kind, some in taken.items()
        ),
        Figure(
            name="ingest_http.read_beside_p99", value=round(slowest_ms, 1), unit="ms",
            target=f"<= {TARGET_MS:g}", met=slowest_ms <= TARGET_MS,
        ),
        Figure(name="ingest_http.api_memory_grown", value=round(memory), unit="MiB"),
    ]  # fmt: skip


class _Asking:
    """Somebody who reads one vehicle's state meanwhile; ``took_ms`` each."""

    def __init__(self, http: str, key: dict[str, str], vin: str) -> None:
        self.took_ms: list[float] = []
        self._client = httpx.Client(base_url=http, headers=key, timeout=60.0)
        self._path = f"/v1/vehicles/{vin}"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> _Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._client.close()

    def _ask(self) -> None:
        while not self._ended.wait(0.02):
            begun = time.perf_counter()
            self._client.get(self._path).raise_for_status()
            self.took_ms.append((time.perf_counter() - begun) * 1e3)


def _register(client: httpx.Client, vins: list[str]) -> None:
    body = "vin\n" + "\n".join(vins)
    answer = client.post("/v1/vehicles", content=body, headers={"Content-Type": "text/csv"})
    answer.raise_for_status()


def _posted(client: httpx.Client, kind: str, body: bytes) -> float:
    begun = time.perf_counter()
    answer = client.post("/v1/ingest", content=body, headers={"Content-Type": kind})
    took = time.perf_counter() - begun
    answer.raise_for_status()
    if answer.json()["accepted"] != ROWS:
        raise RuntimeError(f"not all rows were taken: {answer.text[:500]}")
    return took


def _table(vins: list[str], turn: int) -> pa.Table:
    """Rows of one second each for every vehicle, ``turn`` after ``turn``."""
    place = np.arange(ROWS)
    second = 1_780_000_000 + turn * (ROWS // VEHICLES) + place // VEHICLES
    return pa.table(
        {
            "vin": pa.array(vins).take(pa.array(place % VEHICLES)),
            "ts": pa.array(second * 1_000_000, pa.timestamp("us", "UTC")),
            "Vehicle.Speed": np.round(place % 1200 / 10, 1),
            "Vehicle.CurrentLocation.Latitude": np.round(31 + place / 1e6, 6),
            "Vehicle.CurrentLocation.Longitude": np.round(121 + place / 1e6, 6),
            "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current": place % 200 / 2,
            "Vehicle.TraveledDistance": place,
            "Vehicle.OperatingState": pa.array(["ON"] * ROWS),
        }
    )


def _json_lines(table: pa.Table) -> bytes:
    rows = table.set_column(1, "ts", table["ts"].cast(pa.int64())).to_pylist()
    return b"\n".join(json.dumps(row).encode() for row in rows)


def _csv(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pyarrow.csv.write_csv(table.set_column(1, "ts", table["ts"].cast(pa.int64())), sink)
    return sink.getvalue()


def _arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


_NAMES = {
    "application/x-ndjson": "json_lines",
    "text/csv": "csv",
    "application/vnd.apache.arrow.stream": "arrow",
}
_FORMATS: dict[str, Callable[[pa.Table], bytes]] = dict(
    zip(_NAMES, (_json_lines, _csv, _arrow), strict=True)
)
