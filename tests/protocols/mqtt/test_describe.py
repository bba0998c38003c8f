"""Packets for people."""

from __future__ import annotations

import json

from motorcade.protocols import mqtt
from motorcade.protocols.inspect import describe_stream
from motorcade.protocols.mqtt.packets import Publish, write_packet
from motorcade.protocols.mqtt.words import V3, V5

VIN = "LMCTEST0000000001"
NOW = 1_772_366_400_000_000
READING = json.dumps({"ts": NOW, "signals": {"Vehicle.Speed": 54.5, "Vehicle.Sped": 1}}).encode()


def test_a_stream_is_told_packet_by_packet() -> None:
    alias = {"topic_alias": 1}
    stream = b"".join(
        [
            mqtt.encode_connect(VIN, "very secret"),
            mqtt.encode_subscribe(VIN),
            write_packet(Publish(topic=f"v/{VIN}/up/json", payload=READING, properties=alias), V5),
            write_packet(
                Publish(topic="", payload=READING, properties=alias, qos=1, packet_id=2), V5
            ),
            mqtt.encode_publish("LMCTEST0000000002", READING, packet_id=3),
            mqtt.encode_pingreq(),
            b"\x00\x00",
        ]
    )
    told = list(describe_stream(mqtt, stream, now=NOW))
    names = [one["message"] for one in told]
    assert names == ["CONNECT", "SUBSCRIBE", "PUBLISH", "PUBLISH", "PUBLISH", "PINGREQ", None]
    assert "very secret" not in json.dumps(told)
    assert told[0]["vin"] == VIN
    assert told[0]["reply"].startswith("20")
    assert told[2]["signals"] == {"Vehicle.Speed": 54.5}
    assert told[2]["event_time"] == "2026-03-01T12:00:00Z"
    assert told[2]["reject"]["code"] == "value"
    assert told[3]["vin"] == VIN
    assert told[3]["reply"] == "40020002"
    assert told[4]["reject"]["code"] == "vin_mismatch"
    assert told[4]["reply"] == "4003000387"
    assert told[5]["reply"] == "d000"
    assert told[6]["reject"]["code"] == "malformed"


def test_a_packet_alone_is_told_too() -> None:
    for version in (V3, V5):
        frame = mqtt.encode_publish(VIN, READING, version=version)
        told = mqtt.describe(frame)
        assert told["vin"] == VIN
        assert told["signals"] == {"Vehicle.Speed": 54.5}
    assert mqtt.describe(b"\x82\x00")["reject"]["code"] == "malformed"
    assert mqtt.describe(b"\xf0\x00")["message"] == "AUTH"
