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
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

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
_JOBS = 10
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
            asked, refused = await _ask(running.http, operator, seconds)
            await _until(lambda: asked.keys() <= outcomes.keys())
        made, took_s, states = await _bulk(client, bulk)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    heard = sum(terminal.heard for terminal in terminals)
    for terminal in terminals:
        terminal.close()
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


class Terminal(asyncio.Protocol):
    """A GB/T 32960 terminal that does what it is told and says so."""

    def __init__(self, vin: str) -> None:
        self._vin = vin
        self._tail = b""
        self._transport: asyncio.Transport | None = None
        self._entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard = 0

    @classmethod
    async def open(cls, address: tuple[str, int], vin: str) -> Terminal:
        """Connect and log in."""
        loop = asyncio.get_running_loop()
        _, terminal = await loop.create_connection(lambda: cls(vin), *address)
        await terminal._entered
        return terminal

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        now = time.time_ns() // 1000
        transport.write(encode(1, self._vin, login_unit(now, 1, "8986" + "0" * 16)))

    def data_received(self, data: bytes) -> None:
        """Frames of the platform; GB/T 32960.3 table 2: the length stands at byte 22."""
        data = self._tail + data
        while len(data) >= 25 and len(data) >= (size := 25 + int.from_bytes(data[22:24], "big")):
            self._hear(data[:size])
            data = data[size:]
        self._tail = data

    def _hear(self, frame: bytes) -> None:
        assert self._transport is not None
        if frame[2:4] == b"\x81\xfe":
            self.heard += 1
            self._transport.write(encode(0x81, self._vin, frame[24:30], flag=1))
        elif not self._entered.done():
            if frame[2:4] == b"\x01\x01":
                self._entered.set_result(None)
            else:
                refused = RuntimeError(f"{self._vin} may not log in: {frame.hex()}")
                self._entered.set_exception(refused)


class Caller:
    """A program that calls the API over a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str):
        self._reader = reader
        self._writer = writer
        self._head = f"Host: bench\r\nAuthorization: Bearer {key}\r\n"

    @classmethod
    async def open(cls, address: str, key: str) -> Caller:
        """Connect to ``http://HOST:PORT``."""
        host, _, port = address.removeprefix("http://").rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)), key)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def command(self, vin: str, body: bytes) -> str:
        """Command a vehicle; the command's id, nothing where it was refused."""
        head = (
            f"POST /v1/vehicles/{vin}/commands HTTP/1.1\r\n{self._head}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        size = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
        content = await self._reader.readexactly(size)
        return str(json.loads(content)["id"]) if answer.startswith(b"http/1.1 202") else ""

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of a stream of server-sent events."""
        head = f"GET {path} HTTP/1.1\r\n{self._head}Accept: text/event-stream\r\n\r\n"
        self._writer.write(head.encode())
        answer = await self._reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"no stream: {answer!r}")
        tail = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            chunk = await self._reader.readexactly(size + 2)
            *lines, tail = (tail + chunk[:-2]).split(b"\n")
            for line in lines:
                yield line


async def _ask(
    address: str, key: str, seconds: float, rate: float = _RATE
) -> tuple[dict[str, float], int]:
    """Command by the clock; when each request was due, and how many were refused."""
    asked: dict[str, float] = {}
    refused = 0
    places: asyncio.Queue[tuple[int, float] | None] = asyncio.Queue()
    begun = time.monotonic()

    async def calling() -> None:
        nonlocal refused
        caller = await Caller.open(address, key)
        while (place := await places.get()) is not None:
            number, due = place
            body = {"kind": "report_interval", "parameters": {"interval_s": 1 + number % 60}}
            name = await caller.command(_vin(number % _CARS), json.dumps(body).encode())
            if name:
                asked[name] = due
            else:
                refused += 1
        caller.close()

    callers = [asyncio.create_task(calling()) for _ in range(_CALLERS)]
    for number in range(int(seconds * rate)):
        due = begun + number / rate
        await asyncio.sleep(max(due - time.monotonic(), 0))
        places.put_nowait((number, due))
    for _ in callers:
        places.put_nowait(None)
    await asyncio.gather(*callers)
    return asked, refused


async def _watch(address: str, key: str, outcomes: dict[str, tuple[str, float]]) -> None:
    """Follow the stream; when each command's outcome was told."""
    caller = await Caller.open(address, key)
    async for line in caller.lines("/v1/stream?signals=Vehicle.Command.*"):
        if not line.startswith(b"data: {") or b'"queued"' in line or b'"sent"' in line:
            continue
        signals = json.loads(line.removeprefix(b"data: ")).get("signals", {})
        state = signals.get("Vehicle.Command.State")
        if state in ("succeeded", "failed", "expired"):
            outcomes[signals["Vehicle.Command.Id"]] = (state, time.monotonic())


async def _bulk(client: httpx.AsyncClient, count: int) -> tuple[int, float, dict[str, int]]:
    """Jobs over all cars, some at a time, until ``count`` commands are made and have ended."""
    begun = time.monotonic()
    left = -(-count // _CARS)
    made = 0
    states: dict[str, int] = {}
    body = {
        "kind": "report_interval", "parameters": {"interval_s": 10}, "all": True,
        "rate_per_s": 5_000, "ttl_s": 900,
    }  # fmt: skip

    async def jobs() -> None:
        nonlocal left, made
        while left > 0:
            left -= 1
            answer = await client.post("/v1/commands", json=body)
            answer.raise_for_status()
            job = await _ended(client, answer.headers["location"])
            made += job["made"]
            for state, number in job["states"].items():
                states[state] = states.get(state, 0) + number

    await asyncio.gather(*(jobs() for _ in range(_JOBS)))
    return made, time.monotonic() - begun, states


async def _ended(client: httpx.AsyncClient, where: str) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = (await client.get(where)).json()
        waiting = sum(job["states"].get(one, 0) for one in ("queued", "sent", "delivered"))
        if job["state"] == "done" and not waiting:
            return job
        await asyncio.sleep(0.5)


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
