"""Golden values of DirectIP: messages of other people's software and of a real modem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from motorcade.protocols import iridium
from motorcade.protocols.inspect import describe_stream
from motorcade.protocols.iridium.describe import describe
from motorcade.protocols.iridium.downlink import read_mt_header
from motorcade.protocols.iridium.elements import MT_HEADER, MT_PAYLOAD, encode, read_elements

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "vectors" / "iridium.jsonl").read_text().splitlines()
]
MESSAGES = [pytest.param(one, id=one["id"]) for one in VECTORS if "hex" in one]


@pytest.mark.parametrize("vector", MESSAGES)
def test_values(vector: dict[str, Any]) -> None:
    (said,) = describe_stream(iridium, bytes.fromhex(vector["hex"]))
    wanted = vector["expect"]
    for name in ("message", "event_time", "reject", "reply"):
        assert said[name] == wanted[name], name
    assert said["signals"] == {
        path: pytest.approx(value, abs=5e-7) for path, value in wanted["signals"].items()
    }
    assert {name: said["raw"].get(name) for name in wanted["raw"]} == wanted["raw"]


def test_elements_by_themselves() -> None:
    header, payload = (one for one in VECTORS if "element" in one)
    ((iei, value),) = read_elements(bytes.fromhex(header["element"]))
    assert iei == MT_HEADER
    client_id, _, disposition = read_mt_header(value)
    assert {"client_id": client_id, "disposition": disposition} == header["expect"]
    ((iei, value),) = read_elements(bytes.fromhex(payload["element"]))
    assert (iei, value.decode()) == (MT_PAYLOAD, payload["expect"]["payload"])


def test_the_elements_make_a_message_that_is_described() -> None:
    parts = [read_elements(bytes.fromhex(one["element"]))[0] for one in VECTORS if "element" in one]
    said = describe(encode(parts))
    assert said["message"] == "MT message"
    assert said["raw"]["payload"] == b"Hello World!".hex()
    assert said["raw"]["disposition"] == 59


def test_a_message_whose_element_lacks_a_byte_of_its_length_is_refused() -> None:
    """As a published example of another implementation has it: read strictly, its payload would be
    longer than the message."""
    good = encode(
        [(MT_HEADER, b"Msg1" + b"300434000000001" + bytes(2)), (MT_PAYLOAD, b"I300434000000001")]
    )
    at = good.index(b"\x42")
    broken = good[:1] + (len(good) - 4).to_bytes(2, "big") + good[3 : at + 1] + good[at + 2 :]
    (said,) = describe_stream(iridium, broken)
    assert said["reject"]["code"] == "structure"
