"""The contract every protocol keeps, as far as one without checksum and start byte can.

Left out, because MQTT has no way to notice: that every wrong byte is seen, that a broken packet
takes no good one with it in its own stream (what follows cannot be trusted; the connection ends),
noise between packets. A message that lost some values is both a row and a reject (``value``). What
replaces them stands in ``test_framing``.
"""

from __future__ import annotations

import json
from typing import ClassVar

import cbor2
from contract import QUICK, Contract, cut_in_slices, frames_in
from hypothesis import given
from hypothesis import strategies as st

from motorcade.protocols import mqtt
from motorcade.protocols.inspect import describe_stream
from motorcade.protocols.mqtt.packets import Ack, Publish, write_packet
from motorcade.protocols.mqtt.words import PUBREL, V5

VIN = "LMCTEST0000000001"
NOW = 1_772_366_400_000_000
SIGNALS = {"Vehicle.Speed": 54.5, "Vehicle.IsMoving": True}
JSON = json.dumps({"ts": NOW, "signals": SIGNALS}).encode()
MANY = json.dumps([{"ts": NOW + second * 1_000_000, **SIGNALS} for second in range(3)]).encode()
CBOR = cbor2.dumps({"ts": NOW, **SIGNALS})
WORDED = Publish(
    topic=f"v/{VIN}/up/json",
    payload=JSON,
    qos=1,
    packet_id=4,
    properties={"content_type": "application/json"},
)
STREAM = [
    mqtt.encode_connect(VIN, "token"),
    mqtt.encode_subscribe(VIN),
    mqtt.encode_publish(VIN, JSON, packet_id=2),
    mqtt.encode_publish(VIN, MANY, channel="telemetry", packet_id=3),
    write_packet(WORDED, V5),
    mqtt.encode_publish(VIN, CBOR, qos=2, packet_id=5),
    write_packet(Ack(PUBREL, 5), V5),
    mqtt.encode_publish(VIN, JSON, qos=0),
    mqtt.encode_publish(VIN, b"no reading", packet_id=6),
    mqtt.encode_pingreq(),
    mqtt.encode_disconnect(),
]


def heard_version(frame: bytes) -> bytes:
    """The packet as ``hear`` hands it on: publishes carry the mark of MQTT 5."""
    return bytes([frame[0] | 8]) + frame[1:] if frame[0] >> 4 == 3 else frame


class TestMqtt(Contract):
    protocol = mqtt
    frames: ClassVar[list[bytes]] = [heard_version(frame) for frame in STREAM]

    test_every_wrong_byte_is_noticed = None  # type: ignore[assignment]
    test_a_broken_frame_takes_no_good_one_with_it = None  # type: ignore[assignment]
    test_an_answer_is_not_answered = None  # type: ignore[assignment]

    @QUICK
    @given(data=st.data())
    def test_any_slicing_gives_the_same_frames(self, data: st.DataObject) -> None:
        picks = data.draw(st.lists(st.sampled_from(self.frames), min_size=1, max_size=6))
        sizes = data.draw(st.lists(st.integers(1, 200), min_size=1, max_size=5))
        assert cut_in_slices(mqtt, b"".join(picks), sizes) == picks

    def test_replies_are_whole_frames(self) -> None:
        session = mqtt.Session()
        session.receive_data(b"".join(STREAM), NOW)
        cut = mqtt.cut([session.data_to_send()])
        assert not cut.rejects
        assert not cut.remainder
        assert [frame[0] >> 4 for frame in frames_in(cut)] == [2, 9, 4, 4, 4, 5, 7, 4, 13]

    @QUICK
    @given(data=st.data())
    def test_sealed_garbage_gives_only_rejects(self, data: st.DataObject) -> None:
        some = []
        for _ in range(data.draw(st.integers(1, 5))):
            frame = bytearray(data.draw(st.sampled_from(self.frames)))
            for place in data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=6)):
                frame[place] = data.draw(st.integers(0, 255))
            end = data.draw(st.integers(1, len(frame)))
            some.append(mqtt.seal(bytes(frame[:end])))
        cut = mqtt.cut(some)
        assert not cut.rejects
        sessions = [mqtt.Session() for _ in some]
        for session in sessions:
            session.receive_data(STREAM[0], NOW)
            session.data_to_send()
        heard = mqtt.hear(cut.frames, sessions, NOW)
        decoded = mqtt.decode(heard.frames, NOW)
        rows = [row for rows in decoded.rows for row in rows.tolist()]
        lost = [reject.frame for reject in decoded.rejects if reject.code != "value"]
        assert not set(rows) & set(lost)
        mqtt.answer(heard.frames, mqtt.flags_for(heard.frames, decoded.rejects))
        for name in mqtt.inner(heard.frames):
            assert name != "mqtt"
        for stream in some:
            list(describe_stream(mqtt, stream))
            session = mqtt.Session()
            session.receive_data(STREAM[0] + stream + stream, NOW)
            session.data_to_send()

    @QUICK
    @given(garbage=st.binary(max_size=400))
    def test_garbage_after_a_login_never_raises(self, garbage: bytes) -> None:
        for version in (4, 5):
            session = mqtt.Session()
            session.receive_data(mqtt.encode_connect(VIN, version=version), NOW)
            session.receive_data(garbage, NOW)
            mqtt.cut([session.data_to_send()])

    @QUICK
    @given(garbage=st.binary(max_size=100))
    def test_garbage_of_a_client_never_takes_anothers_packets(self, garbage: bytes) -> None:
        cut = mqtt.cut([garbage, STREAM[2], garbage, STREAM[2]])
        assert [cut.frames.bytes_of(r) for r in (cut.frames.peer % 2 == 1).nonzero()[0]] == [
            STREAM[2]
        ] * 2
