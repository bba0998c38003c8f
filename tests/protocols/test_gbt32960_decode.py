"""Decoding whole batches: layouts, custom items, keys, what is kept raw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from motorcade.errors import Invalid
from motorcade.protocols import gbt32960
from motorcade.protocols.frames import Frames
from motorcade.protocols.gbt32960 import (
    CustomField,
    CustomTable,
    TenantSettings,
    encode,
    encode_reports,
    vin_bytes,
)
from motorcade.protocols.gbt32960.leftovers import read_raw
from motorcade.protocols.gbt32960.times import time6
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import qualities

VIN = "LTEST000000000001"
THEN = 1_761_566_522_000_000
TIME = time6(THEN)
CATALOGUE = load_catalogue()
SPEED = "Vehicle.Speed"
BATTERY = "Vehicle.Powertrain.TractionBattery"
VECTORS = [
    bytes.fromhex(json.loads(line)["hex"])
    for line in (Path(__file__).parent.parent / "vectors" / "gbt32960.jsonl")
    .read_text()
    .splitlines()
]


def frames(*units: bytes, tenant: int = 1, command: int = 2, edition: int = 2016) -> Frames:
    cut = gbt32960.cut([encode(command, VIN, unit, edition=edition) for unit in units]).frames
    rows = len(cut)
    return cut.addressed(np.arange(1, rows + 1, dtype=np.uint64), np.full(rows, tenant, np.uint32))


def some_reports(n: int, **columns: float) -> Frames:
    arrays = {path: np.full(n, value) for path, value in columns.items()}
    return encode_reports(vin_bytes([VIN] * n), np.full(n, THEN), arrays)


def test_many_layouts_at_once_are_what_each_is_alone() -> None:
    # More than 64 of one layout, so that both ways of walking are taken.
    picks = VECTORS * 2 + [VECTORS[0]] * 100
    order = np.random.default_rng(3).permutation(len(picks))
    together = gbt32960.cut([picks[place] for place in order.tolist()]).frames
    decoded = gbt32960.decode(together, 5)
    found = {}
    for batch, rows in zip(decoded.batches, decoded.rows, strict=True):
        for row, values in zip(rows.tolist(), batch.data.to_pylist(), strict=True):
            found[row] = {name: value for name, value in values.items() if value is not None}
    for row, place in enumerate(order.tolist()):
        alone = gbt32960.decode(gbt32960.cut([picks[place]]).frames, 5)
        rows = [batch.data.to_pylist()[0] for batch in alone.batches]
        expected = {k: v for one in rows for k, v in one.items() if v is not None}
        assert found.get(row, {}) == expected


def test_the_same_data_unit_is_the_same_record_however_it_comes() -> None:
    unit = TIME + bytes.fromhex("040107d00000")
    live = gbt32960.decode(frames(unit), 1).batches[0]
    late = gbt32960.decode(frames(unit, command=3), 2).batches[0]
    other = gbt32960.decode(frames(unit[:-1] + b"\x01"), 1).batches[0]
    assert live.numpy("record")[0] == late.numpy("record")[0] != other.numpy("record")[0]
    assert live.column("reissued").to_pylist() == [False]
    assert late.column("reissued").to_pylist() == [True]
    key = TenantSettings(aes_key=bytes(16))
    hidden = gbt32960.cut([encode(2, VIN, unit, settings=key)]).frames
    opened = gbt32960.decode(hidden, 1, {0: key}).batches[0]
    assert opened.numpy("record")[0] == live.numpy("record")[0]


@pytest.mark.parametrize("mode", ["ecb", "cbc"])
@pytest.mark.parametrize("padding", ["pkcs7", "none"])
def test_encrypted_units(mode: str, padding: str) -> None:
    key = TenantSettings(aes_key=b"k" * 16, aes_mode=mode, aes_padding=padding)  # type: ignore[arg-type]
    unit = TIME + bytes.fromhex("040107d00000") + bytes.fromhex("800001aa")
    hidden = gbt32960.cut([encode(2, VIN, unit, settings=key)]).frames
    opened = gbt32960.decode(hidden, 1, {0: key})
    assert not opened.rejects
    assert opened.batches[0].column("Vehicle.Powertrain.CombustionEngine.Speed").to_pylist() == [
        2000
    ]
    assert [one.code for one in gbt32960.decode(hidden, 1).rejects] == ["cipher"]
    wrong = TenantSettings(aes_key=b"x" * 16)
    assert [one.code for one in gbt32960.decode(hidden, 1, {0: wrong}).rejects] != []


def test_a_bad_frame_costs_its_neighbours_nothing() -> None:
    good = TIME + bytes.fromhex("040107d00000")
    broken = TIME + bytes.fromhex("0101")
    decoded = gbt32960.decode(frames(good, broken, good, b"\x01", good), 1)
    assert decoded.rows[0].tolist() == [0, 2, 4]
    assert [(one.frame, one.code) for one in decoded.rejects] == [
        (1, "structure"),
        (3, "structure"),
    ]
    assert decoded.batches[0].numpy("vehicle").tolist() == [1, 3, 5]


def test_answers_and_other_commands_are_left_alone() -> None:
    cut = gbt32960.cut([encode(2, VIN, TIME, flag=1), encode(7, VIN), encode(0x80, VIN, TIME)])
    decoded = gbt32960.decode(cut.frames, 1)
    assert not decoded.batches
    assert not decoded.rejects


def test_no_frames() -> None:
    decoded = gbt32960.decode(gbt32960.cut([]).frames, 1)
    assert not decoded.batches


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
        [{"type": 128, "colour": "red"}],
        "no table",
    ],
)
def test_tables_that_cannot_be(table: object) -> None:
    from motorcade.errors import CallerError

    with pytest.raises(CallerError):
        gbt32960.settings_of(custom=table)


def test_a_table_from_json() -> None:
    mode = {"path": "Vehicle.Powertrain.RunningMode", "codes": {"1": "HYBRID"}}
    table = [{"type": 128, "fields": [{"path": SPEED, "format": "u16", "scale": 0.1}, mode]}]
    assert gbt32960.settings_of(key=bytes(16), custom=table).custom[0].fields[0].path == SPEED
    assert gbt32960.settings_of(custom=table).custom[0].fields[1].codes == {1: "HYBRID"}
    with pytest.raises(Invalid):
        gbt32960.settings_of(key=bytes(8))


def test_what_is_encoded_in_bulk_is_decoded_again() -> None:
    n = 50
    rng = np.random.default_rng(1)
    for edition in (2016, 2025):
        columns = {
            SPEED: np.round(rng.uniform(0, 200, n), 1),
            "Vehicle.TraveledDistance": rng.integers(0, 9_999_999, n) * 100.0,
            "Vehicle.Powertrain.Transmission.SelectedGear": np.full(n, 127),
            "Vehicle.Powertrain.IsDriveForceApplied": np.full(n, True),
            "Vehicle.OperatingState": np.zeros(n),
            "Vehicle.CurrentLocation.IsValid": np.full(n, True),
            "Vehicle.CurrentLocation.Longitude": np.round(rng.uniform(-180, 180, n), 6),
            "Vehicle.CurrentLocation.Latitude": np.round(rng.uniform(-90, 90, n), 6),
            "Vehicle.Powertrain.DriveMotor.Motor2.Torque": np.round(rng.uniform(-200, 200, n), 1),
            "Vehicle.Alarm.Level": np.ones(n),
            "Vehicle.Alarm.Flags": np.full(n, 5),
            f"{BATTERY}.CellVoltage.CellVoltages": np.round(rng.uniform(2, 4, (n, 7)), 3),
            f"{BATTERY}.CurrentCurrent": np.where(np.arange(n) % 2, np.nan, -3.5),
        }
        made = encode_reports(
            vin_bytes([VIN] * n), np.full(n, THEN), columns, edition=edition, reissued=True
        )
        again = gbt32960.cut([made.buffer.tobytes()])
        assert len(again.frames) == n
        assert not again.rejects
        decoded = gbt32960.decode(made, 1)
        (batch,) = decoded.batches
        assert not decoded.rejects
        assert batch.column("reissued").to_pylist() == [True] * n
        for path, values in columns.items():
            told = batch.column(path).to_pylist()
            if path.endswith("CurrentCurrent"):
                assert told[:2] == [-3.5, None]
                continue
            assert np.allclose(np.array(told, float), values, atol=1e-6, rtol=1e-6), path
        motor = batch.column("Vehicle.Powertrain.DriveMotor.Motor1.Torque")
        assert motor.null_count == n
        assert qualities(batch, CATALOGUE)[1][f"{BATTERY}.CurrentCurrent"] == "invalid"


def test_bulk_encoding_orders_items_as_asked() -> None:
    made = encode_reports(
        vin_bytes([VIN]), np.array([THEN]), {SPEED: np.array([1.0])}, items=[5, 1]
    )
    assert made.bytes_of(0)[30] == 5
    with pytest.raises(Invalid):
        encode_reports(vin_bytes([VIN]), np.array([THEN]), {}, items=[0x30])


def test_quality_is_kept_apart_from_null() -> None:
    batch = gbt32960.decode(some_reports(3, **{SPEED: np.nan}), 1).batches[0]
    assert batch.column(SPEED).null_count == 3
    number = CATALOGUE[SPEED].number
    for codes in batch.column("quality").to_pylist():
        assert number * 4 + int(Quality.INVALID) in codes
