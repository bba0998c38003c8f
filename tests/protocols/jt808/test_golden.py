"""Golden values of JT/T 808: frames by others, with the values they and we read in them.

``tests/protocols/test_jt808_outside.py`` compares with what they print; here the values are ours
since both agreed, so that none changes unnoticed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from motorcade.protocols import jt808
from motorcade.protocols.inspect import describe_stream
from motorcade.protocols.jt808.heads import read_heads

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "vectors" / "jt808.jsonl").read_text().splitlines()
]
KEYS = ["protocol", "message", "vin", "event_time", "signals", "quality", "raw", "reply", "reject"]


def each(key: str) -> list[Any]:
    return [pytest.param(vector, id=vector["id"]) for vector in VECTORS if key in vector]


@pytest.mark.parametrize("vector", each("hex"))
def test_values(vector: dict[str, Any]) -> None:
    (said,) = describe_stream(jt808, bytes.fromhex(vector["hex"]))
    expected = vector["expect"]
    assert list(said) == KEYS
    json.dumps(said)
    assert (said["reject"] or {}).get("code") == expected["reject"]
    assert said["raw"].get("body") == expected["body"]
    for name in ("message", "vin", "event_time", "signals", "quality"):
        assert said[name] == expected[name], name


@pytest.mark.parametrize("vector", each("frames"))
def test_sub_packages_of_a_real_picture(vector: dict[str, Any]) -> None:
    frames = jt808.cut([b"".join(map(bytes.fromhex, vector["frames"]))]).frames
    heard = jt808.hear(frames, [jt808.Session()], 0)
    heads = read_heads(heard.frames)
    assert heads.index.tolist() == [*range(1, len(frames)), 0]
    body = heads.body_of(len(heads) - 1)
    assert hashlib.sha256(body).hexdigest() == vector["body_sha256"]
    assert heard.replies == ()


def test_every_message_both_editions_name_is_described() -> None:
    met = {vector["expect"]["message"] for vector in VECTORS if "hex" in vector}
    assert {"text", "set parameters", "terminal registration", "location batch"} <= met
    assert "unknown message" in met
