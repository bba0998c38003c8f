"""The reader: tenants, missing things, and a writer elsewhere that it never sees half-done."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from motorcade.errors import NotFound
from motorcade.signals.catalogue import load_catalogue
from motorcade.twin.reader import TwinReader
from motorcade.twin.writer import TwinWriter

SPEED = "Vehicle.Speed"
ODOMETER = "Vehicle.TraveledDistance"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
ROWS = 64
SECONDS = 3.0


def test_nobody_sees_what_is_not_theirs(writer: TwinWriter, reader: TwinReader, make: Any) -> None:
    writer.apply([make([(3, 0, {SPEED: 1.0})])])
    assert reader.state(3, 7) is not None
    assert reader.state(3, 8) is None
    assert reader.state(3, 0) is None
    state = reader.platform_state(3)
    assert state is not None
    assert state.tenant == 7


def test_what_is_not_there(tmp_path: Path, reader: TwinReader, make: Any) -> None:
    assert reader.state(3, 7) is None
    writer = TwinWriter(tmp_path, 0, 1, load_catalogue())
    writer.apply([make([(3, 0, {SPEED: 1.0})])])
    assert reader.state(2, 7) is None
    assert reader.state(10**12, 7) is None
    elsewhere = TwinReader(tmp_path, 2, load_catalogue(), only=[0])
    with pytest.raises(NotFound, match="partition 1"):
        elsewhere.state(3, 7)
    writer.close()


def test_chosen_signals(writer: TwinWriter, reader: TwinReader, make: Any) -> None:
    writer.apply([make([(3, 0, {SPEED: 1.0, ODOMETER: 2.0, CELLS: [1.0]})])])
    state = reader.state(3, 7, [SPEED])
    assert state is not None
    assert list(state.signals) == [SPEED]
    state = reader.state(3, 7, ["Vehicle.Powertrain"])
    assert state is not None
    assert list(state.signals) == [CELLS]
    with pytest.raises(NotFound, match=r"did you mean Vehicle\.Speed"):
        reader.state(3, 7, ["Vehicle.Sped"])


def test_times_are_exact_for_the_newest_second(
    writer: TwinWriter, reader: TwinReader, make: Any
) -> None:
    writer.apply([make([(3, 1.25, {ODOMETER: 1.0}), (3, 2.75, {SPEED: 1.0})])])
    state = reader.state(3, 7)
    assert state is not None
    assert state.signals[SPEED].time_us == state.event_time_us == 1_750_000_002_750_000
    assert state.signals[ODOMETER].time_us == 1_750_000_001_000_000
    assert state.seen_s == 1_750_000_002


async def test_never_half_a_report(tmp_path: Path) -> None:
    """Another process writes the same number into every signal of a row, over and over."""
    process = _hammer(tmp_path)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        reader = TwinReader(tmp_path, 1, load_catalogue())
        seen: set[float] = set()
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            for vehicle in range(1, ROWS):
                seen.add(await _one_report(reader, vehicle))
            _whole_reports(reader)
        assert len(seen) > 10
    finally:
        process.communicate(timeout=30)
    assert process.returncode == 0


def _hammer(directory: Path) -> subprocess.Popen[bytes]:
    program = Path(__file__).with_name("hammer.py")
    return subprocess.Popen(
        [sys.executable, str(program), str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


async def _one_report(reader: TwinReader, vehicle: int) -> float:
    state = await reader.fetch(vehicle, 7)
    assert state is not None
    number = state.signals[SPEED].value
    assert state.signals[ODOMETER].value == number
    cells = state.signals[CELLS].value
    assert cells == [number] * len(cells)
    assert len(cells) == 1 + int(number) % 200
    return float(number)


def _whole_reports(reader: TwinReader) -> None:
    for row in reader.select(
        7, where=f"{SPEED} >= 0", signals=[SPEED, ODOMETER, CELLS]
    ).to_pylist():
        assert row[ODOMETER] == row[SPEED]
        assert row[CELLS] == [row[SPEED]] * (1 + int(row[SPEED]) % 200)
