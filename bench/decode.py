"""Decoding GB/T 32960 alone: frames a second per core, and the fixed cost of a mixed batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from motorcade.protocols import gbt32960
from motorcade.protocols.frames import Frames
from motorcade.protocols.gbt32960 import encode_reports, vin_bytes
from motorcade.simulator.figures import Figure

__all__ = ["run"]

_THEN = 1_761_566_522_000_000
_ITEMS = (1, 2, 5, 6, 7)
_BATTERY = "Vehicle.Powertrain.TractionBattery"
_MOTOR = "Vehicle.Powertrain.DriveMotor.Motor1"


def run(quick: bool = False) -> list[Figure]:
    """Vehicle, motor, position, extremes and alarms: 45 signals in 101 bytes."""
    n = 1_000 if quick else 10_000
    turns = 3 if quick else 15
    alike = reports(n)
    rate = n / _best(lambda: gbt32960.decode(alike, 0), turns)
    mixed = _mixed()
    mixed_ms = 1e3 * _best(lambda: gbt32960.decode(mixed, 0), turns * 3)
    stream = [alike.buffer.tobytes()]
    cut_rate = n / _best(lambda: gbt32960.cut(stream), turns)
    flags, link = np.ones(n, np.uint8), np.zeros(n, bool)
    answers = n / _best(lambda: gbt32960.answer(alike, flags, link, _THEN), turns)
    encoded = n / _best(lambda: reports(n), turns)
    signals = len(gbt32960.decode(alike, 0).batches[0].paths)
    figures = [
        _at_least("decode, 45 signals a frame", rate, "frames/s", 500_000),
        _at_least("signals in each frame", float(signals), "signals", 25),
        Figure(
            name="decode of 100 frames in 90 layouts",
            value=mixed_ms,
            unit="ms",
            target="<= 1.5",
            met=mixed_ms <= 1.5,
        ),
        Figure(name="cut of one stream", value=cut_rate, unit="frames/s"),
        Figure(name="answer, terminal links", value=answers, unit="frames/s"),
        _at_least("encode", encoded, "frames/s", 200_000),
    ]
    peer = _peer_rate(alike, 20 if quick else 300)
    if peer is not None:
        figures.append(Figure(name="decode, times rtm-con", value=rate / peer, unit="x"))
    return figures


def _at_least(name: str, value: float, unit: str, wanted: float) -> Figure:
    target = f">= {wanted:,}"
    return Figure(name=name, value=value, unit=unit, target=target, met=value >= wanted)


def reports(n: int, items: tuple[int, ...] = _ITEMS) -> Frames:
    """Reports with a value in every field."""
    rng = np.random.default_rng(1)
    columns: dict[str, Any] = {
        path: np.ones(n)
        for path, sources in gbt32960.SIGNALS.items()
        if sources[0].item in items and "Fault" not in path and ".Motor" not in path
    }
    for name in ("Index", "State", "Speed", "Torque", "Temperature", "ControllerVoltage"):
        columns[f"{_MOTOR}.{name}"] = np.ones(n)
    columns[f"{_MOTOR}.ControllerTemperature"] = np.full(n, 40.0)
    columns[f"{_MOTOR}.ControllerCurrent"] = np.full(n, 3.5)
    columns["Vehicle.Speed"] = np.round(rng.uniform(0, 120, n), 1)
    columns["Vehicle.CurrentLocation.Longitude"] = np.round(rng.uniform(73, 135, n), 6)
    columns["Vehicle.CurrentLocation.Latitude"] = np.round(rng.uniform(18, 53, n), 6)
    columns[f"{_BATTERY}.CellVoltage.Max"] = np.full(n, 4.001)
    vins = vin_bytes([f"LTEST{number:012d}" for number in range(n)])
    return encode_reports(vins, np.full(n, _THEN), columns, items=items)


def _mixed() -> Frames:
    """100 frames whose items stand in 90 different orders."""
    orders = list(itertools.permutations(_ITEMS))[:90]
    made = [reports(2 if place < 10 else 1, order) for place, order in enumerate(orders)]
    return gbt32960.cut([frames.buffer.tobytes() for frames in made]).frames


def _best(work: Callable[[], object], turns: int) -> float:
    """Seconds of the fastest turn: what the code costs when nothing else runs."""
    work()
    times = []
    for _ in range(turns):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def _peer_rate(frames: Frames, n: int) -> float | None:
    """Frames a second of rtm-con (GPL, installed for the bench alone); None where it is not."""
    try:
        parse = import_module("rtm_con").msg_checked.parse
    except ImportError:
        return None
    some = [frames.bytes_of(row) for row in range(n)]
    return n / _best(lambda: [parse(frame) for frame in some], 3)


if __name__ == "__main__":
    for figure in run():
        print(figure)
