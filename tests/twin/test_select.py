"""Selections: boxes, tenants, predicates, pages, lists, and rows being written meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from motorcade.errors import DependencyError, Invalid, NotFound
from motorcade.limits import TWIN_SELECT_ROWS_MAX
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Catalogue
from motorcade.twin import reader as reader_module
from motorcade.twin import select
from motorcade.twin.reader import TwinReader
from motorcade.twin.writer import TwinWriter

LATITUDE = "Vehicle.CurrentLocation.Latitude"
LONGITUDE = "Vehicle.CurrentLocation.Longitude"
SPEED = "Vehicle.Speed"
MODE = "Vehicle.Powertrain.DriveMotor.Motor1.State"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
CODES = "Vehicle.Powertrain.TractionBattery.PackCodes"
PLATE = "Vehicle.VehicleIdentification.LicensePlate"


def at(vehicle: int, longitude: float, latitude: float, **more: Any) -> tuple[int, float, Any]:
    return vehicle, 0, {LONGITUDE: longitude, LATITUDE: latitude, **more}


def vehicles(table: pa.Table) -> list[int]:
    found: list[int] = table["vehicle"].to_pylist()
    return found


def test_a_box_takes_its_borders_and_nothing_else(
    writer: TwinWriter, reader: TwinReader, make: Any
) -> None:
    writer.apply(
        [
            make(
                [
                    at(1, 116.0, 39.0),
                    at(2, 117.0, 40.0),
                    at(3, 115.9999999, 39.5),
                    at(4, 116.5, 40.0000001),
                    at(5, 116.5, -39.5),
                    (6, 0, {SPEED: 1.0}),
                    at(7, 0.0, 0.0),
                ]
            )
        ]
    )
    assert vehicles(reader.select(7, bbox=(116, 39, 117, 40))) == [1, 2]
    assert vehicles(reader.select(7, bbox=(-1, -1, 1, 1))) == [7]
    assert vehicles(reader.select(7, bbox=(-180, -90, 180, 90))) == [1, 2, 3, 4, 5, 7]
    assert vehicles(reader.select(7)) == [1, 2, 3, 4, 5, 6, 7]
    assert vehicles(reader.select(8)) == []


def test_a_box_over_the_antimeridian(writer: TwinWriter, reader: TwinReader, make: Any) -> None:
    places = [(1, 179.5), (2, -179.5), (3, 0.0), (4, 180.0), (5, -180.0), (6, 178.0)]
    writer.apply([make([at(vehicle, longitude, 1.0) for vehicle, longitude in places])])
    assert vehicles(reader.select(7, bbox=(179, 0, -179, 2))) == [1, 2, 4, 5]


def test_a_position_reported_invalid_is_nowhere(
    writer: TwinWriter, reader: TwinReader, make: Any
) -> None:
    writer.apply([make([at(1, 0.0, 0.0)])])
    writer.apply([make([(1, 1, {LATITUDE: Quality.INVALID, LONGITUDE: Quality.INVALID})])])
    assert vehicles(reader.select(7, bbox=(-1, -1, 1, 1))) == []


def test_columns_are_in_stored_types_and_null_where_nothing_is(
    writer: TwinWriter, reader: TwinReader, make: Any, catalogue: Catalogue
) -> None:
    full = {
        SPEED: 54.3,
        MODE: "OFF",
        CELLS: [3.5, None],
        CODES: ["a", "bc"],
        PLATE: "沪A1",
    }
    empty = {CELLS: [], CODES: []}
    writer.apply([make([(1, 0, full), (2, 0, {SPEED: Quality.INVALID}), (3, 1, empty)])])
    paths = [SPEED, MODE, CELLS, CODES, PLATE, "Vehicle.Cabin.DoorCount"]
    table = reader.select(7, signals=paths)
    assert table.schema.field("vehicle").type == pa.uint64()
    assert [table.schema.field(path).type for path in paths] == [
        catalogue[path].stored_type for path in paths
    ]
    rows = table.to_pylist()
    nothing = dict.fromkeys(paths)
    assert {p: rows[0][p] for p in paths} == nothing | full | {SPEED: np.float32(54.3)}
    assert {p: rows[1][p] for p in paths} == nothing
    assert {p: rows[2][p] for p in paths} == nothing | empty
    assert reader.select(8, signals=paths).schema == table.schema


def test_predicates_and_branches(writer: TwinWriter, reader: TwinReader, make: Any) -> None:
    rows = [(v, 0, {SPEED: float(v), MODE: "OFF" if v % 2 else "READY"}) for v in range(1, 20)]
    writer.apply([make(rows)])
    table = reader.select(
        7,
        where=f"{SPEED} > 10 AND {MODE} = 'OFF'",
        signals=["Vehicle.Powertrain.DriveMotor.Motor1"],
    )
    assert vehicles(table) == [11, 13, 15, 17, 19]
    assert set(table[MODE].to_pylist()) == {"OFF"}
    with pytest.raises(Invalid):
        reader.select(7, where="Vehicle.Speed >")
    with pytest.raises(NotFound):
        reader.select(7, signals=["Vehicle.Sped"])


def test_pages_lead_through_all_partitions(
    tmp_path: Path, make: Any, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "TWIN_SELECT_CHUNK_ROWS", 16)
    numbers = list(range(2, 400, 3))
    batch = make([at(v, 1.0, 1.0) for v in numbers], tenant=[7 if v % 2 else 8 for v in numbers])
    writers = [TwinWriter(tmp_path, number, 3, catalogue) for number in range(3)]
    for writer in writers:
        writer.apply([batch])
    reader = TwinReader(tmp_path, 3, catalogue)
    found: list[int] = []
    while page := vehicles(reader.select(7, bbox=(0, 0, 2, 2), limit=7, after=(found or [0])[-1])):
        assert len(page) <= 7
        found += page
    assert found == [v for v in numbers if v % 2]
    assert vehicles(reader.platform_select(limit=1000)) == numbers
    for writer in writers:
        writer.close()


@pytest.mark.parametrize(
    "bbox", [(0, 2, 1, 1), (-181, 0, 0, 1), (0, 0, 181, 1), (0, -91, 1, 1), (0, 0, 1, float("nan"))]
)
def test_boxes_that_cannot_be(reader: TwinReader, bbox: tuple[float, float, float, float]) -> None:
    with pytest.raises(Invalid, match="west,south,east,north"):
        reader.select(7, bbox=bbox)


@pytest.mark.parametrize("limit", [0, -1, TWIN_SELECT_ROWS_MAX + 1])
def test_limits_that_cannot_be(reader: TwinReader, limit: int) -> None:
    with pytest.raises(Invalid, match="1 to"):
        reader.select(7, limit=limit)


async def test_a_row_left_half_written_is_not_shown(
    writer: TwinWriter, reader: TwinReader, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "TWIN_READ_WAIT_S_MAX", 0.02)
    monkeypatch.setattr(reader_module, "TWIN_READ_WAIT_S_MAX", 0.02)
    writer.apply([make([(1, 0, {SPEED: 1.0}), (2, 0, {SPEED: 2.0})])])
    writer._sequence[2] += np.uint32(1)
    with pytest.raises(DependencyError, match="1 vehicles are being written"):
        reader.select(7)
    with pytest.raises(DependencyError, match="being written"):
        reader.state(2, 7)
    with pytest.raises(DependencyError, match="being written"):
        await reader.fetch(2, 7)
    assert await reader.fetch(1, 7) == reader.state(1, 7)
    assert vehicles(reader.select(7, where=f"{SPEED} < 2")) == [1]
