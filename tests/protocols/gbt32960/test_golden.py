"""Golden values of GB/T 32960.3: frames put together by hand from the tables of both editions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from motorcade.protocols import gbt32960
from motorcade.protocols.inspect import describe_stream

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "vectors" / "gbt32960.jsonl").read_text().splitlines()
]


def each() -> list[Any]:
    return [pytest.param(vector, id=vector["id"]) for vector in VECTORS]


@pytest.mark.parametrize("vector", each())
def test_the_hex_is_what_its_parts_say(vector: dict[str, Any]) -> None:
    assert "".join(part.replace(" ", "") for part, _ in vector["parts"]) == vector["hex"]


@pytest.mark.parametrize("vector", each())
def test_values(vector: dict[str, Any]) -> None:
    (said,) = describe_stream(gbt32960, bytes.fromhex(vector["hex"]))
    expected = vector["expect"]
    reject = said["reject"]["code"] if said["reject"] else None
    assert reject == expected["reject"]
    assert said["message"] == expected["message"]
    assert said["vin"] == expected["vin"]
    assert said["event_time"] == expected["event_time"]
    assert said["signals"] == expected["signals"]
    assert said["quality"] == expected["quality"]
    assert {key: said["raw"].get(key) for key in expected["raw"]} == expected["raw"]
    assert said["raw"]["edition"] == vector["edition"]


def test_every_information_type_is_there_valid_and_not() -> None:
    reported: set[tuple[int, str]] = set()
    broken: set[tuple[int, str]] = set()
    for vector in VECTORS:
        reported.update((vector["edition"], path) for path in vector["expect"]["signals"])
        broken.update((vector["edition"], path) for path in vector["expect"]["quality"])
    for path, sources in gbt32960.SIGNALS.items():
        if ".Motor" in path and ".Motor1." not in path:
            # The other motors are the first one's table again.
            continue
        for source in sources:
            assert (source.edition, path) in reported, f"no {source.edition} vector has {path}"
            if source.invalid is not None and source.item:
                assert (source.edition, path) in broken, f"{source.edition} {path} never invalid"


def test_the_keys_are_those_of_every_protocol() -> None:
    keys = ["protocol", "message", "vin", "event_time", "signals", "quality", "raw", "reply"]
    for vector in VECTORS:
        (said,) = describe_stream(gbt32960, bytes.fromhex(vector["hex"]))
        assert list(said) == [*keys, "reject"]
        json.dumps(said)
