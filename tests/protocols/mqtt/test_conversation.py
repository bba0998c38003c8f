"""A vehicle's whole conversation, in both versions: login, reports, commands, goodbye."""

from __future__ import annotations

import json

import pytest
from talk import NOW, OTHER, VIN, connected, reading, say

from motorcade.protocols import mqtt
from motorcade.protocols.commands import Command
from motorcade.protocols.mqtt import events
from motorcade.protocols.mqtt.events import Refused
from motorcade.protocols.mqtt.packets import (
    Ack,
    Connack,
    Connect,
    Disconnect,
    Ping,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
    read_packet,
    write_packet,
)
from motorcade.protocols.mqtt.session import CONNECTED
from motorcade.protocols.mqtt.words import (
    AUTH,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    V3,
    V5,
)
from motorcade.signals.catalogue import load_catalogue

COMMAND = Command(id="0" * 32, number=17, kind="lock", parameters={"doors": "all"}, time_us=NOW)

both = pytest.mark.parametrize("version", [V3, V5])


@both
def test_connect_tells_who_and_how(version: int) -> None:
    session = mqtt.Session()
    packet = mqtt.encode_connect(VIN, "secret", version=version, keep_alive_s=30, bearer="nr")
    event = session.handle(packet, NOW)
    assert isinstance(event, events.LoginRequested)
    assert (event.identity, event.credential, event.bearer) == (VIN, "secret", "nr")
    assert event.keep_alive_s == 45
    assert event.clean
    ack = read_packet(event.reply(1, NOW), version)
    assert isinstance(ack, Connack)
    assert (ack.reason, ack.session_present) == (0, False)
    assert session.state == CONNECTED


def test_a_client_without_username_is_named_by_its_client_id() -> None:
    session = mqtt.Session()
    event = session.handle(write_packet(Connect(client_id=f"{VIN}/lte"), V5), NOW)
    assert isinstance(event, events.LoginRequested)
    assert (event.identity, event.credential, event.bearer) == (VIN, None, "lte")


def test_a_certificates_vehicle_may_name_itself_not_at_all() -> None:
    session = mqtt.Session()
    event = session.handle(write_packet(Connect(), V5), NOW)
    assert isinstance(event, events.LoginRequested)
    assert event.identity == ""
    session.identity = VIN
    ack = read_packet(event.reply(1, NOW), V5)
    assert isinstance(ack, Connack)
    assert ack.properties["assigned_client_identifier"] == VIN
    topic = f"v/{VIN}/up/json"
    assert say(session, Publish(topic=topic, payload=reading(), qos=1, packet_id=3))[0] == 0x40


def test_the_bearer_may_be_a_user_property() -> None:
    packet = mqtt.encode_connect(VIN, properties={"user_property": [("bearer", "satellite")]})
    event = mqtt.Session().handle(packet, NOW)
    assert isinstance(event, events.LoginRequested)
    assert event.bearer == "satellite"
    packet = mqtt.encode_connect(VIN, properties={"user_property": [("bearer", "pigeon")]})
    event = mqtt.Session().handle(packet, NOW)
    assert isinstance(event, events.LoginRequested)
    assert event.bearer == ""


def test_connack_of_mqtt_5_says_what_the_platform_does() -> None:
    session = mqtt.Session()
    asked = {"session_expiry_interval": 10**9, "receive_maximum": 5, "maximum_packet_size": 500}
    event = session.handle(mqtt.encode_connect(VIN, keep_alive_s=0, properties=asked), NOW)
    assert isinstance(event, events.LoginRequested)
    ack = read_packet(event.reply(1, NOW), V5)
    assert isinstance(ack, Connack)
    assert ack.properties == {
        "receive_maximum": 1024,
        "retain_available": 0,
        "maximum_packet_size": 131_072,
        "topic_alias_maximum": 16,
        "subscription_identifiers_available": 0,
        "shared_subscription_available": 0,
        "session_expiry_interval": 86_400,
        "server_keep_alive": 200,
    }
    assert event.keep_alive_s == 300
    assert (session.receive_max, session.packet_max, session.expiry_s) == (5, 500, 86_400)


@pytest.mark.parametrize(
    ("code", "three", "five"),
    [
        ("unknown_vin", 2, 0x85),
        ("credentials", 4, 0x86),
        ("unavailable", 3, 0x88),
        ("duplicate", 5, 0x87),
        ("busy", 3, 0x89),
    ],
)
def test_a_refused_login_says_why_in_its_versions_words(code: str, three: int, five: int) -> None:
    for version, reason in ((V3, three), (V5, five)):
        event = mqtt.Session().handle(mqtt.encode_connect(VIN, version=version), NOW)
        assert isinstance(event, events.LoginRequested)
        ack = read_packet(event.reply(event.refusal(code), NOW), version)
        assert ack == Connack(reason)


@both
def test_a_report_is_acknowledged_and_decoded(version: int) -> None:
    session = connected(version)
    packet = mqtt.encode_publish(VIN, reading(), version=version, packet_id=700)
    heard = mqtt.hear(mqtt.cut([packet]).frames, [session], NOW)
    assert mqtt.vins(heard.frames) == [VIN.encode()]
    decoded = mqtt.decode(heard.frames, NOW)
    assert [batch.kind for batch in decoded.batches] == ["report"]
    assert decoded.batches[0].column("Vehicle.Speed").to_pylist() == [54.5]
    assert read_packet(say(session, packet), version) == Ack(PUBACK, 700)


@both
def test_qos_0_is_not_acknowledged(version: int) -> None:
    assert (
        say(connected(version), mqtt.encode_publish(VIN, reading(), version=version, qos=0)) == b""
    )


@both
def test_qos_2_is_stored_once_and_released(version: int) -> None:
    session = connected(version)
    packet = mqtt.encode_publish(VIN, reading(), version=version, qos=2, packet_id=9)
    assert read_packet(say(session, packet), version) == Ack(PUBREC, 9)
    again = bytes([packet[0] | 8]) + packet[1:]
    heard = mqtt.hear(mqtt.cut([again]).frames, [session], NOW)
    assert not mqtt.is_record(heard.frames).any()
    assert read_packet(say(session, again).reply(1, NOW), version) == Ack(PUBREC, 9)
    assert read_packet(say(session, Ack(PUBREL, 9)).reply(1, NOW), version) == Ack(PUBCOMP, 9)
    unknown = 0x92 if version == V5 else 0
    done = say(session, Ack(PUBREL, 9)).reply(1, NOW)
    assert read_packet(done, version) == Ack(PUBCOMP, 9, unknown)
    assert read_packet(say(session, packet), version) == Ack(PUBREC, 9)


def test_unreadable_payloads_are_told_to_mqtt_5_and_acknowledged_to_3() -> None:
    for payload in (b"speed=54", b"{", b"5", b"", b'{"ts":"yesterday","Vehicle.Speed":1}'):
        for version, reason in ((V3, 0), (V5, 0x99)):
            packet = mqtt.encode_publish(VIN, payload, version=version, packet_id=4)
            answer = say(connected(version), packet)
            assert read_packet(answer, version) == Ack(PUBACK, 4, reason)


@both
def test_a_vehicle_subscribes_to_its_own_commands_only(version: int) -> None:
    session = connected(version)
    filters = (
        (f"v/{VIN}/down/#", 2),
        (f"v/{OTHER}/down/#", 1),
        ("#", 1),
        (f"v/{VIN}/down/a#", 1),
        (f"$share/g/v/{VIN}/down/#", 1),
    )
    event = say(session, Subscribe(6, filters))
    assert isinstance(event, events.Subscribed)
    assert event.qos == 1
    refused = b"\x87\x87\x8f\x9e" if version == V5 else b"\x80" * 4
    assert read_packet(event.reply(1, NOW), version) == Suback(6, b"\x01" + refused)
    event = say(session, Unsubscribe(7, (f"v/{VIN}/down/#", "nothing")))
    gone = b"\x00\x11" if version == V5 else b""
    assert read_packet(event.reply(1, NOW), version) == Unsuback(7, gone)
    assert session.qos == -1


def test_filters_are_bounded() -> None:
    session = connected(V5)
    filters = tuple((f"v/{VIN}/down/{number}", 0) for number in range(9))
    event = say(session, Subscribe(1, filters))
    assert isinstance(event, events.Replied)
    assert read_packet(event.reply(1, NOW), V5) == Suback(1, b"\0" * 8 + b"\x97")


@both
def test_a_command_goes_down_and_is_answered(version: int) -> None:
    session = connected(version)
    say(session, Subscribe(1, ((f"v/{VIN}/down/command", 1),)))
    sealed = mqtt.encode_command(COMMAND, VIN, session)
    assert sealed.key == "mqtt:17"
    packet = read_packet(sealed.data, version)
    assert isinstance(packet, Publish)
    assert (packet.topic, packet.qos) == (f"v/{VIN}/down/command", 1)
    assert json.loads(packet.payload) == {
        "id": "0" * 32,
        "number": 17,
        "kind": "lock",
        "parameters": {"doors": "all"},
        "time": "2026-03-01T12:00:00Z",
    }
    event = say(session, Ack(PUBACK, packet.packet_id))
    assert isinstance(event, events.Answered)
    assert event.answer is not None
    assert (event.answer.key, event.answer.outcome) == (sealed.key, "delivered")
    body = json.dumps({"number": 17, "outcome": "succeeded", "facts": {"locked": True}}).encode()
    event = say(
        session, mqtt.encode_publish(VIN, body, channel="answer", version=version, packet_id=8)
    )
    assert isinstance(event, events.Answered)
    assert event.answer is not None
    assert (event.answer.key, event.answer.outcome, event.answer.code) == (
        "mqtt:17",
        "succeeded",
        "ok",
    )
    assert event.answer.facts == {"locked": True}
    assert read_packet(event.reply(1, NOW), version) == Ack(PUBACK, 8)


@both
def test_pings_and_goodbyes(version: int) -> None:
    session = connected(version, will=("telemetry", reading()))
    event = say(session, Ping())
    assert isinstance(event, events.Heartbeat)
    assert read_packet(event.reply(1, NOW), version) == Ping(PINGRESP)
    assert session.will == ("telemetry", reading())
    event = say(session, Disconnect())
    assert isinstance(event, events.LoggedOut)
    assert event.reply(1, NOW) == b""
    assert session.will is None
    assert session.will_frame() == b""


def test_a_disconnect_may_ask_for_the_will() -> None:
    session = connected(V5, will=("telemetry", reading()))
    say(session, Disconnect(0x04))
    frames = mqtt.cut([session.will_frame()]).frames
    assert mqtt.vins(frames) == [VIN.encode()]
    assert len(mqtt.decode(frames, NOW).batches[0]) == 1


def test_logins_are_rows() -> None:
    packets = [mqtt.encode_connect(VIN, version=version) for version in (V3, V5)]
    frames = mqtt.cut(packets).frames
    assert mqtt.is_login(frames).tolist() == [True, True]
    assert mqtt.vins(frames) == [VIN.encode()] * 2
    (batch,) = mqtt.decode(frames, NOW).batches
    assert (batch.kind, len(batch)) == ("login", 2)
    signal = load_catalogue()["Vehicle.Connectivity.Protocol"]
    words = [signal.words[code] for code in batch.column(signal.path).to_pylist()]
    assert words == ["MQTT_3_1_1", "MQTT_5"]


@both
def test_a_kept_session_goes_on(version: int) -> None:
    session = mqtt.Session()
    asked = {"session_expiry_interval": 60} if version == V5 else {}
    packet = mqtt.encode_connect(VIN, version=version, clean=False, properties=asked)
    event = session.handle(packet, NOW)
    assert isinstance(event, events.LoginRequested)
    assert not event.clean
    assert session.expiry_s == (60 if version == V5 else 86_400)
    session.resume(((f"v/{VIN}/down/#", 1),))
    ack = read_packet(event.reply(1, NOW), version)
    assert isinstance(ack, Connack)
    assert ack.session_present
    assert session.qos == 1


def test_an_expiry_may_be_changed_by_disconnect_but_not_raised_from_0() -> None:
    session = connected(V5, properties={"session_expiry_interval": 60})
    say(session, Disconnect(0, {"session_expiry_interval": 0}))
    assert session.expiry_s == 0
    event = say(connected(V5), Disconnect(0, {"session_expiry_interval": 60}))
    assert isinstance(event, Refused)
    assert event.code == "protocol"


@pytest.mark.parametrize(
    ("frame", "code", "reason"),
    [
        (mqtt.encode_connect(VIN), "protocol", 0x82),
        (write_packet(Connack(), V5), "protocol", 0x82),
        (write_packet(Suback(1, b"\0"), V5), "protocol", 0x82),
        (write_packet(Ack(PUBREC, 1), V5), "protocol", 0x82),
        (bytes([AUTH << 4, 0]), "auth_method", 0x8C),
        (b"\x82\x00", "malformed", 0x81),
        (b"\x82\x03\x00\x01\x00", "protocol", 0x82),
        (b"\x62\x02\x00\x00", "malformed", 0x81),
        (b"\x30\x00", "malformed", 0x81),
        (b"\x32\x05\x00\x01a\x00\x00", "malformed", 0x81),
        (b"\x33\x06\x00\x01a\x00\x01\x00", "retain", 0x9A),
        (b"\xe0\x01\x00\x00"[:3], "", 0),
    ],
)
def test_breaches_of_mqtt_5_are_told_by_reason(frame: bytes, code: str, reason: int) -> None:
    session = connected(V5)
    event = say(session, frame)
    found = event if isinstance(event, str) else getattr(event, "code", "")
    assert found == code
    if code:
        assert code in mqtt.FATAL
        assert mqtt.goodbye(session, code) == write_packet(Disconnect(reason), V5)


def test_the_first_packet_is_connect() -> None:
    session = mqtt.Session()
    assert say(session, mqtt.encode_publish(VIN, reading())) == "protocol"
    assert mqtt.goodbye(session, "protocol") == b""


@pytest.mark.parametrize(
    ("packet", "code", "answer"),
    [
        (b"\x10\x0c\x00\x04MQTT\x03\x02\x00\x3c\x00\x00", "version", b"\x20\x02\x00\x01"),
        (b"\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x00", "version", b"\x20\x02\x00\x01"),
        (b"\x10\x0c\x00\x04HTTP\x04\x02\x00\x3c\x00\x00", "protocol", b""),
        (b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x3c\x00\x00", "malformed", b"\x20\x02\x00\x05"),
        (b"\x10\x0c\x00\x04MQTT\x04\x42\x00\x3c\x00\x00", "malformed", b"\x20\x02\x00\x05"),
        (b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00", "client_id", b"\x20\x02\x00\x02"),
        (
            write_packet(Connect(properties={"authentication_method": "SCRAM"}), V5),
            "auth_method",
            write_packet(Connack(0x8C), V5),
        ),
        (
            write_packet(Connect(username=VIN, will=Will(f"v/{OTHER}/up/x", b"")), V5),
            "will",
            write_packet(Connack(0x87), V5),
        ),
        (
            write_packet(Connect(username=VIN, will=Will(f"v/{VIN}/up/x", bytes(1025))), V5),
            "will_size",
            write_packet(Connack(0x97), V5),
        ),
        (
            write_packet(Connect(username=VIN, will=Will(f"v/{VIN}/up/x", b"", 0, True)), V5),
            "retain",
            write_packet(Connack(0x9A), V5),
        ),
    ],
)
def test_a_connect_that_cannot_be_accepted(packet: bytes, code: str, answer: bytes) -> None:
    session = mqtt.Session()
    event = session.handle(packet, NOW)
    assert isinstance(event, Refused)
    assert event.code == code
    assert code in mqtt.FATAL
    assert mqtt.goodbye(session, code) == answer
