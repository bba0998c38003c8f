"""Cars obey what a protocol's own encoder commands, once, and say so in its words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from motorcade.protocols import compact, gbt32960, jt808, mqtt
from motorcade.protocols.commands import Answer, Command
from motorcade.protocols.frames import Frames
from motorcade.simulator.fleet import CarFleet, build_fleet
from motorcade.simulator.layouts import layouts_of
from motorcade.simulator.speech.gbt32960 import Gbt32960Speech
from motorcade.simulator.speech.jt808 import Jt808Speech
from motorcade.simulator.speech.mqtt import MqttSpeech
from motorcade.simulator.speech.satellite import CompactSpeech, IridiumSpeech

AT = 1_763_800_000_000_000
DOOR = ("127.0.0.1", 9)
KEY = bytes(16)


def _fleet() -> CarFleet:
    return build_fleet(4, 1, 4, seed=1, layouts=layouts_of("2016"))


def _command(kind: str, number: int = 17, **parameters: Any) -> Command:
    return Command(id=f"{number:032x}", number=number, kind=kind, parameters=parameters, time_us=AT)


def _cut(module: Any, data: bytes) -> Frames:
    found = module.cut([data])
    assert not found.rejects
    return found.frames


@pytest.mark.parametrize(
    ("kind", "parameters", "outcomes"),
    [
        ("lock", {"doors": "all"}, ["succeeded"]),
        ("locate", {}, ["succeeded"]),
        ("read_parameters", {"ids": []}, ["succeeded"]),
        ("read_parameters", {"ids": [1, 0x29]}, ["succeeded"]),
        ("report_interval", {"interval_s": 10}, ["succeeded"]),
        ("text", {"text": "你好"}, ["succeeded"]),
    ],
)
@pytest.mark.parametrize("car", [0, 1])
def test_jt808(car: int, kind: str, parameters: dict[str, Any], outcomes: list[str]) -> None:
    fleet, session = _fleet(), jt808.Session()
    speech = Jt808Speech(fleet, DOOR)
    said = speech.hello(car)
    while said:
        session.receive_data(said)
        said = speech.hear(car, session.data_to_send(), greeted=False).reply
    phone = str(fleet.phones()[car])
    sealed = jt808.encode_command(_command(kind, **parameters), phone, session)
    answers = []
    for turn in range(2):
        heard = speech.hear(car, sealed.data, greeted=True)
        assert (heard.used, heard.answers) == (len(sealed.data), 0)
        assert (speech.commands, speech.repeated) == (1, turn)
        answers += _jt808_answers(session, heard.reply)
    assert [answer.key for answer in answers] == [sealed.key] * len(answers)
    assert [answer.outcome for answer in answers] == outcomes * 2


def _jt808_answers(session: jt808.Session, data: bytes) -> list[Answer]:
    frames = jt808.hear(_cut(jt808, data), [session], AT).frames
    found = [session.handle(frames.bytes_of(row), AT) for row in range(len(frames))]
    return [event.answer for event in found if getattr(event, "answer", None) is not None]


@pytest.mark.parametrize("car", [0, 1])
def test_mqtt(car: int) -> None:
    fleet, session = _fleet(), mqtt.Session()
    speech = MqttSpeech(fleet, DOOR, {})
    said = speech.hello(car)
    while said:
        session.receive_data(said)
        said = speech.hear(car, session.data_to_send(), greeted=False).reply
    sealed = mqtt.encode_command(_command("horn_lights"), fleet.vin(car), session)
    for turn in range(2):
        heard = speech.hear(car, sealed.data, greeted=True)
        assert (speech.commands, speech.repeated) == (1, turn)
        frames = mqtt.hear(_cut(mqtt, heard.reply), [session], AT).frames
        events = [session.handle(frames.bytes_of(row), AT) for row in range(len(frames))]
        told = [event.answer for event in events if event is not None and event.answer]  # type: ignore[attr-defined]
        outcomes = ["delivered", "succeeded"] if turn == 0 else ["succeeded"]
        assert [(one.key, one.outcome) for one in told] == [(sealed.key, o) for o in outcomes]
    answered = b"".join(event.reply(1, AT) for event in events if event is not None)
    assert speech.hear(car, answered, greeted=True).answers == 0, "no report was answered"


def test_gbt32960() -> None:
    fleet, session = _fleet(), gbt32960.Session()
    speech = Gbt32960Speech(fleet, DOOR)
    session.receive_data(speech.hello(0))
    assert speech.hear(0, session.data_to_send(), greeted=False).greeted
    command = _command("report_interval", interval_s=10)
    sealed = gbt32960.encode_command(command, fleet.vin(0), session)
    for turn in range(2):
        heard = speech.hear(0, sealed.data, greeted=True)
        assert (heard.answers, speech.commands, speech.repeated) == (0, 1, turn)
        event: Any = session.handle(heard.reply, AT)
        assert (event.answer.key, event.answer.outcome) == (sealed.key, "succeeded")


def test_compact() -> None:
    fleet = _fleet()
    speech = CompactSpeech(fleet, DOOR, {fleet.vin(0): KEY.hex()})
    sealed = compact.encode_command(_command("lock"), fleet.device(0), key=KEY)
    for turn in range(2):
        heard = speech.hear(0, sealed.data, greeted=True)
        assert (heard.answers, speech.commands, speech.repeated) == (0, 1, turn)
        frames = _cut(compact, heard.reply)
        assert compact.verify(frames, [KEY]).tolist() == [True]
        ((_, answer),) = compact.answers(frames)
        assert (answer.key, answer.outcome) == (sealed.key, "succeeded")
    assert speech.hear(0, b"short", greeted=True).answers == 0


def test_a_ground_gateway_obeys_nobody() -> None:
    speech = IridiumSpeech(_fleet(), DOOR)
    assert (speech.hello(0), speech.hop(0), speech.commands, speech.repeated) == (b"", False, 0, 0)
    confirmed = b"\x01\x00\x04\x05\x00\x01\x01"
    assert speech.hear(0, confirmed * 3 + confirmed[:4], greeted=True)[:2] == (21, 3)
    assert np.array_equal(_fleet().phones() // 10**11, np.ones(4))
