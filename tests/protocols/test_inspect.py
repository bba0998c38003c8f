"""Streams for people: order, gaps, tails, and options a protocol may not have."""

from __future__ import annotations

import json
from types import ModuleType

import pytest

from motorcade.errors import Invalid, NotFound
from motorcade.protocols import find, gbt32960, names
from motorcade.protocols.gbt32960 import TenantSettings, encode
from motorcade.protocols.gbt32960.encode import platform_login_unit
from motorcade.protocols.gbt32960.times import read_time, time6
from motorcade.protocols.inspect import describe_stream

VIN = "LTEST000000000001"
THEN = 1_761_566_522_000_000
REPORT = encode(2, VIN, time6(THEN) + bytes.fromhex("040107d00000"))
LOGIN = encode(5, "MAKER", platform_login_unit(THEN, 1, "maker", "secret"))


def test_frames_and_rejects_come_in_the_streams_order() -> None:
    broken = bytearray(REPORT)
    broken[-1] ^= 1
    stream = b"noise" + REPORT + bytes(broken) + LOGIN + b"more" + REPORT + REPORT[:20]
    said = list(describe_stream(gbt32960, stream))
    kinds = [one["message"] or one["reject"]["code"] for one in said]
    assert kinds == [
        "garbage",
        "real-time report",
        "checksum",
        "platform login",
        "garbage",
        "real-time report",
        "incomplete",
    ]
    json.dumps(said)
    assert said[0]["raw"] == {"hex": b"noise".hex()}


@pytest.mark.parametrize(("kept", "told"), [(20, "after 20 of its bytes"), (26, "26 of 37 bytes")])
def test_a_stream_that_ends_early_says_what_is_missing(kept: int, told: str) -> None:
    (said,) = describe_stream(gbt32960, REPORT[:kept])
    assert told in said["reject"]["reason"]


def test_a_platform_login_changes_how_reports_are_answered() -> None:
    alone, _, behind = describe_stream(gbt32960, REPORT + LOGIN + REPORT)
    assert len(bytes.fromhex(alone["reply"])) == len(REPORT)
    assert len(bytes.fromhex(behind["reply"])) == 31


def test_answers_carry_the_callers_time() -> None:
    (said,) = describe_stream(gbt32960, REPORT, now=THEN + 9_000_000)
    assert read_time(bytes.fromhex(said["reply"])[24:]) == THEN + 9_000_000
    assert said["event_time"] == "2025-10-27T12:02:02Z"


def test_a_key_opens_and_a_wrong_one_is_told() -> None:
    hidden = encode(2, VIN, REPORT[24:-1], settings=TenantSettings(aes_key=bytes(16)))
    (said,) = describe_stream(gbt32960, hidden, key=bytes(16))
    assert said["signals"]["Vehicle.Powertrain.CombustionEngine.Speed"] == 2000
    assert said["raw"]["encryption"] == "AES-128"
    (said,) = describe_stream(gbt32960, hidden)
    assert said["reject"]["code"] == "cipher"
    assert bytes.fromhex(said["reply"])[3] == 2
    with pytest.raises(Invalid):
        list(describe_stream(gbt32960, hidden, key=b"short"))


def test_a_protocol_without_settings_says_so() -> None:
    other = ModuleType("other")
    other.NAME = "other"  # type: ignore[attr-defined]
    with pytest.raises(Invalid):
        list(describe_stream(other, b"", key=bytes(16)))


def test_protocols_by_name() -> None:
    assert "gbt32960" in names()
    assert find("gbt32960") is gbt32960
    for wrong in ("frames", "inspect", "nothing", "../x", ""):
        with pytest.raises(NotFound):
            find(wrong)
