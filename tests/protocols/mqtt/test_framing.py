"""Cutting: hostile lengths, packets too long, streams in any slices; and where publishes' parts
stand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.limits import MQTT_PACKET_BYTES_MAX
from motorcade.protocols import mqtt
from motorcade.protocols.mqtt.framing import frame_length, frames_from
from motorcade.protocols.mqtt.layout import layout
from motorcade.protocols.mqtt.packets import Publish, read_packet, write_packet
from motorcade.protocols.mqtt.words import V3, V5

VIN = "LMCTEST0000000001"


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"\x00\x00", "malformed"),
        (b"GET / HTTP/1.1\r\n", "malformed"),
        (b"\x16\x03\x01\x02\x00", "malformed"),
        (b"\x36\x02\x00\x00", "malformed"),
        (b"\x80\x02\x00\x00", "malformed"),
        (b"\x60\x02\x00\x00", "malformed"),
        (b"\xc1\x00", "malformed"),
        (b"\x30\xff\xff\xff\xff\x01", "malformed"),
        (b"\x30\x80\x80\x80\x80", "malformed"),
        (b"\x30\xff\xff\xff\x7f", "too_large"),
        (b"\x30\x80\x80\x08" + bytes(10), "too_large"),
    ],
)
def test_a_wrong_beginning_is_fatal(stream: bytes, code: str) -> None:
    good = mqtt.encode_pingreq()
    cut = mqtt.cut([good + stream + good, good])
    assert cut.frames.peer.tolist() == [0, 1]
    assert [(reject.code, reject.peer) for reject in cut.rejects] == [(code, 0)]
    assert cut.rejects[0].data == stream + good
    assert code in mqtt.FATAL
    assert not cut.remainder


def test_the_longest_packet_is_cut() -> None:
    body = bytes(MQTT_PACKET_BYTES_MAX - 4 - 2 - 27)
    packet = mqtt.encode_publish(VIN, body, version=V3, qos=0)
    assert len(packet) == MQTT_PACKET_BYTES_MAX
    assert len(mqtt.cut([packet]).frames) == 1
    longer = mqtt.encode_publish(VIN, body + b"x", version=V3, qos=0)
    assert [reject.code for reject in mqtt.cut([longer]).rejects] == ["too_large"]


def test_an_unfinished_length_waits() -> None:
    for begun in (b"\x30", b"\x30\x80", b"\x30\x80\x80", b"\x30\xff\xff\x03"):
        cut = mqtt.cut([begun])
        assert cut.remainder == {0: begun}
        assert not cut.rejects
    assert frame_length(b"\x30\x80") is None
    assert frame_length(b"\x00") is None
    assert frame_length(b"\x30\x05") == 7
    assert frame_length(b"\x30\x80\x01") == 131


def test_nothing_is_nothing() -> None:
    cut = mqtt.cut([])
    assert len(cut.frames) == 0
    assert len(mqtt.decode(cut.frames, 0).batches) == 0
    assert mqtt.answer(cut.frames, np.zeros(0, np.uint8)).buffer == b""
    assert mqtt.vins(cut.frames) == []
    assert len(mqtt.hear(cut.frames, [], 0).frames) == 0
    assert mqtt.cut([b"", b""]).rejects == []


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=140),
            st.binary(max_size=200),
            st.integers(0, 2),
            st.integers(1, 65_535),
            st.booleans(),
            st.dictionaries(st.just("content_type"), st.text("ab", max_size=200)),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_layout_is_what_a_packet_reads(
    drawn: list[tuple[str, bytes, int, int, bool, dict[str, str]]],
) -> None:
    packets = []
    versions = []
    for topic, payload, qos, number, five, told in drawn:
        versions.append(V5 if five else V3)
        packet = Publish(
            topic=topic,
            payload=payload,
            qos=qos,
            packet_id=number if qos else 0,
            properties=dict(told) if five else {},
        )
        packets.append(write_packet(packet, versions[-1]))
    frames = frames_from(packets)
    found = layout(frames, np.array([version == V5 for version in versions]))
    assert found.good.all()
    data = frames.buffer.tobytes()
    for row, (frame, version) in enumerate(zip(packets, versions, strict=True)):
        packet = read_packet(frame, version)
        assert isinstance(packet, Publish)
        at, size = int(found.topic_at[row]), int(found.topic_len[row])
        assert data[at : at + size].decode() == packet.topic
        at, size = int(found.payload_at[row]), int(found.payload_len[row])
        assert data[at : at + size] == packet.payload
        assert found.qos[row] == packet.qos
        assert not packet.qos or found.packet_id[row] == packet.packet_id


@given(st.lists(st.binary(min_size=0, max_size=40), min_size=1, max_size=5), st.booleans())
def test_a_layout_of_garbage_stays_inside_its_packet(bodies: list[bytes], five: bool) -> None:
    frames = frames_from([mqtt.seal(b"\x32\x00" + body) for body in bodies])
    found = layout(frames, np.full(len(frames), five))
    end = frames.offset + frames.length
    good = found.good
    assert (found.payload_at[good] <= end[good]).all()
    assert (found.payload_len[good] >= 0).all()
    assert (found.topic_at[good] + found.topic_len[good] <= end[good]).all()
