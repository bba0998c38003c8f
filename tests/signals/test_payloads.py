"""JSON and CBOR payloads: read by their first byte; hostile ones end in ``Invalid``."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import Invalid
from motorcade.signals.payloads import read_payload, read_texts

MESSAGES: list[Any] = [
    {"ts": 1_772_366_400_000, "Vehicle.Speed": 54.5, "Vehicle.IsMoving": True},
    [{"signals": {"Vehicle.Speed": 1}}, {"signals": {}}],
    {},
    [],
]


@pytest.mark.parametrize("message", MESSAGES)
def test_the_first_byte_tells_the_format(message: Any) -> None:
    assert read_payload(json.dumps(message).encode()) == message
    assert read_payload(b" \r\n\t" + json.dumps(message, indent=1).encode()) == message
    assert read_payload(cbor2.dumps(message)) == message
    assert read_payload(memoryview(cbor2.dumps(message))) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":' * 100_000,
        b"[" * 100_000,
        b"\x9f",
        b"\x81" * 100 + b"\x01",
        b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        bytes.fromhex("a16161c5821a3b9ac9ff03"),
        bytes.fromhex("a16161d823635b5e5d"),
        bytes.fromhex("a1820102" + "03"),
        b"speed=54",
    ],
)
def test_what_cannot_be_read_is_said(data: bytes) -> None:
    with pytest.raises(Invalid):
        read_payload(data)


@given(st.binary(max_size=60))
def test_garbage_is_read_or_invalid(data: bytes) -> None:
    with suppress(Invalid):
        read_payload(data)


def test_texts_are_read_together_or_not_at_all() -> None:
    texts = [json.dumps(message).encode() for message in MESSAGES]
    assert read_texts(texts) == MESSAGES
    assert read_texts([]) == []
    for other in (b"", b"{", b"nothing", cbor2.dumps(MESSAGES[0]), b'{"a": "\xff"}', b"[" * 5000):
        assert read_texts([*texts, other]) is None
