"""Packets of clients that are not ours (``tests/vectors/mqtt.jsonl``), read to what those were told
to send, and written again byte by byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from motorcade.protocols import mqtt
from motorcade.protocols.mqtt import events
from motorcade.protocols.mqtt.packets import Publish, read_packet, write_packet
from motorcade.protocols.mqtt.session import CONNECTED
from motorcade.protocols.mqtt.words import NAMES
from motorcade.signals.text import iso_time

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "vectors" / "mqtt.jsonl").read_text().splitlines()
]
VIN = "LMCTEST0000000001"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_packet_reads_as_its_client_meant_it(vector: dict[str, Any]) -> None:
    frame, version = bytes.fromhex(vector["hex"]), vector["version"]
    assert NAMES[frame[0] >> 4] == vector["packet"]
    packet = read_packet(frame, version)
    for name, value in vector["expect"].items():
        if name == "will":
            will = _plain({n: getattr(packet.will, n) for n in value})  # type: ignore[union-attr]
            assert will == value
        elif name not in ("signals", "event_time", "answer", "identity", "bearer"):
            assert _plain(getattr(packet, name)) == value, name
    assert write_packet(packet, version) == frame


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["packet"] == "CONNECT"], ids=lambda vector: vector["id"]
)
def test_a_connect_tells_who_and_over_what(vector: dict[str, Any]) -> None:
    event = mqtt.Session().handle(bytes.fromhex(vector["hex"]), 0)
    assert isinstance(event, events.LoginRequested)
    assert event.identity == vector["expect"]["identity"]
    assert event.bearer == vector["expect"]["bearer"]
    assert event.credential == vector["expect"]["password"]


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "signals" in v["expect"]], ids=lambda vector: vector["id"]
)
def test_a_publish_decodes_to_what_was_meant(vector: dict[str, Any]) -> None:
    session = mqtt.Session()
    session.identity, session.version, session.state = VIN, vector["version"], CONNECTED
    session.aliases = {1: f"v/{VIN}/up/telemetry".encode()}
    heard = mqtt.hear(mqtt.cut([bytes.fromhex(vector["hex"])]).frames, [session], 0)
    assert not heard.rejects
    (batch,) = mqtt.decode(heard.frames, 0).batches
    expect = vector["expect"]
    assert {path: batch.column(path)[0].as_py() for path in batch.paths} == expect["signals"]
    assert iso_time(int(batch.numpy("event_time")[0])) == expect["event_time"]


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "answer" in v["expect"]], ids=lambda vector: vector["id"]
)
def test_an_answer_names_its_command(vector: dict[str, Any]) -> None:
    frame = bytes.fromhex(vector["hex"])
    packet = read_packet(frame, vector["version"])
    assert isinstance(packet, Publish)
    answer = mqtt.commands.read_answer(packet)
    for name, value in vector["expect"]["answer"].items():
        assert getattr(answer, name) == value
