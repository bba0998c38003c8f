"""Commands as frames 80, 81 and 82, and what terminals answer to them."""

from __future__ import annotations

from typing import Any

import pytest

from motorcade.errors import Invalid
from motorcade.protocols import gbt32960
from motorcade.protocols.commands import KINDS, Command
from motorcade.protocols.gbt32960 import COMMANDS, Session, TenantSettings, cipher, encode_command
from motorcade.protocols.gbt32960.encode import encode
from motorcade.protocols.gbt32960.events import Answered
from motorcade.protocols.gbt32960.times import time6

VIN = "LTEST000000000001"
THEN = 1_761_566_522_000_000
"""2025-10-27 20:02:02 in China."""
TIME = bytes([25, 10, 27, 20, 2, 2])
KEY = TenantSettings(aes_key=bytes(range(16)))


def command(kind: str, /, **parameters: Any) -> Command:
    return Command(id="0" * 32, number=7, kind=kind, parameters=parameters, time_us=THEN + 654_321)


def unit(kind: str, edition: int = 2016, /, **parameters: Any) -> tuple[int, bytes]:
    session = Session()
    session.edition = edition
    frame = encode_command(command(kind, **parameters), VIN, session).data
    cut = gbt32960.cut([frame])
    assert len(cut.frames) == 1
    assert frame[:2] == {2016: b"##", 2025: b"$$"}[edition]
    assert frame[3:21] == b"\xfe" + VIN.encode()
    return frame[2], frame[24:-1]


def test_annex_b_byte_by_byte() -> None:
    assert unit("read_parameters", ids=[1, "report_period_s"]) == (0x80, TIME + b"\x02\x01\x02")
    assert unit("read_parameters") == (0x80, TIME + bytes([16, *range(1, 17)]))
    assert unit("report_interval", interval_s=30) == (0x81, TIME + b"\x01\x02\x00\x1e")
    assert unit("report_interval", 2025, interval_s=30) == (0x81, TIME + b"\x01\x02\x1e")
    values = {"0x0009": 20, "management_platform": "a.b"}
    assert unit("write_parameters", values=values) == (
        0x81,
        TIME + b"\x03\x09\x14\x04\x03\x05a.b",
    )
    assert unit("raw", protocol="gbt32960", message=0x82, hex="03") == (0x82, TIME + b"\x03")
    assert unit("raw", protocol="gbt32960", message=0xC1, hex="0102") == (0xC1, b"\x01\x02")


def test_an_upgrade_has_its_fields_between_semicolons() -> None:
    number, data = unit(
        "upgrade", url="ftp://h/f", version="1.2", apn="cmnet", address="192.0.2.7", port=21,
        timeout_min=5,
    )  # fmt: skip
    assert number == 0x82
    assert data == TIME + b"\x01cmnet;;;\0\0\xc0\0\2\7;\0\x15;;;1.2\0\0;ftp://h/f;\0\x05"


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        *((kind, {}) for kind in KINDS if kind not in COMMANDS),
        ("read_parameters", {"ids": [0x77]}),
        ("read_parameters", {"ids": ["speed"]}),
        ("write_parameters", {"values": {"0x0009": 256}}),
        ("write_parameters", {"values": {"0x0009": "x"}}),
        ("write_parameters", {"values": {"0x0005": 5}}),
        ("write_parameters", {"values": {"0x0005": "平台"}}),
        ("report_interval", {"interval_s": 70_000}),
        ("report_interval", {"interval_s": 10, "sleep_interval_s": 60}),
        ("upgrade", {"url": "a;b"}),
        ("upgrade", {"url": "x", "version": "1.2.3.4"}),
        ("upgrade", {"url": "x", "address": "fe80::1"}),
        ("raw", {"protocol": "jt808", "message": 0x82, "hex": ""}),
        ("raw", {"protocol": "gbt32960", "message": 1, "hex": ""}),
    ],
)
def test_what_the_standard_cannot_say(kind: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        encode_command(command(kind, **parameters), VIN, None)


def answered(frame: bytes, settings: TenantSettings | None = None) -> Answered:
    event = Session().handle(frame, THEN, settings)
    assert isinstance(event, Answered)
    assert event.reply(1, THEN) == b""
    return event


def test_an_answer_carries_its_commands_key() -> None:
    for kind, parameters in (
        ("read_parameters", {}),
        ("report_interval", {"interval_s": 10}),
        ("upgrade", {"url": "x"}),
        ("raw", {"protocol": "gbt32960", "message": 0xC1, "hex": ""}),
    ):
        sealed = encode_command(command(kind, **parameters), VIN, None)
        for flag, outcome, code in ((1, "succeeded", "ok"), (2, "failed", "refused")):
            data = TIME if sealed.data[2] != 0x80 else TIME + b"\x01\x09\x14"
            frame = encode(sealed.data[2], VIN, data, flag=flag)
            answer = answered(frame).answer
            assert answer is not None
            assert (answer.key, answer.outcome, answer.code) == (sealed.key, outcome, code)


def test_parameters_read_are_facts() -> None:
    data = TIME + b"\x02\x02\x00\x1e\x09\x14"
    answer = answered(encode(0x80, VIN, data, flag=1)).answer
    assert answer is not None
    assert answer.facts == {"parameters": {"report_period_s": 30, "heartbeat_period_s": 20}}


def test_an_enciphered_answer_is_opened() -> None:
    plain = encode(0x82, VIN, TIME, flag=1)
    frame = cipher.closed(plain, KEY)
    assert frame != plain
    sealed = encode_command(command("upgrade", url="x"), VIN, None)
    answer = answered(frame, KEY).answer
    assert answer is not None
    assert answer.key == sealed.key
    other = answered(frame).answer
    assert other is not None
    assert other.key != sealed.key


def test_an_answer_to_something_else_is_no_answer_to_a_command() -> None:
    assert answered(encode(0x01, VIN, time6(THEN), flag=1)).answer is None
    assert answered(encode(0x0A, VIN, b"\x01\x01")).answer is None


def test_a_retry_has_the_same_key_and_another_second_another() -> None:
    one = encode_command(command("upgrade", url="x"), VIN, None)
    again = encode_command(command("upgrade", url="x"), VIN, Session())
    assert one == again
    later = Command(
        id="1" * 32, number=8, kind="upgrade", parameters={"url": "x"}, time_us=THEN + 1_000_000
    )
    assert encode_command(later, VIN, None).key != one.key
