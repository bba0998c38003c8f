"""The kinds and their parameters: what is taken, what is refused, and the page that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.commands.world import CATALOGUE
from motorcade.apps.commands.row import COLUMNS, SAVED
from motorcade.apps.commands.rules import CLASSES, KINDS, OPEN, STATES, Parameter, check
from motorcade.errors import Invalid
from motorcade.protocols import commands as protocol_commands
from motorcade.protocols import find, names

PAGE = Path(__file__).parents[3] / "docs" / "commands.md"
AIR = "Vehicle.Cabin.HVAC.IsAirConditioningActive"
FAN = "Vehicle.Cabin.HVAC.Station.Row1.Driver.FanSpeed"
WARM = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"


def test_kinds_are_those_the_protocols_know() -> None:
    assert tuple(KINDS) == protocol_commands.KINDS
    assert {kind.message_class for kind in KINDS.values()} <= set(CLASSES)
    for name in names():
        assert set(getattr(find(name), "COMMANDS", {})) <= set(KINDS), name


def test_signals_have_a_word_for_every_kind_and_state() -> None:
    assert set(CATALOGUE["Vehicle.Command.Kind"].words) == set(KINDS)
    assert set(CATALOGUE["Vehicle.Command.State"].words) == set(STATES)
    assert set(OPEN) < set(STATES)


def test_columns_that_are_saved_are_columns() -> None:
    assert set(SAVED) <= set(COLUMNS.split(", "))


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [
        ("lock", {}, {"doors": "all"}),
        ("locate", {"interval_s": 5}, {"interval_s": 5, "duration_s": 0}),
        ("report_interval", {"interval_s": 1}, {"interval_s": 1, "sleep_interval_s": 0}),
        ("read_parameters", {}, {"ids": ()}),
        (
            "read_parameters",
            {"ids": [1, "0x29", "41", "heartbeat_period_s"]},
            {"ids": [1, 0x29, 41, "heartbeat_period_s"]},
        ),
        (
            "write_parameters",
            {"values": {"41": 30, "0x13": "host", "name": 1}},
            {"values": {"0x0029": 30, "0x0013": "host", "name": 1}},
        ),
        ("climate", {"on": False}, {"on": False, "duration_min": 0}),
        ("climate", {"on": True, "temperature_c": 21}, {"on": True, "temperature_c": 21.0,
                                                        "duration_min": 0}),
        ("set", {"signals": {AIR: True, FAN: 50.0}}, {"signals": {AIR: True, FAN: 50}}),
        ("raw", {"protocol": "jt808", "message": 0x8104, "hex": "AB"},
         {"protocol": "jt808", "message": 0x8104, "hex": "ab"}),
        ("lock", {"doors": None}, {"doors": "all"}),
    ],
)  # fmt: skip
def test_what_is_taken(kind: str, given: dict[str, Any], found: dict[str, Any]) -> None:
    assert check(kind, given, CATALOGUE) == found


@pytest.mark.parametrize(
    ("kind", "given", "field", "says"),
    [
        ("fly", {}, "kind", "one of"),
        ("lock", {"doors": "roof"}, "doors", "one of all"),
        ("lock", {"windows": True}, "windows", "lock takes doors"),
        ("charge_stop", {"now": True}, "now", "takes none"),
        ("report_interval", {}, "interval_s", "needs it"),
        ("report_interval", {"interval_s": 0}, "interval_s", "1 to 65535"),
        ("report_interval", {"interval_s": True}, "interval_s", "whole number"),
        ("report_interval", {"interval_s": 1.5}, "interval_s", "whole number"),
        ("read_parameters", {"ids": 3}, "ids", "list"),
        ("read_parameters", {"ids": [True]}, "ids", "no parameter id"),
        ("read_parameters", {"ids": ["A B"]}, "ids", "no parameter id"),
        ("read_parameters", {"ids": ["9999999999"]}, "ids", "32 bits"),
        ("read_parameters", {"ids": [1] * 256}, "ids", "0 to 255"),
        ("write_parameters", {"values": {}}, "values", "1 to 255"),
        ("write_parameters", {"values": {"1": 1.5}}, "values", "whole number or text"),
        ("write_parameters", {"values": {"1": 1 << 63}}, "values", "too large"),
        ("text", {"text": ""}, "text", "1 to 500"),
        ("text", {"text": "a\0b"}, "text", "must be text"),
        ("text", {"text": "\ud800"}, "text", "must be text"),
        ("text", {"text": "a", "urgent": 1}, "urgent", "true or false"),
        ("climate", {"on": True, "temperature_c": float("nan")}, "temperature_c", "number"),
        ("climate", {"on": True, "temperature_c": 80}, "temperature_c", "10 to 35"),
        ("climate", {"on": True, "temperature_c": 10**400}, "temperature_c", "10 to 35"),
        ("upgrade", {"url": "x", "sha256": "abc"}, "sha256", "two a byte"),
        ("set", {"signals": {}}, "signals", "1 to 64"),
        ("set", {"signals": {"Vehicle.Speed": 3.0}}, "signals", "no actuator"),
        ("set", {"signals": {"Vehicle.Sped": 3.0}}, "signals", "no signal"),
        ("set", {"signals": {AIR: 1}}, "signals", "true or false"),
        ("set", {"signals": {FAN: 101}}, "signals", "between"),
        ("set", {"signals": {FAN: 10**400}}, "signals", "between"),
        ("set", {"signals": {WARM: -(10**400)}}, "signals", "a number"),
        ("set", {"signals": {WARM: "warm"}}, "signals", "a number"),
        ("raw", {"protocol": "jt808", "hex": "0"}, "hex", "hexadecimal"),
        ("raw", {"protocol": "jt808", "hex": "00" * 1_024}, "hex", "bytes"),
    ],
)
def test_what_is_refused_and_why(kind: str, given: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(kind, given, CATALOGUE)
    (error,) = caught.value.facts["errors"]
    assert error["field"].removeprefix("parameters.") == field
    assert says in error["message"]


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        check("climate", {"temperature_c": 80, "fan": 1}, CATALOGUE)
    fields = {error["field"] for error in caught.value.facts["errors"]}
    assert fields == {"parameters.on", "parameters.temperature_c", "parameters.fan"}


def test_every_actuator_can_be_set() -> None:
    samples: dict[str, Any] = {"boolean": True, "string": "x"}
    for path, signal in CATALOGUE.items():
        if signal.kind != "actuator":
            continue
        value = signal.allowed[0] if signal.allowed else samples.get(signal.datatype)
        if value is None:
            value = signal.max if signal.max is not None else max(signal.min or 0, 1)
        check("set", {"signals": {path: value}}, CATALOGUE)


def test_the_page_shows_every_kind_with_its_parameters() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    for name, kind in KINDS.items():
        head = f"| `{name}` | {kind.says} | {kind.message_class}"
        lines = [head if place == 0 else "| | |" for place in range(len(kind.parameters) or 1)]
        rows = [_row(*pair) for pair in kind.parameters.items()] or [" | | | | | |"]
        for line, row in zip(lines, rows, strict=True):
            assert line + row in page


def _row(name: str, parameter: Parameter) -> str:
    return (
        f" | `{name}` | {parameter.type} | {_values(parameter)} | {_default(parameter)}"
        f" | {parameter.says} |"
    )


def _values(parameter: Parameter) -> str:
    if parameter.type == "word":
        return ", ".join(parameter.words)
    if parameter.type == "bool" or parameter.high == float("inf"):
        return ""
    of = {"text": " characters", "hex": " bytes"}
    of |= dict.fromkeys(("ids", "values", "signals"), " entries")
    return f"{parameter.low:g} to {parameter.high:.0f}{of.get(parameter.type, '')}"


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "required"
    if parameter.default is None:
        return "none"
    if parameter.default in ("", ()):
        return "empty"
    text = str(parameter.default)
    return text.lower() if isinstance(parameter.default, bool) else text
