"""From a frame's sending to its event at a stream's subscriber, through the whole platform.

`motorcade up` with everything it starts; 500 cars on connections of their own send 1,000 frames a
second, and one subscriber, a process of its own, is sent every one of them. A frame and its event
are tied by VIN and event time, which no two frames share; both clocks are the machine's monotonic.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from motorcade.simulator.drive import Links, Plan, cut_gbt32960
from motorcade.simulator.figures import Figure

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "tests"))
from ingest import Reports, login, vins
from platforms import RunningPlatform, running_platform

__all__ = ["run"]

_CARS = 500
_FRAMES_PER_S = 1_000
_WARM_S = 2.0
_TARGET_MS = 50.0
_LATE_S = 10.0
_TENANT = "bench"

Key = tuple[str, str]
"""VIN and event time."""


def run(quick: bool = False) -> list[Figure]:
    """Latency percentiles, losses, and what the API process spends on it."""
    seconds = 5.0 if quick else 60.0
    with (
        tempfile.TemporaryDirectory(prefix="motorcade-bench-") as data,
        running_platform(Path(data) / "data") as platform,
    ):
        prefixes = sorted({vin[:3].decode() for vin in vins(_CARS)})
        options = [word for prefix in prefixes for word in ("--wmi", prefix)]
        platform.cli("tenant", "add", _TENANT, *options)
        links = _logged_in(*platform.gbt32960)
        api = psutil.Process(platform.pid("api"))
        with _subscriber(platform, platform.key("reader", _TENANT), Path(data) / "seen") as seen:
            before = sum(api.cpu_times()[:2])
            sent = _drive(links, _WARM_S + seconds)
            received = _received(seen, len(sent))
            spent = sum(api.cpu_times()[:2]) - before
        links.close()
    return _figures(sent, received, spent)


def _figures(
    sent: dict[Key, float], received: list[tuple[Key, float]], spent: float
) -> list[Figure]:
    begun = min(sent.values()) + _WARM_S
    took = [(at - sent[key]) * 1000 for key, at in received if sent.get(key, 0.0) >= begun]
    p50, p99 = np.percentile(took, [50, 99]) if took else (np.inf, np.inf)
    lost = len(sent) - len({key for key, _ in received})
    twice = len(received) - len({key for key, _ in received})
    return [
        Figure(name="stream.p50", value=round(float(p50), 1), unit="ms"),
        Figure(
            name="stream.p99", value=round(float(p99), 1), unit="ms",
            target=f"<= {_TARGET_MS:g}", met=bool(p99 <= _TARGET_MS),
        ),
        Figure(name="stream.max", value=round(max(took, default=np.inf), 1), unit="ms"),
        Figure(name="stream.lost", value=lost, unit="frames", target="0", met=lost == 0),
        Figure(name="stream.twice", value=twice, unit="events", target="0", met=twice == 0),
        Figure(
            name="stream.api_cpu", value=round(spent / max(1, len(received)) * 1e6),
            unit="us per event",
        ),
        Figure(name="stream.load_average", value=round(os.getloadavg()[0], 2), unit="processes"),
    ]  # fmt: skip


def _logged_in(host: str, port: int) -> Links:
    """Every car on a connection of its own."""
    plan = Plan(
        host=host,
        port=port,
        hellos=[login(vin) for vin in vins(_CARS)],
        rounds=lambda number, first, count: (),
        cut=cut_gbt32960,
    )
    links = Links(plan, 0, _CARS)
    links.connect()
    if links.greeted < _CARS:
        raise RuntimeError(f"only {links.greeted} of {_CARS} cars could log in")
    return links


def _drive(links: Links, seconds: float) -> dict[Key, float]:
    """Send by the clock, in turn over the cars; when each frame went out."""
    names = [vin.decode() for vin in vins(_CARS)]
    start_s = int(time.time()) - 86_400
    rounds = round(seconds * _FRAMES_PER_S / _CARS)
    reports = Reports(_CARS, 1, start_s)
    sent: dict[Key, float] = {}
    begun = time.monotonic()
    for number in range(rounds):
        frames = reports(number, 0, _CARS)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start_s + number))
        for index, frame in enumerate(frames):
            due = begun + (number * _CARS + index) / _FRAMES_PER_S
            while (now := time.monotonic()) < due:
                _discard(links, due - now)
            link = links.by_index[index]
            if link is None:
                raise RuntimeError(f"the connection of {names[index]} was closed")
            sent[names[index], stamp] = time.monotonic()
            link.sock.send(frame)
    return sent


def _discard(links: Links, wait_s: float) -> None:
    """Read answers, which the cars here do not look at, for so long at most."""
    for fd, _ in links.epoll.poll(wait_s):
        if fd in links.links:
            links.links[fd].sock.recv(1 << 16)


@contextmanager
def _subscriber(platform: RunningPlatform, key: str, file: Path) -> Iterator[Path]:
    """A process that follows the stream into ``file``; nothing is missed once this is entered."""
    address = platform.http.removeprefix("http://")
    command = [sys.executable, "-P", __file__, address, key, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != "ready":
                raise RuntimeError("the subscriber could not subscribe")
            yield file
        finally:
            process.terminate()


def _received(file: Path, count: int) -> list[tuple[Key, float]]:
    """What the subscriber got, once it has ``count`` events or is given up on."""
    deadline = time.monotonic() + _LATE_S
    while True:
        lines = file.read_text().splitlines()
        if len(lines) >= count or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    parts = [line.split() for line in lines]
    return [((vin, event_time), float(at)) for vin, event_time, at in parts]


def _follow(address: str, key: str, file: str) -> None:
    """Write VIN, event time and time of arrival of every event that is a report."""
    connection = http.client.HTTPConnection(address, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    connection.request("GET", "/v1/stream", headers=headers)
    answer = connection.getresponse()
    with Path(file).open("w", buffering=1, encoding="ascii") as seen:
        while line := answer.readline():
            at = time.monotonic()
            if line.startswith(b": ready"):
                print("ready", flush=True)
            if line.startswith(b"event: missed"):
                raise RuntimeError("the subscriber was too slow")
            if line.startswith(b"data: {") and b'"kind":"report"' in line:
                # {"vin":"…17…","event_time":"2026-11-22T08:00:00Z",
                words = line.split(b'"', 8)
                seen.write(f"{words[3].decode()} {words[7].decode()} {at}\n")


if __name__ == "__main__":
    _follow(*sys.argv[1:4])
