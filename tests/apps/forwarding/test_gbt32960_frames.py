"""Rows as GB/T 32960 reports: what comes out is what a decoder of the standard reads back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from motorcade.apps.forwarding.gbt32960_frames import report_frames
from motorcade.protocols import gbt32960
from motorcade.signals.batch import SignalBatch, concat
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import qualities

CATALOGUE = load_catalogue()
VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "vectors" / "gbt32960.jsonl").read_text().splitlines()
]
THEN = 1_761_566_522_000_000
LOCATION = "Vehicle.CurrentLocation"
UNMARKED = {
    "Vehicle.Chassis.Brake.IsBrakeForceApplied",
    "Vehicle.Powertrain.IsDriveForceApplied",
    "Vehicle.Powertrain.Transmission.SelectedGear",
}
"""Bits of one byte that cannot say invalid one by one."""


def decoded(frames: list[bytes]) -> SignalBatch:
    cut = gbt32960.cut(frames)
    assert len(cut.frames) == len(frames)
    found = gbt32960.decode(cut.frames, 0)
    assert not found.rejects
    order = np.argsort(np.concatenate(found.rows), kind="stable")
    (batch,) = concat(found.batches)
    return batch.take(order)


def forwarded(batch: SignalBatch, edition: int) -> list[bytes | None]:
    vins = {number: f"LMTFWD0000{number:07d}" for number in batch.numpy("vehicle").tolist()}
    return report_frames(batch, vins, np.zeros(len(batch), bool), CATALOGUE, edition)


@pytest.mark.parametrize("edition", [2016, 2025])
def test_real_reports_come_out_as_they_went_in(edition: int) -> None:
    """Everything but signatures, raw items, and abnormal turned to invalid."""
    frames = [
        bytes.fromhex(vector["hex"])
        for vector in VECTORS
        if vector["edition"] == edition and vector["hex"][4:6] in ("02", "03")
        and not vector["expect"]["reject"]
    ]  # fmt: skip
    assert len(frames) > 3
    cut = gbt32960.cut(frames).frames
    cut = cut.addressed(np.arange(1, len(cut) + 1, dtype=np.uint64), cut.tenant)
    found = gbt32960.decode(cut, 0)
    known = {
        path
        for path, sources in gbt32960.SIGNALS.items()
        if any(source.edition == edition and 0 < source.item < 0xFF for source in sources)
    }
    for batch in found.batches:
        if batch.kind != "report":
            continue
        again = forwarded(batch, edition)
        for row, frame in enumerate(again):
            before = said(batch, row, known)
            after = said(decoded([frame]), 0, known) if frame else {}
            assert after.keys() <= before.keys()
            for path, value in before.items():
                if value is not None:
                    assert after[path] == pytest.approx(value, abs=1e-4, nan_ok=True), (row, path)
                elif path not in UNMARKED:
                    assert after.get(path) in (None, []), (row, path)


def said(batch: SignalBatch, row: int, known: set[str]) -> dict[str, Any]:
    """What a report says by path: a value, or None where it says that it has none."""
    values = batch.data.slice(row, 1).to_pylist()[0]
    found = {path: values[path] for path in batch.paths if path in known}
    faults = dict.fromkeys(set(qualities(batch.slice(row, 1), CATALOGUE)[0]) & known)
    lists = {
        path: [math.nan if one is None else one for one in value]
        for path, value in found.items()
        if isinstance(value, list)
    }
    told = {path: value for path, value in found.items() if value is not None}
    return {**faults, **told, **lists}


def test_rows_of_another_protocol_share_few_encodings() -> None:
    """Speed and position as JT/T 808 or MQTT rows have them; a row with neither has no frame."""
    count = 6
    meta = {
        "tenant": np.ones(count, np.uint32),
        "vehicle": np.arange(1, count + 1, dtype=np.uint64),
        "event_time": np.full(count, THEN),
        "ingest_time": np.full(count, THEN),
        "record": np.arange(count, dtype=np.uint64),
        "reissued": np.zeros(count, bool),
    }
    signals = {
        "Vehicle.Speed": pa.array([54.3, None, 10.0, None, None, 0.0], pa.float32()),
        f"{LOCATION}.Latitude": pa.array([31.2, -33.9, None, None, 10.5, 31.0], pa.float64()),
        f"{LOCATION}.Longitude": pa.array([121.4, 151.2, None, None, -70.25, 121.0], pa.float64()),
        "Vehicle.CurrentLocation.Altitude": pa.array([4.0] * count, pa.float64()),
    }
    batch = SignalBatch.build("report", meta, signals)
    frames = forwarded(batch, 2016)
    assert [frame is None for frame in frames] == [False, False, False, True, False, False]
    kept = [frame for frame in frames if frame is not None]
    again = decoded(kept)
    speeds = again.column("Vehicle.Speed").to_pylist()
    assert speeds == pytest.approx([54.3, None, 10.0, None, 0.0])
    assert again.column(f"{LOCATION}.Latitude").to_pylist() == [31.2, -33.9, None, 10.5, 31.0]
    assert again.column(f"{LOCATION}.Longitude").to_pylist() == [121.4, 151.2, None, -70.25, 121.0]
    assert again.column(f"{LOCATION}.IsValid").to_pylist() == [True, True, None, True, True]
    assert again.numpy("event_time").tolist() == [THEN] * 5
    assert not any(
        value for value in again.column("Vehicle.Chassis.Brake.IsBrakeForceApplied").to_pylist()
    )


def test_late_rows_are_re_issued() -> None:
    batch = SignalBatch.build(
        "report",
        {
            "tenant": np.ones(2, np.uint32),
            "vehicle": np.array([1, 1], np.uint64),
            "event_time": np.array([THEN, THEN + 1_000_000]),
            "ingest_time": np.full(2, THEN),
            "record": np.arange(2, dtype=np.uint64),
            "reissued": np.zeros(2, bool),
        },
        {"Vehicle.Speed": pa.array([1.0, 2.0], pa.float32())},
    )
    vins = {1: "LMTFWD00000000001"}
    frames = report_frames(batch, vins, np.array([True, False]), CATALOGUE, 2025)
    assert [frame[:3] for frame in frames if frame] == [b"$$\x03", b"$$\x02"]
