"""Acknowledgements of many publishes as one array."""

from __future__ import annotations

import numpy as np

from motorcade.protocols import mqtt
from motorcade.protocols.frames import Reject
from motorcade.protocols.mqtt.answers import answer, flags_for
from motorcade.protocols.mqtt.session import CONNECTED
from motorcade.protocols.mqtt.words import V5

VIN = "LMCTEST0000000001"
NOW = 1_772_366_400_000_000


def test_acknowledgements_lie_end_to_end() -> None:
    session = mqtt.Session()
    session.identity, session.version, session.state = VIN, V5, CONNECTED
    packets = [
        mqtt.encode_publish(VIN, b"{}", qos=1, packet_id=0x0102),
        mqtt.encode_publish(VIN, b"{}", qos=0),
        mqtt.encode_pingreq(),
        mqtt.encode_publish(VIN, b"{}", qos=2, packet_id=3),
        mqtt.encode_publish(VIN, b"{}", qos=2, packet_id=4),
        mqtt.encode_publish(VIN, b"{}", qos=1, packet_id=5),
        mqtt.encode_publish(VIN, b"{}", qos=1, packet_id=6),
    ]
    frames = mqtt.hear(mqtt.cut([b"".join(packets)]).frames, [session], NOW).frames
    flags = np.array([1, 1, 1, 1, 0x99, 0x99, 0], np.uint8)
    answers = answer(frames, flags, np.zeros(7, bool), NOW, {})
    assert answers.buffer.hex(" ", 1) == ("40 02 01 02 50 02 00 03 50 02 00 04 40 03 00 05 99")
    assert answers.offset.tolist() == [0, 4, 4, 4, 8, 12, 17]
    assert answers.length.tolist() == [4, 0, 0, 4, 4, 5, 0]


def test_a_reject_is_a_reason_unless_it_costs_values_only() -> None:
    frames = mqtt.cut([mqtt.encode_publish(VIN, b"{}")] * 4).frames
    codes = ("payload", "value", "vin_mismatch", "never heard of")
    rejects = [Reject(code, "", b"", row) for row, code in enumerate(codes)]
    rejects.append(Reject("topic", "", b"", -1))
    assert flags_for(frames, rejects).tolist() == [0x99, 1, 0x87, 0x80]
