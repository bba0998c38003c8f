"""Acknowledged ingest of the whole platform against a bare epoll sink, over 2,000 connections."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from motorcade.protocols.gbt32960.bulk import encode_reports
from motorcade.simulator.drive import Plan, Report, cut_gbt32960, drive
from motorcade.simulator.figures import Figure
from motorcade.simulator.vehicles import SimulatedCars

sys.path.insert(0, str(Path(__file__).parent))
from sink import sink

__all__ = ["Reports", "bare_rate", "login", "platform", "run"]

_CONNECTIONS = 2_000
_ASKED = 30_000
"""Frames a second the platform is asked to sustain; latency is asked for at half of it."""
_TENANTS = 8
_STATES = 4
_TIME = slice(24, 30)
_DAY_S = 86_400


def vins(count: int) -> list[bytes]:
    """VINs of ``_TENANTS`` tenants in turn; the first three characters are the tenant's."""
    return [b"L%02dBENCH%09d" % (number % _TENANTS, number) for number in range(count)]


def login(vin: bytes) -> bytes:
    """An 01 frame."""
    unit = _time6(int(time.time())) + b"\x00\x01" + b"8986" + b"0" * 16 + b"\x00\x00"
    body = b"\x01\xfe" + vin + b"\x01" + len(unit).to_bytes(2, "big") + unit
    return b"##" + body + bytes([reduce(xor, body)])


class Reports:
    """Rounds of reports, one vehicle a connection: a few states of each car encoded beforehand,
    time and check byte of every frame set for its round. No two frames are the same record."""

    def __init__(self, count: int, frames_per_send: int, start_s: int) -> None:
        cars = SimulatedCars.create(count)
        names = np.frombuffer(b"".join(vins(count)), np.uint8).reshape(count, 17)
        self._start_s = start_s
        self._per_send = frames_per_send
        self._states = []
        for state in range(_STATES):
            at_us = (start_s + state * 977) * 1_000_000
            frames = encode_reports(
                names, np.full(count, at_us), cars.columns(at_us), reissued=frames_per_send > 1
            )
            self._states.append(frames.buffer.reshape(count, -1).copy())

    def __call__(self, number: int, first: int, count: int) -> Sequence[bytes]:
        rounds = range(number * self._per_send, (number + 1) * self._per_send)
        parts = [self._round(one, first, count) for one in rounds]
        whole = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        data, size = whole.tobytes(), whole.shape[1]
        return [data[at : at + size] for at in range(0, len(data), size)]

    def _round(self, number: int, first: int, count: int) -> Any:
        frames = self._states[number % _STATES][first : first + count].copy()
        stamp = np.frombuffer(_time6(self._start_s + number), np.uint8)
        frames[:, -1] ^= np.bitwise_xor.reduce(frames[:, _TIME], axis=1)
        frames[:, -1] ^= np.bitwise_xor.reduce(stamp)
        frames[:, _TIME] = stamp
        return frames


@contextmanager
def platform(*settings: str) -> Iterator[tuple[str, int, psutil.Process]]:
    """``motorcade up`` on a directory of its own; yields the gateway's host and port, and the
    supervisor."""
    motorcade = [sys.executable, "-m", "motorcade"]
    with tempfile.TemporaryDirectory(prefix="motorcade-bench-") as data:
        doors = ("gateway.jt808.listen", "gateway.jt808.udp_listen", "gateway.mqtt.listen")
        free = [f"{door}=127.0.0.1:0" for door in ("api.listen", "gateway.gbt32960.listen", *doors)]
        free += settings
        options = [part for one in free for part in ("--set", one)]
        log = (Path(data) / "up.log").open("w")
        up = subprocess.Popen([*motorcade, "up", "--data", data, *options], stdout=log, stderr=log)
        try:
            facts = _served(Path(data) / "run" / "gateway-0.json", up)
            for number in range(_TENANTS):
                tenant = ["tenant", "add", f"bench-{number}", "--wmi", f"L{number:02d}"]
                subprocess.run(
                    [*motorcade, *tenant, "--data", data], check=True, stdout=subprocess.DEVNULL
                )
            host, _, port = facts["listeners"]["gbt32960"][0].rpartition(":")
            yield host, int(port), psutil.Process(up.pid)
        finally:
            up.terminate()
            up.wait(60)
            log.close()


def run(quick: bool = False) -> list[Figure]:
    """Sink and platform in one run: one and ten frames a send, then latency at half the rate."""
    seconds = 5.0 if quick else 60.0
    hellos = [login(vin) for vin in vins(_CONNECTIONS)]
    start_s = int(time.time()) - _DAY_S
    one, ten = Reports(_CONNECTIONS, 1, start_s), Reports(_CONNECTIONS, 10, start_s - 10 * _DAY_S)
    with sink() as (host, port, _):
        sink_one = _closed(host, port, (hellos, one, 1), min(seconds, 10.0))
        sink_ten = _closed(host, port, (hellos, ten, 10), min(seconds, 10.0))
    figures = [
        Figure(name="ingest.sink", value=round(sink_one.answers_s), unit="frames/s"),
        Figure(name="ingest.sink_ten", value=round(sink_ten.answers_s), unit="frames/s"),
    ]
    with platform() as (host, port, supervisor):
        before = _cpu(supervisor)
        full = _closed(host, port, (hellos, one, 1), seconds)
        spent = {name: cpu - before.get(name, 0.0) for name, cpu in _cpu(supervisor).items()}
        figures += _rate("ingest.one_frame", full, sink_one, 0.4)
        figures += [
            Figure(
                name=f"ingest.cpu.{name}",
                value=round(cpu / max(1, full.answers) * 1e6, 1),
                unit="CPU s per million frames",
            )
            for name, cpu in sorted(spent.items())
        ]
        later = Reports(_CONNECTIONS, 1, start_s + _DAY_S // 2)
        asked = drive(_plan(host, port, (hellos, later, 1), seconds, rate=_ASKED / 2, window=50))
        figures += [
            Figure(name="ingest.p50_at_15000", value=round(asked.p50_ms, 1), unit="ms"),
            Figure(
                name="ingest.p99_at_15000",
                value=round(asked.p99_ms, 1),
                unit="ms",
                target="<= 50",
                met=asked.p99_ms <= 50 and asked.lost == 0,
            ),
        ]
        last = Reports(_CONNECTIONS, 1, start_s + 3 * _DAY_S // 4)
        half = drive(
            _plan(host, port, (hellos, last, 1), seconds, rate=full.answers_s / 2, window=50)
        )
        figures.append(
            Figure(name="ingest.p99_at_half_of_most", value=round(half.p99_ms, 1), unit="ms")
        )
        many = _closed(host, port, (hellos, ten, 10), seconds)
        figures += _rate("ingest.ten_frames", many, sink_ten, 0.3)
    return figures


def bare_rate(seconds: float) -> float:
    """Answers a second of the bare sink, one frame a send."""
    hellos = [login(vin) for vin in vins(_CONNECTIONS)]
    rounds = Reports(_CONNECTIONS, 1, int(time.time()) - _DAY_S)
    with sink() as (host, port, _):
        return _closed(host, port, (hellos, rounds, 1), seconds).answers_s


def _plan(
    host: str,
    port: int,
    load: tuple[Sequence[bytes], Reports, int],
    seconds: float,
    *,
    rate: float = 0.0,
    window: int = 1,
) -> Plan:
    hellos, rounds, frames = load
    return Plan(
        host=host,
        port=port,
        hellos=hellos,
        rounds=rounds,
        cut=cut_gbt32960,
        answers_per_send=frames,
        duration_s=seconds,
        rate_sends_s=rate,
        window=window,
    )


def _closed(*arguments: Any) -> Report:
    return drive(_plan(*arguments))


def _rate(name: str, report: Report, bare: Report, target: float) -> list[Figure]:
    ratio = report.answers_s / bare.answers_s if bare.answers_s else 0.0
    return [
        Figure(name=name, value=round(report.answers_s), unit="frames/s"),
        Figure(
            name=f"{name}_to_sink",
            value=round(ratio, 3),
            unit="ratio",
            target=f">= {target}",
            met=ratio >= target and report.lost == 0,
        ),
        Figure(
            name=f"{name}_lost", value=report.lost, unit="frames", target="0", met=report.lost == 0
        ),
    ]


def _cpu(supervisor: psutil.Process) -> dict[str, float]:
    """CPU seconds so far by what a process is: gateway, worker, api, nats, postgres."""
    spent: dict[str, float] = {}
    for process in supervisor.children(recursive=True):
        try:
            words = " ".join(process.cmdline())
            times = process.cpu_times()
        except psutil.Error:
            continue
        roles = ("gateway", "worker", "api", "nats", "postgres")
        name = next((role for role in roles if role in words), "other")
        spent[name] = spent.get(name, 0.0) + times.user + times.system
    return spent


def _served(path: Path, up: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the gateway says of itself, once it serves."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and up.poll() is None:
        if path.exists():
            facts: dict[str, Any] = json.loads(path.read_bytes())
            return facts
        time.sleep(0.1)
    raise RuntimeError("the platform did not start; its log is in the data directory")


def _time6(seconds: int) -> bytes:
    """The standard's six bytes (GMT+8)."""
    local = time.gmtime(seconds + 8 * 3600)
    return bytes([local.tm_year % 100, *local[1:6]])
