"""Packets as a client sends them, and sealing of anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.protocols.mqtt import cut
from motorcade.protocols.mqtt.encode import (
    encode,
    encode_connect,
    encode_disconnect,
    encode_pingreq,
    encode_puback,
    encode_publish,
    encode_subscribe,
    seal,
)
from motorcade.protocols.mqtt.packets import (
    Ack,
    Connect,
    Disconnect,
    Ping,
    Publish,
    Subscribe,
    read_packet,
)
from motorcade.protocols.mqtt.words import PUBACK, V3, V5

VIN = "LMCTEST0000000001"


@pytest.mark.parametrize("version", [V3, V5])
def test_a_vehicles_packets_are_what_they_say(version: int) -> None:
    made = read_packet(encode_connect(VIN, "t", version=version, bearer="nr"), version)
    assert isinstance(made, Connect)
    assert (made.client_id, made.username, made.password) == (f"{VIN}/nr", VIN, b"t")
    sent = read_packet(encode_publish(VIN, b"x", version=version, packet_id=9), version)
    assert sent == Publish(topic=f"v/{VIN}/up/json", payload=b"x", qos=1, packet_id=9)
    asked = read_packet(encode_subscribe(VIN, version=version), version)
    assert asked == Subscribe(1, ((f"v/{VIN}/down/#", 1),))
    assert read_packet(encode_puback(4, version=version), version) == Ack(PUBACK, 4)
    assert read_packet(encode_pingreq(), version) == Ping()
    assert read_packet(encode_disconnect(version=version), version) == Disconnect()
    assert encode(Disconnect(), version) == b"\xe0\x00"


@given(st.binary(max_size=300))
def test_whatever_is_sealed_is_cut_whole(frame: bytes) -> None:
    sealed = seal(frame)
    found = cut([sealed])
    assert not found.rejects
    assert [found.frames.bytes_of(row) for row in range(len(found.frames))] == [sealed]
