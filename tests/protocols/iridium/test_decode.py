"""What messages become, and that a record is one however often it is delivered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from motorcade.protocols.frames import Decoded
from motorcade.protocols.iridium.decode import SIGNALS, decode
from motorcade.protocols.iridium.elements import (
    MO_HEADER,
    MO_LOCATION,
    MO_PAYLOAD,
    Location,
    encode,
    read_elements,
)
from motorcade.protocols.iridium.framing import cut
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import qualities
from motorcade.wire.compact.command import CompactAnswer, pack_answer
from motorcade.wire.compact.report import PARTS, pack_report
from protocols.iridium.messages import NOON_S, REPORT, mo

SATELLITE = "Vehicle.Connectivity.Satellite"


def decoded(*messages: bytes) -> Decoded:
    return decode(cut(list(messages)).frames, 5)


def batch_of(*messages: bytes) -> SignalBatch:
    (batch,) = decoded(*messages).batches
    return batch


def identities(*messages: bytes) -> list[tuple[int, int]]:
    batch = batch_of(*messages)
    columns = batch.numpy("event_time").tolist(), batch.numpy("record").tolist()
    return list(zip(*columns, strict=True))


def raw_of(message: bytes) -> list[tuple[int, bytes]]:
    return read_elements(batch_of(message).column("raw")[0].as_py())


def test_a_report_of_the_profile_becomes_signals() -> None:
    batch = batch_of(mo(location=Location(31.2, 121.5, 3)))
    row: dict[str, Any] = batch.data.to_pylist()[0]
    assert batch.kind == "report"
    assert batch.numpy("event_time").tolist() == [NOON_S * 1_000_000]
    assert row["Vehicle.Speed"] == 54.5
    assert row["Vehicle.CurrentLocation.Latitude"] == 31.2304
    assert row["Vehicle.Connectivity.ReportSequence"] == 7
    assert row[f"{SATELLITE}.Latitude"] == pytest.approx(31.2)
    assert row[f"{SATELLITE}.Accuracy"] == 3000
    assert row[f"{SATELLITE}.MessageNumber"] == 12
    assert [iei for iei, _ in raw_of(mo(location=Location(31.2, 121.5, 3)))] == [MO_HEADER]


def test_the_networks_guess_is_not_the_vehicles_position() -> None:
    batch = batch_of(mo(pack_report(NOON_S, 1, {"Vehicle.Speed": 0}), location=Location(1, 2, 3)))
    assert "Vehicle.CurrentLocation.Latitude" not in batch.paths


def test_an_unknown_payload_is_kept_and_dated_by_its_session() -> None:
    message = mo(b"another maker's bytes")
    assert batch_of(message).numpy("event_time").tolist() == [(NOON_S + 90) * 1_000_000]
    assert dict(raw_of(message))[MO_PAYLOAD] == b"another maker's bytes"


@pytest.mark.parametrize("cut_to", range(1, len(REPORT)))
def test_a_report_cut_short_is_kept_as_bytes(cut_to: int) -> None:
    message = mo(REPORT[:cut_to])
    assert dict(raw_of(message))[MO_PAYLOAD] == REPORT[:cut_to]
    assert "Vehicle.Speed" not in batch_of(message).paths


def test_a_session_without_a_message_is_a_report_of_itself() -> None:
    row = batch_of(mo(None, status=13)).data.to_pylist()[0]
    assert row[f"{SATELLITE}.SessionStatus"] == 13


def test_a_place_that_is_none_is_abnormal_and_kept() -> None:
    header = read_elements(mo(None), 3)[0]
    for place in ("ff00000000000000000000", "025bea60000000000000ff", "00000000b5000000000001"):
        message = encode([header, (MO_LOCATION, bytes.fromhex(place))])
        batch = batch_of(message)
        assert set(qualities(batch, load_catalogue())[0].values()) == {"abnormal"}
        assert dict(raw_of(message))[MO_LOCATION] == bytes.fromhex(place)


def test_what_the_gateway_delivers_twice_is_one_record() -> None:
    for payload in (REPORT, b"another maker's bytes", None):
        once, again = identities(mo(payload), mo(payload))
        assert once == again


def test_what_the_modem_sends_twice_under_other_numbers_is_one_record() -> None:
    once, again = identities(mo(), mo(momsn=13, cdr=4712, session_s=NOON_S + 600, status=1))
    assert once == again


def test_other_messages_are_other_records() -> None:
    payload = b"another maker's bytes"
    found = identities(
        mo(), mo(pack_report(NOON_S, 8, {})), mo(payload), mo(payload, momsn=13),
        mo(payload, cdr=4712), mo(None), mo(None, session_s=NOON_S),
        mo(payload, imei="300434000000002"),
    )  # fmt: skip
    assert len(set(found)) == len(found)


def test_a_vehicle_without_a_clock_is_dated_by_its_session() -> None:
    report = pack_report(0, 1, {})
    (time, record), (_, other) = identities(mo(report), mo(report, cdr=9))
    assert time == (NOON_S + 90) * 1_000_000
    assert record != other


def test_an_answer_to_a_command_is_an_event() -> None:
    answer = pack_answer(CompactAnswer(17, "succeeded", "ok", NOON_S))
    made = decoded(mo(), mo(answer), mo(None))
    assert [batch.kind for batch in made.batches] == ["report", "event"]
    assert [rows.tolist() for rows in made.rows] == [[0, 2], [1]]
    kept = read_elements(made.batches[1].column("raw")[0].as_py())
    assert dict(kept)[MO_PAYLOAD] == answer


def test_vehicles_and_tenants_are_told_by_row() -> None:
    frames = cut([mo(), mo(None), mo(b"x")]).frames
    vehicle = np.array([3, 4, 5], np.uint64)
    (batch,) = decode(frames.addressed(vehicle, np.array([1, 2, 1], np.uint32)), 42).batches
    assert batch.numpy("vehicle").tolist() == [3, 4, 5]
    assert batch.numpy("tenant").tolist() == [1, 2, 1]


def test_every_signal_is_of_the_catalogue() -> None:
    assert set(SIGNALS) <= set(load_catalogue())
    assert {part.path for part in PARTS} <= set(SIGNALS)
