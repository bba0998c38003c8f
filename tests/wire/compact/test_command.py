"""Commands of the compact profile: every kind there and back, and what cannot be said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import Invalid, MessageError
from motorcade.wire.compact.command import (
    CODES,
    COMMAND_MAX,
    KINDS,
    OUTCOMES,
    CompactAnswer,
    CompactCommand,
    pack_answer,
    pack_command,
    read_answer,
    read_command,
)

SAID: list[tuple[str, dict[str, Any], str]] = [
    ("lock", {"doors": "all"}, "00"),
    ("unlock", {"doors": "trunk"}, "04"),
    ("locate", {"interval_s": 10, "duration_s": 600}, "000a00000258"),
    ("report_interval", {"interval_s": 60, "sleep_interval_s": 3600}, "003c0e10"),
    ("horn_lights", {"horn": True, "lights": False, "duration_s": 5}, "010005"),
    ("climate", {"on": True, "temperature_c": 21.5, "duration_min": 20}, "012b14"),
    ("climate", {"on": False, "duration_min": 0}, "000000"),
    ("charge_start", {}, ""),
    ("charge_stop", {}, ""),
    ("charge_limit", {"soc_percent": 80}, "50"),
    ("text", {"text": "停车", "urgent": True, "display": True, "speak": False}, "03e5819ce8bda6"),
    ("set", {"signals": {"Vehicle.Cabin.HVAC.IsAirConditioningActive": True}}, ""),
    ("raw", {"hex": "00ff"}, "00ff"),
]


@pytest.mark.parametrize(("kind", "parameters", "body"), SAID)
def test_a_command_is_read_as_it_was_said(kind: str, parameters: dict[str, Any], body: str) -> None:
    command = CompactCommand(kind, 513, 1_764_000_000, parameters)
    data = pack_command(command)
    assert data[:8].hex() == f"d1{KINDS[kind].number:02x}0201" + "69248100"
    assert data[8] == len(data) - 9
    if kind != "set":
        assert data[9:].hex() == body
    assert read_command(data) == command


def test_every_kind_is_tried_and_tells_its_layout() -> None:
    assert {kind for kind, _, _ in SAID} == set(KINDS)
    assert len({kind.number for kind in KINDS.values()}) == len(KINDS)


def test_words_travel_as_codes_and_numbers_keep_their_type() -> None:
    wished = {
        "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature": 21,
        "Vehicle.Cabin.HVAC.Station.Row1.Driver.AirDistribution": "DOWN",
    }
    command = CompactCommand("set", 1, 0, {"signals": wished})
    assert read_command(pack_command(command)).parameters["signals"] == wished


@pytest.mark.parametrize(
    ("kind", "parameters", "says"),
    [
        ("upgrade", {}, "cannot say 'upgrade'"),
        ("report_interval", {}, "needs the parameter 'interval_s'"),
        ("report_interval", {"interval_s": 70_000}, "report_interval"),
        ("lock", {"doors": "roof"}, "lock"),
        ("climate", {"on": True, "temperature_c": 200}, "climate"),
        ("text", {"text": "x" * 41}, "takes 51 bytes"),
        ("set", {"signals": {"Vehicle.Speeed": 1}}, "cannot be said"),
        ("raw", {"hex": "zz"}, "raw"),
    ],
)
def test_what_cannot_be_said_is_refused(kind: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        pack_command(CompactCommand(kind, 1, 0, parameters))


def test_fifty_bytes_are_enough_for_forty_letters() -> None:
    assert len(pack_command(CompactCommand("text", 1, 0, {"text": "x" * 40}))) == COMMAND_MAX


@given(st.binary(max_size=60), st.sampled_from(sorted(KINDS)))
def test_garbage_gives_only_message_errors(garbage: bytes, kind: str) -> None:
    head = bytes([0xD1, KINDS[kind].number, 0, 1, 0, 0, 0, 0, len(garbage)])
    for data in (garbage, head + garbage):
        try:
            read_command(data)
        except MessageError:
            continue


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("code", CODES)
def test_answers_there_and_back(outcome: Any, code: str) -> None:
    answer = CompactAnswer(65_535, outcome, code, 1_764_000_000)
    assert read_answer(pack_answer(answer)) == answer


def test_what_is_no_answer_is_none() -> None:
    good = pack_answer(CompactAnswer(1, "failed", "busy", 5))
    assert good.hex() == "c202000100000005" + "05"
    for data in (b"", good[:-1], good + b"\0", b"\xc1" + good[1:], good[:1] + b"\x03" + good[2:]):
        assert read_answer(data) is None
    later = read_answer(good[:-1] + b"\xf0")
    assert later is not None
    assert later.code == "code_240"
