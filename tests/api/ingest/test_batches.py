"""Rows to records: whose they are, which are left out, and that content is identity."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from motorcade.api.ingest.batches import batch_of, records
from motorcade.api.ingest.bodies import read
from motorcade.limits import API_INGEST_ERRORS_MAX
from motorcade.signals.catalogue import load_catalogue

CATALOGUE = load_catalogue()
SPEED = "Vehicle.Speed"
STATE = "Vehicle.OperatingState"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
NUMBERS = {"LNTEST0000000001": 7, "LNTEST0000000002": 8}


def made(rows: list[dict[str, Any]], **known: int) -> Any:
    body = json.dumps(rows).encode()
    found = read("application/json", body, CATALOGUE)
    numbers = known or NUMBERS
    return batch_of(found, numbers, tenant=3, now_us=42, catalogue=CATALOGUE)


def row(vin: str = "LNTEST0000000001", ts: int = 1_767_268_800, **signals: Any) -> dict[str, Any]:
    return {"vin": vin, "ts": ts, **(signals or {SPEED: 1})}


def test_rows_become_reports_of_their_vehicles() -> None:
    batch = made([row(), row("LNTEST0000000002", **{STATE: "OFF"})]).batch
    assert batch.kind == "report"
    assert batch.numpy("vehicle").tolist() == [7, 8]
    assert batch.numpy("tenant").tolist() == [3, 3]
    assert batch.numpy("event_time").tolist() == [1_767_268_800_000_000] * 2
    assert batch.numpy("ingest_time").tolist() == [42, 42]
    assert batch.column(SPEED).to_pylist() == [1.0, None]
    assert batch.column(STATE).to_pylist() == [None, 1]


def test_wrong_rows_are_left_out_and_named_in_order() -> None:
    got = made(
        [row("LZZ0000000000000X"), row(), row(**{SPEED: "fast"}), row(**{SPEED: None}), row(vin="")]
    )
    assert got.batch.numpy("vehicle").tolist() == [7]
    assert got.rejected == 4
    assert [(wrong.line, wrong.code) for wrong in got.errors] == [
        (1, "unknown_vin"), (3, "type"), (4, "empty"), (5, "vin"),
    ]  # fmt: skip


def test_the_wrong_rows_that_are_named_are_bounded_and_all_are_counted() -> None:
    got = made([row("NOBODYS")] * (API_INGEST_ERRORS_MAX + 5))
    assert got.batch is None
    assert got.rejected == API_INGEST_ERRORS_MAX + 5
    assert len(got.errors) == API_INGEST_ERRORS_MAX


def test_a_rows_identity_is_its_content_whatever_the_format_and_order() -> None:
    json_batch = made([row(**{SPEED: 54.5, STATE: "ON"})]).batch
    other = made([row(**{STATE: "ON", SPEED: 54.5}), row(**{CELLS: [3.5, None]})]).batch
    csv = f"vin,{STATE},ts,{SPEED}\nLNTEST0000000001,ON,2026-01-01T12:00:00Z,54.50\n".encode()
    table = batch_of(
        read("text/csv", csv, CATALOGUE), NUMBERS, tenant=3, now_us=99, catalogue=CATALOGUE
    ).batch
    assert table is not None
    names = [batch.numpy("record")[0] for batch in (json_batch, other, table)]
    assert len(set(names)) == 1


def test_other_content_is_another_record() -> None:
    some: list[dict[str, Any]] = [
        {SPEED: 1}, {SPEED: 2}, {SPEED: 0}, {STATE: "ON"}, {STATE: "OFF"}, {SPEED: 0, STATE: "ON"},
        {CELLS: [3.5]}, {CELLS: [3.5, None]}, {CELLS: []}, {"Vehicle.IsMoving": False},
        {"Vehicle.IsMoving": True}, {"Vehicle.TraveledDistance": 1},
        {"Vehicle.Connectivity.ICCID": ""}, {"Vehicle.Connectivity.ICCID": "1"},
    ]  # fmt: skip
    batch = made([row(**signals) for signals in some]).batch
    assert len(set(batch.numpy("record").tolist())) == len(some)


def test_hashes_are_stored_so_they_never_change() -> None:
    signals = {
        SPEED: pa.array([54.5, None, -0.0], pa.float32()),
        "Vehicle.IsMoving": pa.array([True, None, None]),
        "Vehicle.TraveledDistance": pa.array([123_456, None, None], pa.uint32()),
        CELLS: pa.array([[3.5, None], None, None], pa.list_(pa.float32())),
    }
    found = records(signals, 3, CATALOGUE)
    assert found.dtype == np.uint64
    assert found.tolist() == [2295533419535751415, 16294208416658607535, 15034417354888129413]
