"""Arrow columns into cells and back, for every kind and every way Arrow lays a column out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from motorcade.signals.catalogue import Catalogue
from motorcade.twin.cells import (
    absent_item,
    arrow_type_of,
    column_of,
    kind_of,
    lists_of,
    mask_of,
    pack,
    ragged_of,
    scalars_of,
    split,
)
from motorcade.twin.layout import KINDS, stamps_of

STAMPS = stamps_of(np.full(4, 1_750_000_000_000_000))


def test_every_signal_of_the_catalogue_has_a_kind(catalogue: Catalogue) -> None:
    kinds = {signal.path: kind_of(signal) for signal in catalogue.values()}
    assert [path for path, kind in kinds.items() if kind is None] == []
    for path, kind in kinds.items():
        assert kind is not None
        assert arrow_type_of(kind) == catalogue[path].arrow_type, path


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("Vehicle.Speed", [1.5, None, -3.25, 0.0]),
        ("Vehicle.IsMoving", [True, None, False, True]),
        ("Vehicle.CurrentLocation.Latitude", [-90.0, None, 31.2345678, 90.0]),
        ("Vehicle.CurrentLocation.Longitude", [-180.0, None, 121.1234567, 180.0]),
        ("Vehicle.CurrentLocation.Altitude", [-12.75, None, 8848.0, 0.0]),
        ("Vehicle.VehicleIdentification.Year", [0, None, 65_535, 2026]),
        ("Vehicle.Powertrain.TractionBattery.Temperature.MaxPack", [0, None, 255, 1]),
        ("Vehicle.Powertrain.DriveMotor.Motor1.State", [0, None, 2, 3]),
    ],
)
def test_scalars_come_back(catalogue: Catalogue, path: str, values: list[object]) -> None:
    signal = catalogue[path]
    kind = kind_of(signal)
    assert kind is not None
    array = pa.array(values, signal.arrow_type)
    for column in (array, pa.concat_arrays([array, array]).slice(3, 4)):
        mask = mask_of(column)
        assert mask is not None
        assert mask.tolist() == [value is not None for value in column.to_pylist()]
        cells = pack(kind, scalars_of(kind, column), np.where(mask, STAMPS, 0).astype(np.uint32))
        back = column_of(signal, kind, cells)
        assert back.type == signal.stored_type
        if signal.is_enum:
            back = back.indices
        assert back.to_pylist() == column.to_pylist()


def test_a_cell_is_stamp_then_value() -> None:
    cells = pack(KINDS["float"], np.array([1.0], np.float32), np.array([0x11223344], np.uint32))
    assert cells.tobytes() == bytes.fromhex("44332211 0000803f")
    wide = pack(KINDS["double"], np.array([1.0]), np.array([0x11223344], np.uint32))
    assert wide.tobytes() == bytes.fromhex("44332211 00000000 000000000000f03f")
    assert split(KINDS["double"], wide)[0].tolist() == [1.0]
    assert split(KINDS["double"], wide)[1].tolist() == [0x11223344]


def test_a_code_no_word_has_reads_as_null(catalogue: Catalogue) -> None:
    signal = catalogue["Vehicle.Powertrain.DriveMotor.Motor1.State"]
    cells = pack(KINDS["word"], np.array([0, 4, 200, 3], np.uint32), STAMPS)
    assert column_of(signal, KINDS["word"], cells).null_count == 2


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("Vehicle.VehicleIdentification.LicensePlate", ["沪A1", "", "x" * 99]),
        ("Vehicle.Powertrain.TractionBattery.PackCodes", [["a", "bc"], [], ["d"]]),
        (
            "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages",
            [[1.5, None], [], [2.0] * 9],
        ),
        ("Vehicle.Powertrain.TractionBattery.Pack.Number", [[1, None, 254], [], [0]]),
        ("Vehicle.Powertrain.TractionBattery.Pack.CellCount", [[1, None], [65_534], []]),
    ],
)
def test_lists_and_texts_come_back(catalogue: Catalogue, path: str, values: list[object]) -> None:
    signal = catalogue[path]
    kind = kind_of(signal)
    assert kind is not None
    array = pa.array([None, *values], signal.arrow_type).slice(1)
    items, first, count = ragged_of(kind, array)
    used = np.concatenate([items[f : f + c] for f, c in zip(first, count, strict=True)])
    starts = np.concatenate([[0], np.cumsum(count)]) * items.dtype.itemsize
    absent = np.zeros(len(values), np.bool_)
    back = lists_of(signal, kind, used.view(np.uint8), starts, absent)
    assert back.type == signal.stored_type
    assert back.to_pylist() == values
    assert lists_of(signal, kind, used.view(np.uint8), starts, ~absent).null_count == len(values)


def test_items_that_stand_for_nothing() -> None:
    assert np.isnan(absent_item(KINDS["float[]"]))
    assert absent_item(KINDS["uint8[]"]) == 255
    assert absent_item(KINDS["int16[]"]) == -32_768
    assert absent_item(KINDS["boolean[]"]) == 2


def test_columns_of_other_types_are_cast() -> None:
    assert scalars_of(KINDS["float"], pa.array([1, 2], pa.int16())).tolist() == [1.0, 2.0]
    assert scalars_of(KINDS["position"], pa.array([1.5], pa.float32())).tolist() == [15_000_000]
    assert ragged_of(KINDS["float[]"], pa.array([[1, 2]], pa.list_(pa.int16())))[0].tolist() == [
        1,
        2,
    ]
