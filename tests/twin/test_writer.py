"""The writer against a plain model: which value wins, batches of any size, replays, restarts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motorcade.errors import Conflict, CorruptionError, DependencyError
from motorcade.limits import TWIN_FUTURE_S_MAX, TWIN_ROWS_MAX
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Catalogue
from motorcade.twin import writer as writer_module
from motorcade.twin.config import Config
from motorcade.twin.layout import Head
from motorcade.twin.reader import State, TwinReader
from motorcade.twin.writer import TwinWriter

SPEED = "Vehicle.Speed"
STATE = "Vehicle.Powertrain.DriveMotor.Motor1.State"
PLATE = "Vehicle.VehicleIdentification.LicensePlate"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
CODES = "Vehicle.Powertrain.TractionBattery.PackCodes"
LATITUDE = "Vehicle.CurrentLocation.Latitude"
HEADING = "Vehicle.CurrentLocation.Heading"
MOVING = "Vehicle.IsMoving"
GAPS = "Vehicle.Powertrain.TractionBattery.Pack.CellCount"

Record = tuple[int, float, dict[str, Any]]
T0 = 1_750_000_000


def plain(state: State | None) -> dict[str, Any]:
    """Readings by path, times as seconds since ``T0``."""
    if state is None:
        return {}
    return {
        path: (reading.value, reading.time_us // 1_000_000 - T0, int(reading.quality))
        for path, reading in state.signals.items()
    }


class Model:
    """The rule in six lines: latest second wins, last in the log among those."""

    def __init__(self) -> None:
        self.cells: dict[int, dict[str, Any]] = {}

    def apply(self, records: Sequence[Record]) -> None:
        for vehicle, second, signals in records:
            row = self.cells.setdefault(vehicle, {})
            for path, value in signals.items():
                if path not in row or int(second) >= row[path][1]:
                    bad = isinstance(value, Quality)
                    row[path] = (
                        None if bad else value,
                        int(second),
                        int(value) if bad else int(Quality.VALID),
                    )


def some_value(rng: random.Random, path: str) -> Any:
    if rng.random() < 0.1:
        return rng.choice([Quality.INVALID, Quality.ABNORMAL])
    return {
        SPEED: lambda: rng.randrange(1000) / 4,
        STATE: lambda: rng.choice(["OFF", "READY", "CONSUMING"]),
        PLATE: lambda: "沪A" + "x" * rng.randrange(40),
        CELLS: lambda: [
            rng.choice([None, rng.randrange(64) / 16]) for _ in range(rng.randrange(30))
        ],
        CODES: lambda: ["code" * rng.randrange(1, 4) for _ in range(rng.randrange(4))],
        LATITUDE: lambda: rng.randrange(-900_000_000, 900_000_000) / 1e7,
        HEADING: lambda: rng.randrange(3600) / 10,
        MOVING: lambda: rng.random() < 0.5,
        GAPS: lambda: [rng.choice([None, rng.randrange(65_000)]) for _ in range(rng.randrange(5))],
    }[path]()


def some_records(rng: random.Random, count: int) -> list[Record]:
    paths = [SPEED, STATE, PLATE, CELLS, CODES, LATITUDE, HEADING, MOVING, GAPS]
    return [
        (
            rng.randrange(1, 12),
            rng.randrange(60) / 2,
            {path: some_value(rng, path) for path in rng.sample(paths, rng.randrange(1, 9))},
        )
        for _ in range(count)
    ]


def batches(make: Any, rng: random.Random, records: list[Record]) -> list[Any]:
    """The same records in the same order, cut into batches anyhow."""
    cuts = sorted(rng.sample(range(1, len(records)), min(8, len(records) - 1)))
    parts = [records[a:b] for a, b in zip([0, *cuts], [*cuts, len(records)], strict=True) if a < b]
    return [make(part, kind=rng.choice(["report", "login"])) for part in parts]


@pytest.mark.parametrize("seed", range(12))
def test_equals_the_model_in_batches_of_any_size_and_after_any_replay(
    seed: int, tmp_path: Path, make: Any, catalogue: Catalogue
) -> None:
    rng = random.Random(seed)
    records = some_records(rng, 120)
    model = Model()
    model.apply(records)
    writer = TwinWriter(tmp_path, 0, 1, catalogue)
    parts = batches(make, rng, records)
    for part in parts:
        writer.apply([part])
    reader = TwinReader(tmp_path, 1, catalogue)
    assert {v: plain(reader.state(v, 7)) for v in model.cells} == model.cells
    writer.close()
    writer = TwinWriter(tmp_path, 0, 1, catalogue)
    start = rng.randrange(len(parts))
    writer.apply(parts[start:])  # a restart: the last stretch again, in one go
    assert {v: plain(reader.state(v, 7)) for v in model.cells} == model.cells
    writer.close()


def test_an_invalid_report_hides_the_value_and_a_later_valid_one_brings_it_back(
    writer: TwinWriter, reader: TwinReader, make: Any
) -> None:
    writer.apply([make([(3, 0, {CELLS: [1.0, 2.0], SPEED: 5.0})])])
    writer.apply([make([(3, 1, {CELLS: Quality.INVALID, SPEED: Quality.ABNORMAL})])])
    assert plain(reader.state(3, 7)) == {CELLS: (None, 1, 2), SPEED: (None, 1, 3)}
    writer.apply([make([(3, 2, {CELLS: [3.0], SPEED: 6.0})])])
    assert plain(reader.state(3, 7)) == {CELLS: ([3.0], 2, 1), SPEED: (6.0, 2, 1)}


def test_a_late_record_fills_gaps_only(writer: TwinWriter, reader: TwinReader, make: Any) -> None:
    writer.apply([make([(3, 10, {SPEED: 1.0})])])
    writer.apply([make([(3, 5, {SPEED: 2.0, MOVING: True})])])
    assert plain(reader.state(3, 7)) == {SPEED: (1.0, 10, 1), MOVING: (True, 5, 1)}
    state = reader.state(3, 7)
    assert state is not None
    assert state.event_time_us == (T0 + 10) * 1_000_000


def test_a_clock_far_ahead_does_not_pin_a_value(
    writer: TwinWriter, reader: TwinReader, make: Any
) -> None:
    years = 5 * 365 * 86_400
    writer.apply([make([(3, years, {SPEED: 1.0})], ingest_s=0)])
    writer.apply([make([(3, TWIN_FUTURE_S_MAX + 1, {SPEED: 2.0})])])
    assert plain(reader.state(3, 7))[SPEED][0] == 2.0


def test_times_outside_the_stamp_go_to_its_ends(
    writer: TwinWriter, reader: TwinReader, make: Any
) -> None:
    writer.apply([make([(3, -T0, {SPEED: 1.0})])])
    writer.apply([make([(4, -T0 + 1, {SPEED: 1.0})])])
    state = reader.state(4, 7)
    assert state is not None
    assert state.signals[SPEED].value == 1.0


def test_another_tenants_vehicle_starts_empty(
    writer: TwinWriter, reader: TwinReader, make: Any
) -> None:
    writer.apply([make([(3, 0, {SPEED: 1.0, CELLS: [1.0]})], tenant=7)])
    writer.apply([make([(3, 5, {MOVING: True}), (3, 2, {SPEED: 9.0})], tenant=[8, 7])])
    assert reader.state(3, 7) is None
    assert plain(reader.state(3, 8)) == {MOVING: (True, 5, 1)}
    writer.apply([make([(3, 1, {SPEED: 9.0})], tenant=7)])
    assert plain(reader.state(3, 8)) == {MOVING: (True, 5, 1)}


def test_rows_it_cannot_hold_are_counted(writer: TwinWriter, make: Any) -> None:
    good = (3, 0, {SPEED: 1.0})
    bad = [(0, 0, {SPEED: 1.0}), (TWIN_ROWS_MAX, 0, {SPEED: 1.0}), (2**63, 0, {SPEED: 1.0})]
    assert writer.apply([make([good, *bad])]) == 4
    assert writer.apply([make([good], tenant=0)]) == 1
    assert writer.dropped == 4
    assert writer.rows == 4


def test_partitions_share_the_vehicles(tmp_path: Path, make: Any, catalogue: Catalogue) -> None:
    writers = [TwinWriter(tmp_path, number, 3, catalogue) for number in range(3)]
    batch = make([(vehicle, 0, {SPEED: float(vehicle)}) for vehicle in range(1, 50)])
    for writer in writers:
        writer.apply([batch])
    reader = TwinReader(tmp_path, 3, catalogue)
    speeds = [plain(reader.state(vehicle, 7))[SPEED][0] for vehicle in range(1, 50)]
    assert speeds == [float(vehicle) for vehicle in range(1, 50)]
    for writer in writers:
        writer.close()


def test_grows_under_a_reader(writer: TwinWriter, reader: TwinReader, make: Any) -> None:
    writer.apply([make([(1, 0, {SPEED: 1.0})])])
    assert plain(reader.state(1, 7))[SPEED][0] == 1.0
    for vehicle in (5_000, 50_000, 500_000):
        writer.apply([make([(vehicle, 0, {SPEED: 2.0, CELLS: [1.0] * 900})])])
        assert plain(reader.state(vehicle, 7))[CELLS][0] == [1.0] * 900
        assert plain(reader.state(1, 7))[SPEED][0] == 1.0


def test_a_signal_nobody_sends_costs_no_file(writer: TwinWriter, make: Any) -> None:
    writer.apply([make([(1, 0, {SPEED: 1.0, MOVING: None})])])
    assert writer.signals_in_use == 1


def test_one_writer_at_a_time(tmp_path: Path, writer: TwinWriter, catalogue: Catalogue) -> None:
    with pytest.raises(Conflict, match=r"is written by process \d+"):
        TwinWriter(tmp_path, 0, 1, catalogue)


def test_another_partition_count_is_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    TwinWriter(tmp_path, 0, 1, catalogue).close()
    with pytest.raises(CorruptionError, match="partition 0 of 1, not 0 of 2"):
        TwinWriter(tmp_path, 0, 2, catalogue)
    reader = TwinReader(tmp_path, 2, catalogue)
    with pytest.raises(CorruptionError):
        reader.state(2, 7)


def test_a_crash_in_the_middle_of_a_row_is_mended(
    tmp_path: Path, make: Any, catalogue: Catalogue
) -> None:
    batch = make([(3, 0, {SPEED: 1.0, CELLS: [1.0]})])
    writer = TwinWriter(tmp_path, 0, 1, catalogue)
    writer.apply([batch])
    writer._sequence[3] += np.uint32(1)  # what a kill between the two halves leaves
    writer._lock.release()
    heap_end = int(writer._head[Head.HEAP_END])
    again = TwinWriter(tmp_path, 0, 1, catalogue)
    assert int(again._head[Head.HEAP_END]) >= heap_end
    again.apply([batch])
    assert plain(TwinReader(tmp_path, 1, catalogue).state(3, 7))[CELLS][0] == [1.0]
    again.close()


def test_checkpoint(tmp_path: Path, writer: TwinWriter, make: Any, catalogue: Catalogue) -> None:
    assert writer.position == 0
    writer.apply([make([(3, 0, {SPEED: 1.0, CELLS: [1.0]})])])
    writer.checkpoint(41)
    assert writer.position == 41
    (writer.directory / "checkpoint.json").write_text("{")
    with pytest.raises(CorruptionError, match="unreadable"):
        writer.position  # noqa: B018


def test_settings_let_the_state_be_live_within_a_tenth_of_a_second() -> None:
    assert Config().coalesce_ms <= 25


def test_many_rows_at_once_keep_each_vehicles_order(
    writer: TwinWriter, reader: TwinReader, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "TWIN_APPLY_ROWS_MAX", 16)
    rng = random.Random(5)
    records = some_records(rng, 400)
    model = Model()
    model.apply(records)
    assert list(writer.steps([make(records)])) == [16] * 25
    assert {v: plain(reader.state(v, 7)) for v in model.cells} == model.cells


def test_a_checkpoint_the_disk_does_not_take_is_tried_again(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    writer = TwinWriter(tmp_path, 0, 1, catalogue)
    writer.checkpoint(1)
    blocked = writer.directory / "checkpoint.new"
    blocked.mkdir()
    with pytest.raises(DependencyError, match="checkpoint"):
        writer.checkpoint(2)
    assert writer.position == 1
    blocked.rmdir()
    writer.checkpoint(2)
    assert writer.position == 2
    writer.close()
