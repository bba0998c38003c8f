"""MQTT alone: publishes a second per core from bytes to acknowledgement, without log and
sockets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np

from motorcade.protocols import mqtt
from motorcade.protocols.mqtt.session import CONNECTED
from motorcade.protocols.mqtt.words import V3, V5
from motorcade.simulator.figures import Figure

__all__ = ["run"]

_THEN = 1_772_366_400_000_000
_BATTERY = "Vehicle.Powertrain.TractionBattery"


def run(quick: bool = False) -> list[Figure]:
    """QoS 1, five signals as JSON, one packet a vehicle and tick: cut, hear, decode, answer."""
    n = 1_000 if quick else 5_000
    turns = 5 if quick else 20
    figures = []
    for version, name in ((V3, "3.1.1"), (V5, "5.0")):
        chunks, sessions = _offered(n, version)
        rate = n / _best(lambda c=chunks, s=sessions: _work(c, s), turns)  # type: ignore[misc]
        figures.append(_at_least(f"MQTT {name}, bytes to acknowledgement", rate, 100_000))
    cut = mqtt.cut(chunks).frames
    heard = mqtt.hear(cut, sessions, _THEN).frames
    flags, link = np.ones(n, np.uint8), np.zeros(n, bool)
    steps: dict[str, Callable[[], object]] = {
        "cut": lambda: mqtt.cut(chunks),
        "hear": lambda: mqtt.hear(cut, sessions, _THEN),
        "decode": lambda: mqtt.decode(heard, _THEN),
        "name vehicles": lambda: mqtt.vins(heard),
        "answer": lambda: mqtt.answer(heard, flags, link, _THEN, {}),
    }
    for name, step in steps.items():
        value = 1e6 * _best(step, turns) / n
        figures.append(Figure(name=f"MQTT {name}", value=value, unit="us/packet"))
    size = float(_session_bytes(sessions[0]))
    met = size <= 400
    figures.append(
        Figure(name="MQTT session object", value=size, unit="bytes", target="<= 400", met=met)
    )
    return figures


def _work(chunks: list[bytes], sessions: list[mqtt.Session]) -> int:
    frames = mqtt.cut(chunks).frames
    heard = mqtt.hear(frames, sessions, _THEN).frames
    mqtt.is_record(heard)
    mqtt.vins(heard)
    decoded = mqtt.decode(heard, _THEN)
    flags = mqtt.flags_for(heard, decoded.rejects)
    return len(mqtt.answer(heard, flags, np.zeros(len(heard), bool), _THEN, {}).buffer)


def _offered(n: int, version: int) -> tuple[list[bytes], list[mqtt.Session]]:
    vins = [f"LMCTEST{number:010d}" for number in range(n)]
    draw = np.random.default_rng(1)
    columns = {
        "Vehicle.Speed": draw.integers(0, 1300, n) / 10,
        "Vehicle.TraveledDistance": draw.integers(0, 10**8, n).astype(np.float64),
        f"{_BATTERY}.StateOfCharge.Current": draw.integers(0, 1000, n) / 10,
        f"{_BATTERY}.CurrentVoltage": draw.integers(3000, 4000, n) / 10,
        "Vehicle.IsMoving": draw.integers(0, 2, n).astype(bool),
    }
    times = _THEN + np.arange(n)
    frames = mqtt.encode_reports(vins, times, columns, version=version)
    sessions = []
    for vin in vins:
        session = mqtt.Session()
        session.identity, session.version, session.state = vin, version, CONNECTED
        sessions.append(session)
    return [frames.bytes_of(row) for row in range(n)], sessions


def _session_bytes(session: mqtt.Session) -> int:
    return sys.getsizeof(session) + sys.getsizeof(session.topic)


def _best(work: Callable[[], object], turns: int) -> float:
    took = []
    for _ in range(turns):
        began = perf_counter()
        work()
        took.append(perf_counter() - began)
    return min(took)


def _at_least(name: str, value: float, wanted: int) -> Figure:
    return Figure(
        name=name,
        value=value,
        unit="packets/s",
        target=f">= {wanted:,}",
        met=value >= wanted,
    )
