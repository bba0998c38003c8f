"""Every packet of both versions reads back as it was written; broken ones end in
``MessageError``."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import Invalid, MessageError
from motorcade.protocols.mqtt import packets as pk
from motorcade.protocols.mqtt.properties import (
    PROPERTIES,
    WILL,
    Property,
    read_properties,
    write_properties,
)
from motorcade.protocols.mqtt.wording import VARINT_MAX, Reader, binary, text, varint
from motorcade.protocols.mqtt.words import (
    AUTH,
    CONNACK,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    REASONS,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    V3,
    V5,
)

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
ids = st.integers(1, 65_535)
versions = st.sampled_from([V3, V5])


def _value(row: Property) -> st.SearchStrategy[Any]:
    if row.type == "text":
        return words
    if row.type == "binary":
        return st.binary(max_size=9)
    if row.type == "pair":
        return st.tuples(words, words)
    top = {"byte": 255, "u16": 65_535, "varint": VARINT_MAX}.get(row.type, 0xFFFF_FFFF)
    return st.integers(row.low, min(row.high, top))


def properties(packet: int) -> st.SearchStrategy[dict[str, Any]]:
    """Any properties a packet type may have."""
    rows = [row for row in PROPERTIES.values() if packet in row.packets]
    many = ("user_property", "subscription_identifier")
    each = {
        row.name: st.lists(_value(row), min_size=1, max_size=3) if row.name in many else _value(row)
        for row in rows
    }
    return st.fixed_dictionaries({}, optional=each)


@st.composite
def _connects(draw: st.DrawFn, version: int) -> pk.Connect:
    told = properties if version == V5 else lambda _: st.just({})
    username = draw(st.none() | words)
    password = draw(st.none() | st.binary(max_size=9))
    if version == V3 and username is None:
        password = None
    qos = st.integers(0, 2)
    will = st.builds(pk.Will, words, st.binary(max_size=9), qos, st.booleans(), told(WILL))
    return pk.Connect(
        version=version,
        client_id=draw(words),
        clean=draw(st.booleans()),
        keep_alive=draw(st.integers(0, 65_535)),
        username=username,
        password=password,
        will=draw(st.none() | will),
        properties=draw(told(CONNECT)),
    )


@st.composite
def _packets(draw: st.DrawFn) -> tuple[pk.Packet, int]:
    version = draw(versions)

    def told(packet: int) -> dict[str, Any]:
        return draw(properties(packet)) if version == V5 else {}

    kind = draw(st.integers(1, 15 if version == V5 else 14))
    reason = draw(st.integers(0, 255)) if version == V5 else 0
    made: pk.Packet
    if kind == CONNECT:
        made = draw(_connects(version))
    elif kind == CONNACK:
        made = pk.Connack(draw(st.integers(0, 255)), draw(st.booleans()), told(CONNACK))
    elif kind == PUBLISH:
        qos = draw(st.integers(0, 2))
        made = pk.Publish(
            topic=draw(words),
            payload=draw(st.binary(max_size=300)),
            qos=qos,
            retain=draw(st.booleans()),
            dup=draw(st.booleans()),
            packet_id=draw(ids) if qos else 0,
            properties=told(PUBLISH),
        )
    elif kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
        made = pk.Ack(kind, draw(ids), reason, told(kind))
    elif kind == SUBSCRIBE:
        filters = st.lists(st.tuples(words, st.integers(0, 2)), min_size=1, max_size=4)
        made = pk.Subscribe(draw(ids), tuple(draw(filters)), told(kind))
    elif kind == SUBACK:
        made = pk.Suback(draw(ids), draw(st.binary(max_size=4)), told(kind))
    elif kind == UNSUBSCRIBE:
        names = tuple(draw(st.lists(words, min_size=1, max_size=4)))
        made = pk.Unsubscribe(draw(ids), names, told(kind))
    elif kind == UNSUBACK:
        made = pk.Unsuback(
            draw(ids), draw(st.binary(max_size=4)) if version == V5 else b"", told(kind)
        )
    elif kind in (PINGREQ, PINGRESP):
        made = pk.Ping(kind)
    elif kind == DISCONNECT:
        made = pk.Disconnect(reason, told(kind))
    else:
        made = pk.Auth(reason, told(AUTH))
    return made, version


@given(_packets())
def test_every_packet_round_trips(given_packet: tuple[pk.Packet, int]) -> None:
    packet, version = given_packet
    assert pk.read_packet(pk.write_packet(packet, version), version) == packet


@given(_packets(), st.data())
def test_a_truncated_or_changed_packet_is_read_or_refused(
    given_packet: tuple[pk.Packet, int], data: st.DataObject
) -> None:
    packet, version = given_packet
    frame = bytearray(pk.write_packet(packet, version))
    frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(1, len(frame)))
    with suppress(MessageError):
        pk.read_packet(bytes(frame[:end]), version)


@given(st.binary(min_size=1, max_size=200), versions)
def test_garbage_is_refused_with_a_known_code(garbage: bytes, version: int) -> None:
    try:
        pk.read_packet(garbage, version)
    except MessageError as error:
        kind = error.facts["kind"]
    else:
        kind = "malformed"
    assert kind in REASONS


@pytest.mark.parametrize(
    ("packet", "version"),
    [
        (pk.Ack(PUBACK, 0), V5),
        (pk.Ack(PUBACK, 65_536), V5),
        (pk.Publish(topic="a\0b"), V3),
        (pk.Publish(topic="\ud800"), V3),
        (pk.Publish(topic="a" * 65_536), V3),
        (pk.Publish(topic="a", properties={"topic_alias": 65_536}), V5),
        (pk.Publish(topic="a", properties={"reason_string": "no"}), V5),
        (pk.Publish(topic="a", properties={"nonsense": 1}), V5),
        (pk.Publish(topic="a", properties={"payload_format_indicator": 2}), V5),
        (pk.Connect(version=V3, password=b"x"), V3),
    ],
)
def test_what_cannot_be_said_is_invalid(packet: pk.Packet, version: int) -> None:
    with pytest.raises(Invalid):
        pk.write_packet(packet, version)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x02\x01\x02", "protocol"),
        (b"\x04\x01\x01\x01\x01", "protocol"),
        (b"\x02\x11\x00", "malformed"),
        (b"\x01\x7f", "malformed"),
        (b"\x03\x23\x00\x01", ""),
        (b"\x05\x03\x00\x02\xff\xff", "malformed"),
        (b"\x05\x03\x00\x02a\x00", "malformed"),
        (b"\x80\x80\x80\x80\x01", "malformed"),
        (b"\x81\x00", "malformed"),
    ],
)
def test_properties_are_checked(data: bytes, kind: str) -> None:
    if not kind:
        assert read_properties(Reader(data), PUBLISH) == {"topic_alias": 1}
        return
    with pytest.raises(MessageError) as caught:
        read_properties(Reader(data), PUBLISH)
    assert caught.value.facts["kind"] == kind


@given(st.integers(0, VARINT_MAX))
def test_variable_lengths_round_trip(value: int) -> None:
    assert Reader(varint(value)).varint() == value
    assert len(varint(value)) == (
        1 if value < 128 else 2 if value < 1 << 14 else 3 if value < 1 << 21 else 4
    )


@pytest.mark.parametrize("value", [-1, VARINT_MAX + 1])
def test_a_variable_length_has_bounds(value: int) -> None:
    with pytest.raises(Invalid):
        varint(value)


def test_fields_have_bounds() -> None:
    with pytest.raises(Invalid):
        binary(bytes(65_536))
    assert text("ä") == b"\x00\x02\xc3\xa4"
    assert write_properties({}, PUBLISH) == b"\0"
