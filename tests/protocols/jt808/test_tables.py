"""The tables of JT/T 808: every entry means a signal, every message a body that can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motorcade.errors import Invalid
from motorcade.protocols.jt808.bodies_table import BODIES, BODIES_2019, OTHER_BODIES
from motorcade.protocols.jt808.messages import read_location, read_message
from motorcade.protocols.jt808.others import OTHER_SIGNALS
from motorcade.protocols.jt808.parameters import (
    PARAMETERS,
    parameter_id,
    read_parameters,
    write_parameters,
)
from motorcade.protocols.jt808.plan import plan
from motorcade.protocols.jt808.reader import Reader
from motorcade.protocols.jt808.sources import SIGNALS
from motorcade.protocols.jt808.tables import BASIC, ITEMS
from motorcade.protocols.jt808.tables_safety import ITEMS as SAFETY
from motorcade.protocols.jt808.tables_vendor import ITEMS as VENDOR
from motorcade.protocols.jt808.tables_vendor import NESTED
from motorcade.protocols.jt808.words import (
    ANSWERS,
    MESSAGES,
    RECORDS,
    message_name,
    result_of,
)

DOCS = Path(__file__).parents[3] / "docs" / "protocols" / "jt808.md"


def test_every_signal_of_the_tables_is_one_of_the_catalogue() -> None:
    catalogue = plan().catalogue
    for path in SIGNALS:
        assert path in catalogue
    paths = [path for facts in OTHER_SIGNALS.values() for path, _ in facts.values()]
    assert all(path in catalogue for path in paths)
    for facts in OTHER_SIGNALS.values():
        for path, words in facts.values():
            assert words is None or set(words.values()) <= set(catalogue[path].words)


def test_fields_lie_inside_their_items() -> None:
    for item in (*ITEMS, *SAFETY, *VENDOR, *NESTED):
        longest = max(map(abs, item.sizes))
        for field in item.fields:
            assert field.at + field.width <= longest, item
    assert all(field.at + field.width <= 22 for field in BASIC)


def test_no_two_tables_hold_for_one_item_unless_a_byte_decides() -> None:
    for number, item in plan().items():
        for size in item.sizes:
            found = plan().tables(number, abs(size))
            assert len(found) == 1 or all(one.item.when for one in found), item


def test_every_item_stands_on_the_page() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for path, sources in SIGNALS.items():
        assert f"`{path}`" in page or any(source.name in page for source in sources), path
    for number in {item.id for item in (*ITEMS, *SAFETY, *VENDOR)}:
        assert f"0x{number:02X}" in page, f"0x{number:02X}"
    for message in (*RECORDS, *ANSWERS.values()):
        assert f"{message:04X}" in page, f"{message:04X}"


@pytest.mark.parametrize("message", sorted({*BODIES, *MESSAGES}))
@settings(max_examples=8, deadline=None)
@given(body=st.binary(max_size=90), edition=st.sampled_from([2013, 2019]))
def test_no_body_breaks_a_reader(message: int, body: bytes, edition: int) -> None:
    facts = read_message(message, body, edition)
    assert isinstance(facts, dict)


def test_messages_have_names_and_tables() -> None:
    assert set(BODIES_2019) <= set(BODIES)
    assert set(OTHER_BODIES) <= set(BODIES)
    # The id is the message's own but for the maker's, which have no table.
    assert set(BODIES) <= set(MESSAGES)
    assert message_name(0xF123) == "maker's message"
    assert message_name(0x0F00) == "unknown message"
    assert (result_of("structure"), result_of("cipher"), result_of("other")) == (2, 3, 1)


def test_a_body_that_ends_early_or_late_says_so() -> None:
    assert read_message(0x8300, b"", 2013) == {"short": True}
    assert read_message(0x0108, b"\x00\x01\x02", 2013)["rest"] == "02"
    assert read_message(0x0A01, b"\x01", 2013) == {"data": "01"}
    area = bytes.fromhex("01 01 00000001 0000 01d9f2d4 073ca28d 000003e8".replace(" ", ""))
    assert read_message(0x8600, area, 2013)["areas"][0]["radius_m"] == 1000


def test_a_location_beside_other_things() -> None:
    facts = read_location(bytes(4) + b"\0\0\0\x0c" + bytes(14) + bytes.fromhex("241001235959"))
    assert facts["time"] == "2024-10-01T15:59:59Z"
    assert str(facts["latitude"]) == "-0.0"


def test_parameters_there_and_back() -> None:
    values: dict[str, Any] = {
        "report_s": 30,
        "0x0013": "example.org",
        "fence_radius_m": 500,
        "plate_colour": 2,
        "0xF001": 7,
        "0xF002": "hex:0102",
    }
    data = write_parameters(values)
    assert data[0] == len(values)
    found = read_parameters(Reader(data, 1))
    assert found == {
        "report_s": 30,
        "server": "example.org",
        "fence_radius_m": 500,
        "plate_colour": 2,
        "0xF001": "00000007",
        "0xF002": "0102",
    }


@pytest.mark.parametrize(
    "values",
    [
        {"nonsense": 1},
        {"0x123456789": 1},
        {"plate_colour": 256},
        {"report_s": -1},
        {"report_s": True},
        {"server": 5},
        {"server": "x" * 256},
        {"0xF001": "hex:0"},
    ],
)
def test_parameters_that_do_not_fit(values: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        write_parameters(values)


def test_parameter_ids() -> None:
    assert parameter_id("report_s") == parameter_id("0x29") == parameter_id(0x29) == 0x29
    assert len({name for name, _ in PARAMETERS.values()}) == len(PARAMETERS)
