"""Publishes made independent of their sessions: topics, aliases, bounds, whose fault is whose."""

from __future__ import annotations

from talk import NOW, OTHER, VIN, connected, reading, say

from motorcade.protocols import mqtt
from motorcade.protocols.mqtt.hearing import hear
from motorcade.protocols.mqtt.packets import Ack, Publish, read_packet, write_packet
from motorcade.protocols.mqtt.words import PUBACK, PUBLISH, PUBREC, V3, V5


def test_aliases_stand_for_topics() -> None:
    session = connected(V5)
    topic = f"v/{VIN}/up/json"
    learn = Publish(
        topic=topic, payload=reading(), properties={"topic_alias": 3}, qos=1, packet_id=1
    )
    assert say(session, learn)[0] == 0x40
    use = Publish(topic="", payload=reading(), properties={"topic_alias": 3}, qos=1, packet_id=2)
    heard = hear(mqtt.cut([write_packet(use, V5)]).frames, [session], NOW)
    assert mqtt.vins(heard.frames) == [VIN.encode()]
    assert mqtt.payload(heard.frames, 0) == reading()
    assert read_packet(say(session, use), V5) == Ack(PUBACK, 2)
    worded = {"topic_alias": 3, "correlation_data": b"1", "content_type": "text"}
    assert say(session, Publish(topic="", payload=reading(), properties=worded)) == b""
    assert say(session, Publish(topic="", properties={"topic_alias": 4})) == "protocol"
    assert say(connected(V5), Publish(topic="", properties={"topic_alias": 17})) == "alias"
    assert say(connected(V5), Publish(topic=topic, properties={"topic_alias": 0})) == "alias"
    assert say(connected(V5), Publish(topic="")) == "protocol"


def test_an_alias_of_a_foreign_topic_stays_refused() -> None:
    session = connected(V5)
    learn = Publish(topic=f"v/{OTHER}/up/json", properties={"topic_alias": 1})
    assert say(session, learn) == "vin_mismatch"
    assert say(session, Publish(topic="", properties={"topic_alias": 1})) == "vin_mismatch"


def test_what_follows_connect_waits_unheard() -> None:
    stream = mqtt.encode_connect(VIN) + mqtt.encode_publish(VIN, reading())
    frames = mqtt.cut([stream]).frames
    heard = hear(frames, [mqtt.Session()], NOW)
    assert [heard.frames.bytes_of(row) for row in range(2)] == [
        frames.bytes_of(row) for row in range(2)
    ]


def test_more_than_the_receive_maximum_at_once_is_a_breach_of_mqtt_5_only() -> None:
    for version, wanted in ((V5, ["receive_maximum"]), (V3, [])):
        packets = [
            mqtt.encode_publish(VIN, reading(), version=version, packet_id=number + 1)
            for number in range(1025)
        ]
        heard = hear(mqtt.cut([b"".join(packets)]).frames, [connected(version)], NOW)
        assert [reject.code for reject in heard.rejects] == wanted
        assert len(heard.frames) == (0 if wanted else 1025)


def test_a_fault_ends_its_peer_only() -> None:
    good = mqtt.encode_publish(VIN, reading())
    bad = Publish(topic="", properties={"topic_alias": 99})
    chunks = [good + write_packet(bad, V5) + good, good + good]
    heard = hear(mqtt.cut(chunks).frames, [connected(V5), connected(V5)], NOW)
    assert heard.frames.peer.tolist() == [0, 1, 1]
    assert [(reject.code, reject.peer) for reject in heard.rejects] == [("alias", 0)]


def test_heard_frames_need_no_session() -> None:
    """Heard again, decoded alone, cut again: always the same."""
    session = connected(V5)
    topic = f"v/{VIN}/up/json"
    stream = b"".join(
        write_packet(packet, V5)
        for packet in (
            Publish(topic=topic, payload=reading(), properties={"topic_alias": 1}),
            Publish(topic="", payload=reading(), properties={"topic_alias": 1}, qos=1, packet_id=2),
            Publish(topic=topic, payload=reading(), qos=1, packet_id=3),
        )
    )
    heard = hear(mqtt.cut([stream]).frames, [session], NOW).frames
    for row in range(3):
        again = mqtt.cut([heard.bytes_of(row)]).frames
        assert mqtt.payload(again, 0) == reading()
        assert mqtt.vins(again) == [VIN.encode()]
    assert PUBLISH == 3


def test_a_heard_disconnect_names_its_vehicle() -> None:
    session = connected(V3)
    heard = hear(mqtt.cut([mqtt.encode_disconnect(version=V3)]).frames, [session], NOW)
    assert mqtt.vins(heard.frames) == [VIN.encode()]
    decoded = mqtt.decode(heard.frames, NOW)
    assert [batch.kind for batch in decoded.batches] == ["logout"]


def test_topics_of_others_are_refused_or_end_the_connection() -> None:
    for topic, reason in (
        (f"v/{OTHER}/up/json", 0x87),
        (f"v/{VIN}/down/command", 0x90),
        ("anything", 0x90),
        (f"v/{VIN}/up/", 0x90),
        (f"v/{VIN}/up/a/b", 0x90),
        (f"v/{VIN}/up/#", 0x90),
    ):
        for qos, kind in ((1, PUBACK), (2, PUBREC)):
            packet = Publish(topic=topic, payload=reading(), qos=qos, packet_id=5)
            session = connected(V5)
            heard = hear(mqtt.cut([write_packet(packet, V5)]).frames, [session], NOW)
            assert len(heard.frames) == 0
            assert heard.replies == [(0, write_packet(Ack(kind, 5, reason), V5))]
            assert heard.rejects[0].code not in mqtt.FATAL
            assert not session.received
            assert say(connected(V3), packet) == "forbidden_topic"
    assert "forbidden_topic" in mqtt.FATAL
    assert mqtt.goodbye(connected(V3), "forbidden_topic") == b""
