"""Decoding JT/T 808 alone: location frames a second per core, beside plain Python's rate."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from motorcade.protocols import jt808
from motorcade.protocols.frames import Frames
from motorcade.protocols.jt808.session import Session
from motorcade.simulator.figures import Figure

__all__ = ["run"]

_THEN = 1_761_566_522_000_000


def run(quick: bool = False) -> list[Figure]:
    """Locations with mileage, fuel, recorder speed, signal strength and satellites."""
    n = 1_000 if quick else 10_000
    turns = 3 if quick else 15
    alike = reports(n)
    rate = n / _best(lambda: jt808.decode(alike, 0), turns)
    mixed = _mixed()
    mixed_ms = 1e3 * _best(lambda: jt808.decode(mixed, 0), turns * 3)
    stream = [alike.buffer.tobytes()]
    cut_rate = n / _best(lambda: jt808.cut(stream), turns)
    flags, link = np.ones(n, np.uint8), np.zeros(n, bool)
    answers = n / _best(lambda: jt808.answer(alike, flags, link, _THEN), turns)
    sessions = [Session() for _ in range(n)]
    heard = n / _best(lambda: jt808.hear(alike, sessions, _THEN), turns)
    encoded = n / _best(lambda: reports(n), turns)
    some = [alike.bytes_of(row) for row in range(200)]
    plain = len(some) / _best(lambda: [_one(frame) for frame in some], turns)
    signals = len(jt808.decode(alike, 0).batches[0].paths)
    return [
        _at_least("decode of locations", rate, "frames/s", 500_000),
        _at_least("signals in each frame", float(signals), "signals", 15),
        Figure(name="decode, times the same frames in plain Python", value=rate / plain, unit="x"),
        Figure(
            name="decode of 100 frames in 60 layouts",
            value=mixed_ms,
            unit="ms",
            target="<= 3.0",
            met=mixed_ms <= 3.0,
        ),
        Figure(name="cut of one stream", value=cut_rate, unit="frames/s"),
        Figure(name="hear, no sub-packages among them", value=heard, unit="frames/s"),
        Figure(name="answer", value=answers, unit="frames/s"),
        _at_least("encode", encoded, "frames/s", 200_000),
    ]


def _at_least(name: str, value: float, unit: str, wanted: float) -> Figure:
    target = f">= {wanted:,}"
    return Figure(name=name, value=value, unit=unit, target=target, met=value >= wanted)


def reports(n: int, items: tuple[int, ...] = (0x01, 0x02, 0x03, 0x30, 0x31)) -> Frames:
    """Locations with a value in every field."""
    rng = np.random.default_rng(1)
    where = "Vehicle.CurrentLocation"
    columns = {
        "Vehicle.Speed": np.round(rng.uniform(0, 120, n), 1),
        f"{where}.Longitude": np.round(rng.uniform(73, 135, n), 6),
        f"{where}.Latitude": np.round(rng.uniform(18, 53, n), 6),
        f"{where}.Heading": rng.integers(0, 360, n),
        f"{where}.Altitude": rng.integers(0, 3000, n),
        "Vehicle.TraveledDistance": rng.integers(0, 300_000_000, n),
        "Vehicle.Powertrain.FuelSystem.AbsoluteLevel": np.round(rng.uniform(0, 400, n), 1),
        "Vehicle.Recorder.Speed": np.round(rng.uniform(0, 120, n), 1),
        "Vehicle.Connectivity.SignalStrength": rng.integers(0, 32, n),
        f"{where}.GNSSReceiver.Satellites": rng.integers(0, 20, n),
    }
    phones = jt808.phone_bytes([f"139{number:08d}" for number in range(n)])
    return jt808.encode_reports(
        phones, np.full(n, _THEN), columns, items=items, serial=np.arange(n) & 0xFFFF
    )


def _mixed() -> Frames:
    """100 frames whose items are 60 different ones."""
    ids = (0x01, 0x02, 0x03, 0x2A, 0x30, 0x31)
    layouts = [tuple(i for bit, i in enumerate(ids) if mask >> bit & 1) for mask in range(4, 64)]
    made = [reports(2 if place < 40 else 1, items) for place, items in enumerate(layouts)]
    return jt808.cut([frames.buffer.tobytes() for frames in made]).frames


def _one(frame: bytes) -> dict[str, float]:
    """The same signals by struct-like reading, as decoders by frame do it."""
    plain = frame[1:-1].replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    body = plain[12:-1]

    def number(at: int, size: int) -> int:
        return int.from_bytes(body[at : at + size], "big")

    found = {
        "alarm": number(0, 4),
        "status": number(4, 4),
        "latitude": number(8, 4) / 1e6,
        "longitude": number(12, 4) / 1e6,
        "altitude": number(16, 2),
        "speed": number(18, 2) / 10,
        "heading": number(20, 2),
    }
    at = 28
    while at + 2 <= len(body):
        found[f"{body[at]:02x}"] = number(at + 2, body[at + 1])
        at += 2 + body[at + 1]
    return found


def _best(work: Callable[[], object], turns: int) -> float:
    """Seconds of the fastest turn: what the code costs when nothing else runs."""
    work()
    times = []
    for _ in range(turns):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    for figure in run():
        print(figure)
