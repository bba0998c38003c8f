"""Commands down and answers up."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest

from motorcade.errors import CapacityError, Invalid
from motorcade.protocols import mqtt
from motorcade.protocols.commands import KINDS, Answer, Command
from motorcade.protocols.mqtt import events
from motorcade.protocols.mqtt.commands import read_answer
from motorcade.protocols.mqtt.packets import Ack, Publish, Subscribe, read_packet, write_packet
from motorcade.protocols.mqtt.session import CONNECTED
from motorcade.protocols.mqtt.words import PUBACK, V3, V5

VIN = "LMCTEST0000000001"
NOW = 1_772_366_400_000_000


def session(version: int = V5, qos: int = 1, name: str = f"v/{VIN}/down/#") -> mqtt.Session:
    made = mqtt.Session()
    made.identity, made.version, made.state = VIN, version, CONNECTED
    made.handle(write_packet(Subscribe(1, ((name, qos),)), version), NOW)
    return made


def command(number: int = 1, kind: str = "lock", **given: Any) -> Command:
    return Command(id=f"{number:032x}", number=number, kind=kind, time_us=NOW, **given)


def sent(made: mqtt.Session, one: Command) -> Publish:
    packet = read_packet(mqtt.encode_command(one, VIN, made).data, made.version)
    assert isinstance(packet, Publish)
    return packet


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_said(kind: str) -> None:
    assert kind in mqtt.COMMANDS
    packet = sent(session(), command(kind=kind, parameters={"a": [1, "x"]}, deadline_us=NOW))
    said = json.loads(packet.payload)
    assert (said["kind"], said["parameters"]) == (kind, {"a": [1, "x"]})
    assert said["deadline"] == "2026-03-01T12:00:00Z"


def test_mqtt_5_says_where_to_answer() -> None:
    told = sent(session(), command(17)).properties
    assert told["response_topic"] == f"v/{VIN}/up/answer"
    assert told["correlation_data"] == b"17"
    assert sent(session(V3), command(17)).properties == {}


@pytest.mark.parametrize(
    "name", ["#", "+", "command", "command/#", "+/#"], ids=lambda name: name.replace("/", "_")
)
def test_these_filters_let_commands_through(name: str) -> None:
    assert session(name=f"v/{VIN}/down/{name}").qos == 1


@pytest.mark.parametrize("name", ["other", "command/x", "+/+", "commands"])
def test_these_do_not(name: str) -> None:
    made = session(name=f"v/{VIN}/down/{name}")
    assert made.filters
    with pytest.raises(Invalid, match="not subscribed"):
        mqtt.encode_command(command(), VIN, made)
    with pytest.raises(Invalid, match="not subscribed"):
        mqtt.encode_command(command(), VIN, None)


def test_qos_0_carries_no_identifier_and_is_not_acknowledged() -> None:
    made = session(qos=0)
    packet = sent(made, command())
    assert (packet.qos, packet.packet_id) == (0, 0)
    assert made.flight is None


def test_identifiers_are_free_again_once_acknowledged() -> None:
    made = session()
    assert [sent(made, command(number)).packet_id for number in (5, 6, 7)] == [1, 2, 3]
    event = made.handle(write_packet(Ack(PUBACK, 2), V5), NOW)
    assert isinstance(event, events.Answered)
    assert event.answer == Answer(key="mqtt:6", outcome="delivered")
    assert sent(made, command(8)).packet_id == 2
    event = made.handle(write_packet(Ack(PUBACK, 9), V5), NOW)
    assert isinstance(event, events.Answered)
    assert event.answer is None


def test_a_refused_command_has_failed() -> None:
    made = session()
    number = sent(made, command(5)).packet_id
    told = {"reason_string": "no such lock"}
    event = made.handle(write_packet(Ack(PUBACK, number, 0x83, told), V5), NOW)
    assert isinstance(event, events.Answered)
    assert event.answer == Answer(
        key="mqtt:5", outcome="failed", code="refused", detail="no such lock"
    )


def test_what_the_vehicle_can_take_is_kept_to() -> None:
    made = session()
    made.receive_max = 2
    for number in (1, 2):
        sent(made, command(number))
    with pytest.raises(CapacityError):
        mqtt.encode_command(command(3), VIN, made)
    made = session()
    made.packet_max = 100
    with pytest.raises(Invalid, match="at most 100 bytes"):
        mqtt.encode_command(command(), VIN, made)
    assert not made.flight


@pytest.mark.parametrize("write", [lambda said: json.dumps(said).encode(), cbor2.dumps])
def test_answers_come_as_json_or_cbor(write: Any) -> None:
    said = {"number": 3, "outcome": "failed", "code": "busy", "detail": "d", "facts": {"a": 1}}
    answer = read_answer(Publish(topic="", payload=write(said)))
    assert answer == Answer(key="mqtt:3", outcome="failed", code="busy", detail="d", facts={"a": 1})


def test_an_answer_may_name_its_command_by_correlation() -> None:
    told = {"correlation_data": b"42"}
    answer = read_answer(Publish(topic="", payload=b'{"outcome":"failed"}', properties=told))
    assert (answer.key, answer.code) == ("mqtt:42", "failed")


def test_what_only_cbor_can_say_becomes_json() -> None:
    said = {"number": 3, "outcome": "succeeded", "facts": {"raw": b"\x01", "nan": float("nan")}}
    answer = read_answer(Publish(topic="", payload=cbor2.dumps(said)))
    assert answer.facts == {"raw": "AQ==", "nan": None}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b'{"outcome":"succeeded"}',
        b'{"number":0,"outcome":"succeeded"}',
        b'{"number":70000,"outcome":"succeeded"}',
        b'{"number":"1","outcome":"succeeded"}',
        b'{"number":1,"outcome":"perhaps"}',
        b'{"number":1,"outcome":"failed","facts":{"x":18446744073709551616}}',
        b'{"number":1,"outcome":"failed","facts":[]}',
        cbor2.dumps({"number": 1, "outcome": "failed", "facts": {"x": 10**5_000}}),
        cbor2.dumps({"number": 10**5_000, "outcome": "failed"}),
        cbor2.dumps({"number": 1, "outcome": "failed", "facts": {"x": cbor2.CBORTag(9999, 1)}}),
    ],
)
def test_answers_that_cannot_be_read_are_said_so(payload: bytes) -> None:
    with pytest.raises(Invalid):
        read_answer(Publish(topic="", payload=payload))
    made = session()
    frame = mqtt.encode_publish(VIN, payload, channel="answer", packet_id=9)
    heard = mqtt.hear(mqtt.cut([frame]).frames, [made], NOW).frames
    event = made.handle(heard.bytes_of(0), NOW)
    assert isinstance(event, events.Refused)
    assert event.code not in mqtt.FATAL
    assert read_packet(event.reply(event.owed, NOW), V5) == Ack(PUBACK, 9, 0x99)
