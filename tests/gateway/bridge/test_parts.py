"""Templates of topics, and a broker's stream cut into packets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorcade.errors import DependencyError, Invalid
from motorcade.gateway.bridge.client import broker_address
from motorcade.gateway.bridge.filters import Template, templates_of
from motorcade.gateway.bridge.stream import TOO_LARGE, PacketStream
from motorcade.protocols.mqtt.packets import Ack, Ping, Publish, write_packet
from motorcade.protocols.mqtt.words import PINGRESP, PUBACK, V3, V5


@pytest.mark.parametrize(
    ("text", "wanted", "topic", "named"),
    [
        ("v/{vin}/up/{channel}", "v/+/up/+", "v/VIN1/up/json", ("VIN1", "json")),
        ("fleet/{vin}", "fleet/+", "fleet/VIN1", ("VIN1", "")),
        ("+/{vin}/#", "+/+/#", "a/VIN1/b/c", ("VIN1", "")),
        ("cars/car-{vin}/x", "cars/+/x", "cars/car-VIN1/x", ("VIN1", "")),
        ("{vin}", "+", "VIN1", ("VIN1", "")),
        ("{channel}/{vin}", "+/+", "gbt32960/VIN1", ("VIN1", "gbt32960")),
    ],
)
def test_a_template_subscribes_and_reads(
    text: str, wanted: str, topic: str, named: tuple[str, str]
) -> None:
    template = Template(text)
    assert template.filter == wanted
    assert template.read(topic) == named
    assert template.read("something/quite/different/altogether") in (None, named) or "#" in text
    assert Template("v/{vin}/up").read("v/a/up/b") is None
    assert Template("cars/car-{vin}").read("cars/bus-1") is None


@pytest.mark.parametrize(
    "text", ["", "v/up", "{vin}/{vin}", "v/{vin}/#/x", "v/{vin}/a+", "v/{vin}/{wrong}", "v/{vin"]
)
def test_what_is_no_template_is_said(text: str) -> None:
    with pytest.raises(Invalid):
        Template(text)
    with pytest.raises(Invalid):
        templates_of(())


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("mqtt://broker", ("broker", 1883, False)),
        ("mqtts://broker", ("broker", 8883, True)),
        ("mqtt://[::1]:1884", ("::1", 1884, False)),
    ],
)
def test_a_url_names_a_broker(url: str, wanted: tuple[str, int, bool]) -> None:
    assert broker_address(url) == wanted


PACKETS = [
    Publish(topic="a", payload=b"x" * 300, qos=1, packet_id=7),
    Ping(PINGRESP),
    Ack(PUBACK, 1),
    Publish(topic="b/c", payload=b""),
]


@given(st.lists(st.sampled_from(PACKETS), max_size=6), st.lists(st.integers(1, 90), min_size=1))
def test_any_slicing_gives_the_same_packets(packets: list[Publish], sizes: list[int]) -> None:
    data = b"".join(write_packet(packet, V5) for packet in packets)
    stream = PacketStream(V5, 1_000)
    found = []
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        found += stream.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert found == packets


@pytest.mark.parametrize("size", [1, 1_000, 5_000, 200_000])
def test_what_is_too_long_is_skipped_and_told(size: int) -> None:
    long = Publish(topic="t/x", payload=b"y" * 70_000, qos=1, packet_id=9)
    short = Publish(topic="t/x", payload=b"z", qos=1, packet_id=10)
    whole = write_packet(long, V3)
    data = write_packet(short, V3) + whole + write_packet(short, V3)
    stream = PacketStream(V3, 10_000)
    found = []
    for at in range(0, len(data), size):
        found += stream.feed(data[at : at + size])
    assert found[0] == found[2] == short
    cut = found[1]
    assert isinstance(cut, Publish)
    assert (cut.topic, cut.packet_id, cut.payload) == ("t/x", 9, b"y" * 4_096)
    assert cut.properties == {TOO_LARGE: len(whole)}


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\xff\xff\xff\xff\x01",
        b"\xd0\xff\xff\x7f",
        b"\x30\x02\x00\x09",
        b"\x00\x00",
        b"\x32\xff\xff\x7f" + b"\x00\x01\xff" + bytes(80_000),
    ],
)
def test_a_broker_that_breaks_mqtt_is_left(data: bytes) -> None:
    with pytest.raises(DependencyError):
        PacketStream(V5, 1_000).feed(data)
