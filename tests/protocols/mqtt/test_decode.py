"""Payloads to batches: both formats, many readings a message, faults that cost a value, a reading
or a message, and frames of other protocols."""

from __future__ import annotations

import json
import sys
from typing import Any

import cbor2
import numpy as np
import pytest

from motorcade.protocols import mqtt
from motorcade.protocols.frames import Decoded, Frames
from motorcade.protocols.mqtt.rows import channels
from motorcade.protocols.mqtt.session import CONNECTED
from motorcade.protocols.mqtt.words import V5
from motorcade.signals.catalogue import load_catalogue
from motorcade.signals.quality import qualities

VIN = "LMCTEST0000000001"
NOW = 1_772_366_400_000_000
LATER = NOW + 60_000_000
SPEED = "Vehicle.Speed"
SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"


def heard(*payloads: bytes, channel: str = "json", qos: int = 1) -> Frames:
    """Publishes of one vehicle as ``hear`` hands them on."""
    session = mqtt.Session()
    session.identity, session.version, session.state = VIN, V5, CONNECTED
    packets = [
        mqtt.encode_publish(VIN, payload, channel=channel, qos=qos, packet_id=row + 1)
        for row, payload in enumerate(payloads)
    ]
    frames = mqtt.hear(mqtt.cut([b"".join(packets)]).frames, [session], NOW).frames
    rows = len(frames)
    return frames.addressed(np.full(rows, 5, np.uint64), np.full(rows, 2, np.uint32))


def decoded(*messages: Any, **given: Any) -> Decoded:
    payloads = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages]
    return mqtt.decode(heard(*payloads, **given), LATER)


def test_readings_of_all_shapes_share_a_batch() -> None:
    made = decoded(
        {"ts": NOW // 1000, "signals": {SPEED: 1}},
        {SPEED: 2},
        cbor2.dumps({"ts": "2026-03-01T12:00:01Z", SPEED: 3}),
        [{"ts": NOW, SPEED: 4}, {"ts": NOW, SPEED: 4, SOC: 50, "reissued": True}],
    )
    assert not made.rejects
    (batch,) = made.batches
    assert made.rows[0].tolist() == [0, 1, 2, 3, 3]
    assert batch.column(SPEED).to_pylist() == [1, 2, 3, 4, 4]
    assert batch.column(SOC).to_pylist() == [None] * 4 + [50]
    times = (batch.numpy("event_time") - NOW).tolist()
    assert times == [0, 60_000_000, 1_000_000, 0, 0]
    assert batch.column("reissued").to_pylist() == [False] * 4 + [True]
    assert set(batch.numpy("tenant").tolist()) == {2}
    assert len(set(batch.numpy("record").tolist())) == 5


def test_a_record_is_named_by_its_payload_alone() -> None:
    """The same reading over two links, sessions, packet identifiers or channels is one record."""
    one = mqtt.decode(heard(b'{"ts":1772366400,"Vehicle.Speed":1}'), NOW).batches[0]
    other = mqtt.decode(
        heard(b"[]", b'{"ts":1772366400,"Vehicle.Speed":1}', channel="telemetry", qos=2), LATER
    ).batches[0]
    assert one.numpy("record").tolist() == other.numpy("record").tolist()
    assert one.numpy("event_time").tolist() == other.numpy("event_time").tolist()


def test_a_wrong_value_costs_itself_only() -> None:
    made = decoded({"ts": NOW, SPEED: "fast", SOC: 50, "Vehicle.Sped": 1}, {SPEED: 7, SOC: 999})
    (batch,) = made.batches
    assert batch.column(SPEED).to_pylist() == [None, 7]
    assert batch.column(SOC).to_pylist() == [50, None]
    assert [(reject.frame, reject.code) for reject in made.rejects] == [(0, "value"), (1, "value")]
    assert "Did you mean Vehicle.Speed?" in made.rejects[0].reason
    assert mqtt.flags_for(heard(b"{}", b"{}"), made.rejects).tolist() == [1, 1]
    marks = qualities(batch, load_catalogue())
    assert marks == [{SPEED: "invalid"}, {SOC: "abnormal"}]


def test_a_wrong_reading_costs_itself_only() -> None:
    made = decoded([{"ts": "yesterday", SPEED: 1}, {"ts": NOW, SPEED: 2}, {"ts": NOW, "x": 1}])
    (batch,) = made.batches
    assert batch.column(SPEED).to_pylist() == [2]
    assert made.rows[0].tolist() == [0]
    (reject,) = made.rejects
    assert reject.code == "value"
    assert "reading 0" in reject.reason
    assert "reading 2" in reject.reason


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "payload"),
        (b"{", "payload"),
        (b"[]", "payload"),
        (b"{}", "payload"),
        (b"7", "payload"),
        (b'"x"', "payload"),
        (b"[1]", "payload"),
        (b'{"signals":5}', "payload"),
        (b'{"Vehicle.Nothing":1}', "payload"),
        (b'{"Vehicle.Speed":null}', "payload"),
        (b'{"ts":"2026-03-01T12:00:00","Vehicle.Speed":1}', "time"),
        (b'{"ts":-5,"Vehicle.Speed":1}', "time"),
        (b"\xff", "payload"),
    ],
)
def test_a_message_that_cannot_be_used_takes_no_other_with_it(payload: bytes, code: str) -> None:
    made = decoded({SPEED: 1}, payload, {SPEED: 2})
    (batch,) = made.batches
    assert batch.column(SPEED).to_pylist() == [1, 2]
    assert made.rows[0].tolist() == [0, 2]
    (reject,) = made.rejects
    assert (reject.frame, reject.code) == (1, code)
    flags = mqtt.flags_for(heard(b"", b"", b""), made.rejects)
    assert flags.tolist() == [1, 0x99, 1]


def test_frames_of_other_protocols_are_left_to_them() -> None:
    frames = heard(b"##whatever", channel="gbt32960")
    assert {name: rows.tolist() for name, rows in mqtt.inner(frames).items()} == {"gbt32960": [0]}
    assert mqtt.payload(frames, 0) == b"##whatever"
    assert mqtt.is_record(frames).tolist() == [True]
    made = mqtt.decode(frames, NOW)
    assert (made.batches, made.rejects) == ([], [])
    assert channels(frames) == [b"gbt32960"]


def test_a_tick_of_several_channels_is_sorted_by_them() -> None:
    session = mqtt.Session()
    session.identity, session.version, session.state = VIN, V5, CONNECTED
    said = json.dumps({"ts": NOW, SPEED: 7}).encode()
    packets = [
        mqtt.encode_publish(VIN, said, channel=channel, qos=1, packet_id=row + 1)
        for row, channel in enumerate(("json", "gbt32960", "cbor", "gbt32960"))
    ]
    frames = mqtt.hear(mqtt.cut([b"".join(packets)]).frames, [session], NOW).frames
    assert channels(frames) == [b"json", b"gbt32960", b"cbor", b"gbt32960"]
    assert {name: rows.tolist() for name, rows in mqtt.inner(frames).items()} == {
        "gbt32960": [1, 3]
    }
    made = mqtt.decode(frames, NOW)
    assert made.rows[0].tolist() == [0, 2]
    assert channels(frames.take(np.array([], np.int64))) == []


@pytest.mark.parametrize("odd", [b"{", b"", [], 7, {"ts": NOW}, {"signals": {}}, {SPEED: None}])
def test_messages_are_read_the_same_beside_one_that_is_odd(odd: Any) -> None:
    good = [{"ts": NOW + row, "signals": {SPEED: row}} for row in range(3)]
    alone, beside = decoded(*good), decoded(*good, odd)
    assert beside.batches[0].data.equals(alone.batches[0].data)
    assert [(reject.frame, reject.code) for reject in beside.rejects] == [(3, "payload")]


def test_a_channel_called_like_no_protocol_is_not_one() -> None:
    for channel in ("json", "cbor", "telemetry", "mqtt", "protocols"):
        assert mqtt.inner(heard(b"{}", channel=channel)) == {}


def test_answers_to_commands_are_no_records() -> None:
    frames = heard(b'{"number":1,"outcome":"failed"}', channel="answer")
    assert mqtt.is_record(frames).tolist() == [False]
    assert heard(b"{}", channel="answers").buffer is not None
    assert mqtt.is_record(heard(b"{}", channel="answers")).tolist() == [True]


def test_an_idle_session_is_small() -> None:
    session = mqtt.Session()
    session.receive_data(
        mqtt.encode_connect(VIN, "token", will=("json", b'{"Vehicle.IsMoving":false}')), NOW
    )
    session.receive_data(mqtt.encode_subscribe(VIN), NOW)
    session.receive_data(mqtt.encode_publish(VIN, b'{"Vehicle.Speed":1}'), NOW)
    session.data_to_send()
    session.frames_received()
    assert sys.getsizeof(session) < 400
    held = [getattr(session, name) for name in session.__slots__]
    whole = sys.getsizeof(session) + sum(map(sys.getsizeof, held))
    whole += sum(sys.getsizeof(part) for part in (*session.filters[0], *(session.will or ())))
    assert whole < 1_600
