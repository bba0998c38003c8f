"""Data units that are no reports, read field by field."""

from __future__ import annotations

import pytest

from motorcade.errors import MessageError
from motorcade.protocols.gbt32960 import encode
from motorcade.protocols.gbt32960.describe import describe
from motorcade.protocols.gbt32960.encode import login_unit, set_unit
from motorcade.protocols.gbt32960.events import Answered, LoginRequested, Refused
from motorcade.protocols.gbt32960.messages import PARAMETERS, read_message, text_of
from motorcade.protocols.gbt32960.session import Session
from motorcade.protocols.gbt32960.times import time6

THEN = 1_761_566_522_000_000


@pytest.mark.parametrize("edition", [2016, 2025])
def test_a_login_is_read_as_it_was_written(edition: int) -> None:
    codes = ["BATTERY-PACK-00000000001", "BATTERY-PACK-00000000002"]
    facts = read_message(1, login_unit(THEN, 7, "8986", codes, edition), edition)
    assert facts["time"] == THEN
    assert (facts["sequence"], facts["iccid"], facts["codes"]) == (7, "8986", codes)
    assert facts["layout"] == str(edition)


@pytest.mark.parametrize("command", [1, 4, 5, 6, 9, 0x0B, 0x80, 0x81, 0x82])
def test_short_units_are_told(command: int) -> None:
    for size in range(7):
        with pytest.raises(MessageError):
            read_message(command, time6(THEN)[:size], 2025)


def test_every_parameter_goes_out_and_comes_back() -> None:
    for edition in (2016, 2025):
        for number, (name, old, new) in PARAMETERS.items():
            width = new if edition == 2025 else old
            if number in (0x04, 0x0D):
                continue
            value: int | str = 9 if width > 0 else "1.0"
            facts = read_message(0x81, set_unit(THEN, {number: value}, edition), edition)
            assert facts["parameters"][name] == value


def test_an_unknown_parameter_keeps_the_rest() -> None:
    facts = read_message(0x81, time6(THEN) + b"\x01\x99\x01\x02", 2016)
    assert facts["parameters"] == {"0x99": "0102"}


def test_text() -> None:
    assert text_of(b"abc\0\0") == "abc"
    assert text_of(b"  \xffx") == "\ufffdx"


def test_events_by_frame() -> None:
    assert isinstance(Session().handle(encode(1, "V", login_unit(THEN, 1, "1")), 0), LoginRequested)
    assert isinstance(Session().handle(encode(1, "V", b"short"), 0), Refused)
    assert isinstance(Session().handle(encode(1, "V", b"", flag=1), 0), Answered)


def test_a_password_is_not_shown() -> None:
    unit = time6(THEN) + b"\0\1" + b"user".ljust(12, b"\0") + b"secret".ljust(20, b"\0") + b"\1"
    said = describe(encode(5, "CODE", unit))
    assert said["raw"]["password"] == "******"
    assert "secret" not in str({k: v for k, v in said.items() if k != "reply"})
