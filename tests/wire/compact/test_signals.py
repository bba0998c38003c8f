"""Signals of compact reports, in the catalogue's units."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.signals.batch import Quality
from motorcade.wire.compact.report import PARTS, pack_report, read_reports
from motorcade.wire.compact.signals import SEQUENCE, SOURCES, catalogue, signal_columns, triples


def columns(*reports: bytes) -> tuple[dict[str, list[object]], list[tuple[int, str, int]]]:
    length = np.array([len(one) for one in reports], np.int64)
    buffer = np.frombuffer(b"".join(reports), np.uint8)
    got = read_reports(buffer, np.cumsum(length) - length, length)
    found = {path: column.to_pylist() for path, column in signal_columns(got).items()}
    rows, numbers, kinds = triples(got)
    paths = [catalogue().path_of(int(number)) for number in numbers]
    return found, sorted(zip(rows.tolist(), paths, kinds.tolist(), strict=True))


def test_units_are_the_catalogues() -> None:
    report = pack_report(
        1,
        65_535,
        {
            "Vehicle.TraveledDistance": 12345.6,
            "Vehicle.Powertrain.Range": 312.4,
            "Vehicle.Speed": 54.3,
            "Vehicle.CurrentLocation.Heading": 271.5,
            "Vehicle.OperatingState": "OFF",
        },
    )
    found, _ = columns(report, pack_report(2, 0, {}))
    assert found["Vehicle.TraveledDistance"] == [12_345_600, None]
    assert found["Vehicle.Powertrain.Range"] == [312_400, None]
    assert found["Vehicle.Speed"] == [pytest.approx(54.3), None]
    assert found["Vehicle.CurrentLocation.Heading"] == [271.5, None]
    assert found["Vehicle.OperatingState"] == [1, None]
    assert found[SEQUENCE] == [65_535, 0]


def test_what_is_no_value_is_null_and_marked() -> None:
    found, marks = columns(
        pack_report(1, 1, {"Vehicle.Alarm.Level": None, "Vehicle.Alarm.Flags": 1}), b"nonsense"
    )
    assert found == {SEQUENCE: [1, None], "Vehicle.Alarm.Flags": [1, None]}
    assert marks == [(0, "Vehicle.Alarm.Level", Quality.INVALID)]


def test_every_part_is_a_signal_of_the_catalogue_and_every_word_one_of_its() -> None:
    assert set(SOURCES) == {part.path for part in PARTS} | {SEQUENCE}
    for part in PARTS:
        assert set(part.words) <= set(catalogue()[part.path].words)
