"""Ten times what the gateway can take, for a minute: does memory stay flat, are others served?"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from motorcade.simulator.drive import Plan, Report, cut_gbt32960, drive
from motorcade.simulator.figures import Figure

sys.path.insert(0, str(Path(__file__).parent))
from ingest import Reports, login, platform, vins

__all__ = ["run"]

_FLOODING = 200
_FRAMES = 100
"""Frames a flooding peer sends at once, so that the load's own work is not what bounds it."""
_CARS = 10
_CARS_RATE_S = 20.0
_TIMES = 10
_ROUNDS = 8
_MEBIBYTE = 1 << 20


def run(quick: bool = False) -> list[Figure]:
    """Capacity in a closed loop, then ten times that in an open one beside ten cars."""
    seconds = 6.0 if quick else 60.0
    names = vins(_FLOODING + _CARS)
    start_s = int(time.time()) - 86_400
    flood = _Repeated(Reports(len(names), _FRAMES, start_s))
    cars = _Shifted(Reports(len(names), 1, start_s + 40_000), _FLOODING)
    hellos = [login(vin) for vin in names]
    with platform() as (host, port, supervisor):
        gateway = _gateway(supervisor)
        known = {"host": host, "port": port, "cut": cut_gbt32960}
        many = {"hellos": hellos[:_FLOODING], "rounds": flood, "answers_per_send": _FRAMES}
        full = drive(Plan(**known, **many, duration_s=min(seconds, 10.0), window=20))
        over = Plan(
            **known,
            **many,
            duration_s=seconds,
            rate_sends_s=_TIMES * full.answers_s / _FRAMES,
            window=50,
        )
        few = Plan(
            **known,
            hellos=hellos[_FLOODING:],
            rounds=cars,
            duration_s=seconds - 2.0,
            rate_sends_s=_CARS_RATE_S,
            window=1000,
        )
        began = time.monotonic()
        reports, memory = _together([over, few], gateway)
        alive = gateway.is_running() and time.monotonic() - began >= seconds
    return _figures(full, reports, memory, alive=alive)


def _figures(
    full: Report, reports: Sequence[Report], memory: Sequence[tuple[float, int]], *, alive: bool
) -> list[Figure]:
    over, cars = reports
    offered = (over.sends + over.skipped) * _FRAMES / over.seconds
    at_s, rss = np.array(memory).T
    late = at_s > at_s[-1] / 3
    slope = float(np.polyfit(at_s[late], rss[late], 1)[0]) * 60 / _MEBIBYTE
    growth = float(rss[late].max() - np.median(rss[late])) / _MEBIBYTE
    kept = over.answers_s / full.answers_s  # the load takes more of the machine than before
    return [
        _figure("capacity", round(full.answers_s), "frames/s"),
        _figure("offered", round(offered / full.answers_s, 1), "times capacity"),
        _figure("acknowledged", round(kept, 2), "of capacity", ">= 0.5", kept >= 0.5),
        _figure("gateway_alive", float(alive), "", "1", alive),
        _figure("gateway_memory", round(float(np.median(rss[late])) / _MEBIBYTE), "MiB"),
        _figure("gateway_slope", round(slope, 1), "MiB/min", "<= 30", slope <= 30),
        _figure("gateway_peak_above_median", round(growth), "MiB", "<= 100", growth <= 100),
        _figure("cars_p99", round(cars.p99_ms), "ms", "<= 5000", cars.p99_ms <= 5000),
        _figure("cars_lost", cars.lost, "frames", "0", cars.lost == 0 and cars.closed == 0),
    ]


def _figure(
    name: str, value: float, unit: str, target: str = "", met: bool | None = None
) -> Figure:
    return Figure(name=f"overload.{name}", value=value, unit=unit, target=target, met=met)


class _Repeated:
    """The first few rounds again and again: records the platform has seen cost it the same."""

    def __init__(self, rounds: Reports) -> None:
        self._rounds = rounds
        self._made: dict[tuple[int, int, int], Sequence[bytes]] = {}

    def __call__(self, number: int, first: int, count: int) -> Sequence[bytes]:
        key = (number % _ROUNDS, first, count)
        if key not in self._made:
            self._made[key] = self._rounds(*key)
        return self._made[key]


class _Shifted:
    """The rounds of cars from ``by`` on."""

    def __init__(self, rounds: Reports, by: int) -> None:
        self._rounds = rounds
        self._by = by

    def __call__(self, number: int, first: int, count: int) -> Sequence[bytes]:
        return self._rounds(number, first + self._by, count)


def _together(
    plans: Sequence[Plan], watched: psutil.Process
) -> tuple[list[Report], list[tuple[float, int]]]:
    """Run plans side by side; their reports, and the watched process's memory over time."""
    context = multiprocessing.get_context("fork")
    pipes = []
    for plan in plans:
        ours, theirs = context.Pipe(duplex=False)
        context.Process(target=_drive, args=(plan, theirs)).start()
        theirs.close()
        pipes.append(ours)
    began, memory = time.monotonic(), []
    end_s = max(plan.duration_s for plan in plans)
    while (passed := time.monotonic() - began) < end_s:
        memory.append((passed, int(watched.memory_info().rss)))
        time.sleep(0.25)
    return [pipe.recv() for pipe in pipes], memory


def _drive(plan: Plan, pipe: Any) -> None:
    pipe.send(drive(plan))


def _gateway(supervisor: psutil.Process) -> psutil.Process:
    for process in supervisor.children(recursive=True):
        if "gateway" in process.cmdline():
            return process
    raise RuntimeError("the gateway is not there")
