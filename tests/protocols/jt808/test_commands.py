"""Commands in JT/T 808's words."""

from __future__ import annotations

from typing import Any

import pytest

from motorcade.errors import Invalid
from motorcade.protocols import jt808
from motorcade.protocols.commands import KINDS, Command
from motorcade.protocols.inspect import describe_stream
from motorcade.protocols.jt808.commands import COMMANDS, encode_command
from motorcade.protocols.jt808.encode import encode, escaped, plain_of
from motorcade.protocols.jt808.session import Session

PHONE = "13900000001"


def command(kind: str, number: int = 17, **parameters: Any) -> Command:
    return Command(id="0" * 32, number=number, kind=kind, parameters=parameters, time_us=0)


def said(kind: str, edition: int = 2013, **parameters: Any) -> tuple[str, dict[str, Any]]:
    """The message's id and body as another terminal would read them."""
    session = Session()
    session.address = (edition, bytes.fromhex("013900000001"))
    if edition == 2019:
        session.address = (edition, b"\x01" + bytes.fromhex("00000000013900000001"))
    sealed = encode_command(command(kind, **parameters), PHONE, session)
    assert sealed.key == "808:17"
    (found,) = describe_stream(jt808, sealed.data)
    assert found["reject"] is None
    assert found["vin"] == PHONE
    assert found["raw"]["serial"] == 17
    assert found["raw"]["edition"] == edition
    return found["raw"]["message"], found["raw"]["body"]


def test_doors() -> None:
    assert said("lock", doors="all") == ("8500", {"flags": 1})
    assert said("unlock") == ("8500", {"flags": 0})
    assert said("lock", 2019) == ("8500", {"controls": [{"id": 1, "value": 0}]})
    assert said("unlock", 2019) == ("8500", {"controls": [{"id": 1, "value": 1}]})
    path = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"
    assert said("set", signals={path: True}) == ("8500", {"flags": 1})


def test_positions() -> None:
    assert said("locate", interval_s=0) == ("8201", {})
    body = {"interval_s": 5, "duration_s": 60}
    assert said("locate", interval_s=5, duration_s=60) == ("8202", body)
    parameters = {"report_strategy": 0, "report_s": 10, "report_s_asleep": 300}
    message, body = said("report_interval", interval_s=10, sleep_interval_s=300)
    assert (message, body["parameters"]) == ("8103", parameters)


def test_parameters() -> None:
    assert said("read_parameters", ids=[]) == ("8104", {})
    assert said("read_parameters", ids=["0x0029", 39]) == ("8106", {"ids": [41, 39]})
    message, body = said("write_parameters", values={"0x0013": "example.org", "0x0001": 60})
    assert message == "8103"
    assert body["parameters"] == {"server": "example.org", "heartbeat_s": 60}


def test_texts() -> None:
    assert said("text", text="你好", urgent=True) == ("8300", {"flags": 5, "text": "你好"})
    body = {"flags": 13, "type": 2, "text": "hi"}
    assert said("text", 2019, text="hi", speak=True) == ("8300", body)
    assert said("text", 2019, text="hi", urgent=True)[1]["flags"] == 6


def test_upgrades() -> None:
    session = Session()
    asked = command("upgrade", url="http://example.org/a.bin", version="2", port=80, timeout_min=5)
    data = plain_of(encode_command(asked, PHONE, session).data)
    assert data[12:] == b"\x01http://example.org/a.bin;;;;;80;;;;2;5"
    assert session.upgrading == 17
    with pytest.raises(Invalid):
        encode_command(command("upgrade", url="a;b"), PHONE, None)


def test_raw() -> None:
    message, body = said("raw", protocol="jt808", message=0x8105, hex="04")
    assert (message, body["command"]) == ("8105", 4)


def test_without_a_session_the_number_tells_the_edition() -> None:
    old = encode_command(command("locate"), PHONE, None).data
    assert old == encode(0x8201, PHONE, serial=17)
    new = encode_command(command("locate"), "1234567890123", None).data
    assert new == encode(0x8201, "1234567890123", serial=17, edition=2019)


def test_a_terminal_is_called_as_it_calls_itself() -> None:
    session = Session()
    phone = bytes.fromhex("4f07788ef87d")
    session.handle(escaped(b"\x01\x02\x00\x01" + phone + b"\x00\x01c"), 0)
    data = encode_command(command("locate"), "868935060010210", session).data
    assert plain_of(data)[4:10] == phone


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("horn_lights", {}),
        ("climate", {"on": True}),
        ("charge_start", {}),
        ("charge_stop", {}),
        ("charge_limit", {"soc_percent": 80}),
        ("lock", {"doors": "trunk"}),
        ("set", {"signals": {"Vehicle.Cabin.HVAC.IsAirConditioningActive": True}}),
        ("set", {"signals": {}}),
        ("write_parameters", {"values": {"nonsense": 1}}),
        ("read_parameters", {"ids": ["nonsense"]}),
        ("text", {"text": "x" * 1100}),
        ("raw", {"protocol": "mqtt"}),
        ("raw", {"protocol": "jt808", "hex": "0"}),
        ("no_such_kind", {}),
    ],
)
def test_what_the_standard_cannot_say(kind: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        encode_command(command(kind, **parameters), PHONE, None)


def test_the_kinds_are_known_ones() -> None:
    assert set(COMMANDS) <= set(KINDS)
    for kind in set(KINDS) - set(COMMANDS):
        with pytest.raises(Invalid):
            encode_command(command(kind), PHONE, None)
