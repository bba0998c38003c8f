"""Commands there and back: HTTP, PostgreSQL, gateway, vehicle, fsync, outcome in the stream.

`motorcade up` with everything it starts. 500 GB/T 32960 terminals on connections of their own
answer at once; commands come in at 300 a second over HTTP, to one vehicle after the other, while
other cars report 10,000 frames a second. The time is from the request's first byte to the
subscriber of the stream who is told of the outcome; both clocks are the machine's monotonic. Then
100,000 (quick: 3,000) commands of bulk jobs, none of which may be lost.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from motorcade.protocols import gbt32960
from motorcade.protocols.gbt32960.encode import encode, login_unit
from motorcade.simulator.figures import Figure

sys.path.insert(0, str(Path(__file__).parent))
from loads import platform

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from platforms import RunningPlatform

__all__ = ["run"]

_CARS = 500
_RATE = 300
_FRAMES_PER_S = 10_000
_TARGET_MS = 100.0
_TENANT = "bench"
_CALLERS = 16
_LATE_S = 20.0


def run(quick: bool = False) -> list[Figure]:
    """Round trips at a steady rate under telemetry, and a bulk job."""
    with platform() as running:
        running.cli("tenant", "add", _TENANT, "--wmi", "LCB")
        return asyncio.run(_measure(running, quick))


async def _measure(running: RunningPlatform, quick: bool) -> list[Figure]:
    seconds, bulk = (8.0, 3_000) if quick else (60.0, 100_000)
    operator, reader = running.key("operator", _TENANT), running.key("reader", _TENANT)
    terminals = [await Terminal.open(running.gbt32960, _vin(n)) for n in range(_CARS)]
    outcomes: dict[str, tuple[str, float]] = {}
    client = httpx.AsyncClient(base_url=running.http, headers=_bearer(operator), timeout=30.0)
    async with client:
        watching = asyncio.create_task(_watch(running.http, reader, outcomes))
        await asyncio.sleep(1.0)
        with _frames(running, seconds):
            asked, refused = await _ask(client, seconds)
            await _until(lambda: asked.keys() <= outcomes.keys())
        made, took_s, states = await _bulk(client, bulk)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    heard = sum(terminal.heard for terminal in terminals)
    for terminal in terminals:
        await terminal.close()
    return _figures(asked, outcomes, refused, (made, took_s, states), heard)


def _figures(
    asked: dict[str, float],
    outcomes: dict[str, tuple[str, float]],
    refused: int,
    bulk: tuple[int, float, dict[str, int]],
    heard: int,
) -> list[Figure]:
    took = [(outcomes[name][1] - at) * 1e3 for name, at in asked.items() if name in outcomes]
    p50, p99 = np.percentile(took, [50, 99]) if took else (np.inf, np.inf)
    good = sum(outcomes[name][0] == "succeeded" for name in asked if name in outcomes)
    lost = len(asked) - good + refused
    made, took_s, states = bulk
    bulk_lost = made - states.get("succeeded", 0)
    return [
        Figure(name="commands.p50", value=round(float(p50), 1), unit="ms"),
        Figure(
            name="commands.p99", value=round(float(p99), 1), unit="ms",
            target=f"<= {_TARGET_MS:g}", met=bool(p99 <= _TARGET_MS),
        ),
        Figure(name="commands.lost", value=lost, unit="commands", target="0", met=lost == 0),
        Figure(name="commands.bulk", value=round(made / took_s), unit="commands/s"),
        Figure(
            name="commands.bulk_lost", value=bulk_lost, unit="commands", target="0",
            met=bulk_lost == 0,
        ),
        Figure(name="commands.heard", value=heard, unit="commands"),
    ]  # fmt: skip


class Terminal:
    """A GB/T 32960 terminal that does what it is told and says so."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._task: asyncio.Task[None] | None = None
        self.heard = 0

    @classmethod
    async def open(cls, address: tuple[str, int], vin: str) -> Terminal:
        """Connect and log in."""
        terminal = cls(*await asyncio.open_connection(*address))
        now = time.time_ns() // 1000
        terminal._writer.write(encode(1, vin, login_unit(now, 1, "8986" + "0" * 16)))
        answer = await terminal._reader.read(1 << 16)
        if answer[2:4] != b"\x01\x01":
            raise RuntimeError(f"{vin} may not log in: {answer.hex()}")
        terminal._task = asyncio.create_task(terminal._live(vin))
        return terminal

    async def close(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()

    async def _live(self, vin: str) -> None:
        tail = b""
        while data := await self._reader.read(1 << 16):
            cut = gbt32960.cut([tail + data])
            tail = cut.remainder.get(0, b"")
            for row in range(len(cut.frames)):
                frame = cut.frames.bytes_of(row)
                if frame[2] == 0x81 and frame[3] == 0xFE:
                    self.heard += 1
                    self._writer.write(encode(0x81, vin, frame[24:30], flag=1))


async def _ask(client: httpx.AsyncClient, seconds: float) -> tuple[dict[str, float], int]:
    """Command by the clock; when each request began, and how many were refused."""
    asked: dict[str, float] = {}
    refused = 0
    places: asyncio.Queue[tuple[int, float] | None] = asyncio.Queue()
    begun = time.monotonic()

    async def caller() -> None:
        nonlocal refused
        while (place := await places.get()) is not None:
            number, due = place
            body = {"kind": "report_interval", "parameters": {"interval_s": 1 + number % 60}}
            answer = await client.post(f"/v1/vehicles/{_vin(number % _CARS)}/commands", json=body)
            if answer.status_code == 202:
                asked[answer.json()["id"]] = due
            else:
                refused += 1

    callers = [asyncio.create_task(caller()) for _ in range(_CALLERS)]
    for number in range(int(seconds * _RATE)):
        due = begun + number / _RATE
        await asyncio.sleep(max(due - time.monotonic(), 0))
        places.put_nowait((number, due))
    for _ in callers:
        places.put_nowait(None)
    await asyncio.gather(*callers)
    return asked, refused


async def _watch(address: str, key: str, outcomes: dict[str, tuple[str, float]]) -> None:
    """Follow the stream; when each command's outcome was told."""
    headers = {**_bearer(key), "Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=address, headers=headers, timeout=None) as client,
        client.stream("GET", "/v1/stream", params={"signals": "Vehicle.Command.*"}) as stream,
    ):
        async for line in stream.aiter_lines():
            if not line.startswith("data: {"):
                continue
            event = json.loads(line.removeprefix("data: "))
            signals = event.get("signals", {})
            state = signals.get("Vehicle.Command.State")
            if state in ("succeeded", "failed", "expired"):
                outcomes[signals["Vehicle.Command.Id"]] = (state, time.monotonic())


async def _bulk(client: httpx.AsyncClient, count: int) -> tuple[int, float, dict[str, int]]:
    """Jobs over all cars until ``count`` commands are made and have ended."""
    begun = time.monotonic()
    made = 0
    states: dict[str, int] = {}
    while made < count:
        body = {
            "kind": "report_interval", "parameters": {"interval_s": 10}, "all": True,
            "rate_per_s": 5_000, "ttl_s": 300,
        }  # fmt: skip
        answer = await client.post("/v1/commands", json=body)
        answer.raise_for_status()
        job = await _ended(client, answer.headers["location"])
        made += job["made"]
        for state, number in job["states"].items():
            states[state] = states.get(state, 0) + number
    return made, time.monotonic() - begun, states


async def _ended(client: httpx.AsyncClient, where: str) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = (await client.get(where)).json()
        waiting = sum(job["states"].get(one, 0) for one in ("queued", "sent", "delivered"))
        if job["state"] == "done" and not waiting:
            return job
        await asyncio.sleep(0.1)


async def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LATE_S
    while not true():
        await asyncio.sleep(0.1)
        if time.monotonic() > deadline:
            return


@contextmanager
def _frames(running: RunningPlatform, seconds: float) -> Iterator[None]:
    """Other cars' reports meanwhile."""
    import threading

    options: Sequence[str] = (
        "load", "--protocol", "gbt32960", "--json", "--vehicles", "2000", "--tenants", "8",
        "--rate", str(_FRAMES_PER_S), "--seconds", str(round(seconds)),
    )  # fmt: skip
    thread = threading.Thread(target=lambda: running.cli(*options))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _vin(number: int) -> str:
    return f"LCBBENCH{number:09d}"


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
