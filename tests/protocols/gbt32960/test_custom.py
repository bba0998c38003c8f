"""Tenants' own tables for custom items."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from motorcade.errors import CallerError, Invalid
from motorcade.protocols import gbt32960
from motorcade.protocols.frames import Frames
from motorcade.protocols.gbt32960.encode import encode
from motorcade.protocols.gbt32960.leftovers import read_raw
from motorcade.protocols.gbt32960.settings import CustomField, CustomTable, TenantSettings
from motorcade.protocols.gbt32960.times import time6
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import qualities

VIN = "LTEST000000000001"
TIME = time6(1_761_566_522_000_000)
CATALOGUE = load_catalogue()
SPEED = "Vehicle.Speed"
BATTERY = "Vehicle.Powertrain.TractionBattery"

TABLE = CustomTable(
    type=0x83,
    fields=(
        CustomField(path="Vehicle.Cabin.HVAC.AmbientAirTemperature", offset=0, add=-40),
        CustomField(path="Vehicle.Speed", offset=1, format="u16", scale=0.01, unit="m/s"),
        CustomField(
            path="Vehicle.Powertrain.RunningMode", offset=3, codes={7: "HYBRID"}, shift=4, mask=15
        ),
        CustomField(
            path="Vehicle.Powertrain.Range", offset=4, format="u16", unit="km", invalid=65535
        ),
        CustomField(path="Vehicle.Body.Lights.IsHighBeamSwitchOn", offset=6, mask=1),
    ),
)


WRONG: list[dict[str, Any]] = [
    {"offset": -1},
    {"offset": 65_535},
    {"offset": 65_534, "format": "u16"},
    {"offset": 10**30},
    {"shift": -1},
    {"shift": 8},
    {"shift": 64},
    {"mask": -1},
    {"mask": 256},
    {"mask": 1 << 70, "format": "u32"},
    {"invalid": 1 << 70},
    {"abnormal": -(1 << 70)},
    {"scale": float("inf")},
    {"add": float("nan")},
]


def frames(*units: bytes, tenant: int = 1, command: int = 2, edition: int = 2016) -> Frames:
    cut = gbt32960.cut([encode(command, VIN, unit, edition=edition) for unit in units]).frames
    rows = len(cut)
    return cut.addressed(np.arange(1, rows + 1, dtype=np.uint64), np.full(rows, tenant, np.uint32))


def _tables(table: CustomTable) -> tuple[CustomTable, ...]:
    kept = tuple(one for one in table.fields if one.path in CATALOGUE)
    return (CustomTable(type=table.type, fields=kept),)


def test_custom_items_are_decoded_by_their_tenants_table_alone() -> None:
    settings = {1: TenantSettings(custom=_tables(TABLE))}
    item = bytes.fromhex("83000746" + "03e8" + "70" + "0064" + "01")
    unit = TIME + item
    mine = gbt32960.decode(frames(unit), 1, settings).batches[0]
    assert mine.column(SPEED).to_pylist() == [pytest.approx(36.0)]
    assert mine.column("Vehicle.Powertrain.RunningMode").to_pylist() == [1]
    assert mine.column("Vehicle.Powertrain.Range").to_pylist() == [100_000]
    assert read_raw(mine.column("raw")[0].as_py()) == [(0x83, item[3:])]
    theirs = gbt32960.decode(frames(unit, tenant=2), 1, settings).batches[0]
    assert theirs.paths == ["Vehicle.Connectivity.Protocol"]


def test_custom_values_that_are_invalid_or_missing() -> None:
    settings = {1: TenantSettings(custom=_tables(TABLE))}
    short = TIME + bytes.fromhex("83000146")
    lost = TIME + bytes.fromhex("83000746" + "03e8" + "30" + "ffff" + "00")
    batch = gbt32960.decode(frames(short, lost), 1, settings).batches[0]
    assert batch.column(SPEED).to_pylist() == [None, pytest.approx(36.0)]
    assert batch.column("Vehicle.Powertrain.Range").to_pylist() == [None, None]
    said = qualities(batch, CATALOGUE)
    assert said[0] == {}
    assert said[1] == {
        "Vehicle.Powertrain.Range": "invalid",
        "Vehicle.Powertrain.RunningMode": "invalid",
    }


def test_a_custom_value_wins_over_the_standards() -> None:
    settings = {1: TenantSettings(custom=_tables(TABLE))}
    vehicle = bytes.fromhex("01ffffff02590001e2400e7427425001" + "2e03e82300")
    item = bytes.fromhex("83000746" + "03e8" + "70" + "0064" + "01")
    batch = gbt32960.decode(frames(TIME + vehicle + item, TIME + vehicle), 1, settings).batches[0]
    assert batch.column(SPEED).to_pylist() == [pytest.approx(36.0), pytest.approx(60.1)]
    assert batch.column("Vehicle.Powertrain.RunningMode").to_pylist() == [1, None]
    said = qualities(batch, CATALOGUE)
    assert "Vehicle.Powertrain.RunningMode" not in said[0]
    assert said[1]["Vehicle.Powertrain.RunningMode"] == "invalid"


@pytest.mark.parametrize(
    "table",
    [
        [{"type": 1, "fields": []}],
        [{"type": 128, "fields": [{"path": "Vehicle.NoSuch"}]}],
        [{"type": 128, "fields": [{"path": SPEED, "unit": "V"}]}],
        [
            {
                "type": 128,
                "fields": [{"path": "Vehicle.Powertrain.RunningMode", "codes": {"1": "X"}}],
            }
        ],
        [{"type": 128, "fields": [{"path": f"{BATTERY}.CellVoltage.CellVoltages"}]}],
        [{"type": 128, "fields": [{"path": "Vehicle.VehicleIdentification.VIN"}]}],
        [{"type": 128}, {"type": 128}],
        [{"type": 128, "fields": [{"path": SPEED, "codes": {"1": "X"}}]}],
        [{"type": 128, "fields": [{"path": SPEED}] * 1001}],
        *([{"type": 128, "fields": [{"path": SPEED, **wrong}]}] for wrong in WRONG),
        [{"type": 128, "colour": "red"}],
        "no table",
    ],
)
def test_tables_that_cannot_be(table: object) -> None:

    with pytest.raises(CallerError):
        gbt32960.settings_of(custom=table)


def test_a_table_from_json() -> None:
    mode = {"path": "Vehicle.Powertrain.RunningMode", "codes": {"1": "HYBRID"}}
    table = [{"type": 128, "fields": [{"path": SPEED, "format": "u16", "scale": 0.1}, mode]}]
    assert gbt32960.settings_of(key=bytes(16), custom=table).custom[0].fields[0].path == SPEED
    assert gbt32960.settings_of(custom=table).custom[0].fields[1].codes == {1: "HYBRID"}
    with pytest.raises(Invalid):
        gbt32960.settings_of(key=bytes(8))


ANYTHING = [
    CustomField(path=path, **one)
    for path in (
        SPEED,
        f"{BATTERY}.CellVoltage.CellVoltages",
        "Vehicle.VehicleIdentification.VIN",
        "Vehicle.Powertrain.RunningMode",
        "Vehicle.TraveledDistance",
        "Vehicle.Body.Lights.IsHighBeamSwitchOn",
        "Vehicle.NoSuch",
    )
    for one in (
        *WRONG,
        {"scale": 1e308, "add": 1e308},
        {"scale": -1e300},
        {"scale": 1e38},
        {"unit": "no unit"},
        {"codes": {1 << 70: "HYBRID"}},
        {"codes": {0x46: "no word"}},
        {"format": "i32le", "shift": 31, "mask": (1 << 32) - 1},
        {"invalid": -5, "abnormal": 0x46},
    )
]


@pytest.mark.parametrize("field", ANYTHING, ids=repr)
def test_decode_never_raises_whatever_the_table_says(field: CustomField) -> None:
    """Tables that an older version, or a hand in the database, has let in."""
    settings = {1: TenantSettings(custom=(CustomTable(type=0x83, fields=(field,)),))}
    vehicle = bytes.fromhex("01ffffff02590001e2400e7427425001" + "2e03e82300")
    item = bytes.fromhex("83000746" + "03e8" + "70" + "0064" + "01")
    batch = gbt32960.decode(frames(TIME + vehicle + item), 1, settings).batches[0]
    batch.data.validate(full=True)
    assert len(batch) == 1


def test_an_offset_before_its_item_reads_nothing() -> None:
    """It would be bytes of another vehicle's frame."""
    table = CustomTable(type=0x83, fields=(CustomField(path=SPEED, offset=-20),))
    unit = TIME + bytes.fromhex("83000146")
    batch = gbt32960.decode(frames(unit, unit), 1, {1: TenantSettings(custom=(table,))}).batches[0]
    assert SPEED not in batch.paths


def test_a_number_that_has_no_float_of_its_own_is_out_of_range() -> None:
    wide = next(s.path for s in CATALOGUE.values() if s.datatype in ("uint64", "int64", "uint32"))
    largest = {"uint64": 2.0**64, "int64": 2.0**63, "uint32": 2.0**32}[CATALOGUE[wide].datatype]
    field = CustomField(path=wide, scale=largest, unit=CATALOGUE[wide].unit)
    settings = {1: TenantSettings(custom=(CustomTable(type=0x83, fields=(field,)),))}
    batch = gbt32960.decode(frames(TIME + bytes.fromhex("83000101")), 1, settings).batches[0]
    assert qualities(batch, CATALOGUE)[0] == {wide: "invalid"}
