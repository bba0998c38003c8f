"""Decoding whole batches: layouts, custom items, keys, what is kept raw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from motorcade.protocols import gbt32960
from motorcade.protocols.frames import Frames
from motorcade.protocols.gbt32960 import (
    TenantSettings,
    encode,
    encode_reports,
    vin_bytes,
)
from motorcade.protocols.gbt32960.times import time6
from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import load_catalogue

VIN = "LTEST000000000001"
THEN = 1_761_566_522_000_000
TIME = time6(THEN)
CATALOGUE = load_catalogue()
SPEED = "Vehicle.Speed"
BATTERY = "Vehicle.Powertrain.TractionBattery"
VECTORS = [
    bytes.fromhex(json.loads(line)["hex"])
    for line in (Path(__file__).parents[2] / "vectors" / "gbt32960.jsonl").read_text().splitlines()
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


def test_quality_is_kept_apart_from_null() -> None:
    batch = gbt32960.decode(some_reports(3, **{SPEED: np.nan}), 1).batches[0]
    assert batch.column(SPEED).null_count == 3
    number = CATALOGUE[SPEED].number
    for codes in batch.column("quality").to_pylist():
        assert number * 4 + int(Quality.INVALID) in codes
