"""Records to a broker: a real Mosquitto, and one that refuses, stalls or talks nonsense."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from apps.forwarding.world import SPEED, World, eventually, vin
from motorcade.apps.forwarding.parcel import Away, Name, Parcel
from motorcade.apps.forwarding.senders.mqtt import Sender, Target, check
from motorcade.clock import SteerableClock
from motorcade.errors import Invalid
from motorcade.protocols.mqtt.framing import cut
from motorcade.protocols.mqtt.packets import (
    Ack,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Publish,
    read_packet,
    write_packet,
)

pytestmark = pytest.mark.engines

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
SUBSCRIBE = shutil.which("mosquitto_sub")


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[int]:
    """The port of a Mosquitto without passwords."""
    if MOSQUITTO is None or SUBSCRIBE is None:
        pytest.skip("needs Debian's packages mosquitto and mosquitto-clients")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = await asyncio.create_subprocess_exec(
        MOSQUITTO, "-c", str(config), stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await eventually(listens)
    yield port
    process.terminate()
    await process.wait()


@pytest.mark.parametrize("version", ["3.1.1", "5.0"])
async def test_from_the_log_to_a_real_broker(world: World, broker: int, version: str) -> None:
    await world.tenant("acme", 2)
    assert SUBSCRIBE is not None
    target = {
        "host": "127.0.0.1", "port": broker, "version": version, "topic": "cars/{vin}/{kind}",
        "retain": True,
    }  # fmt: skip
    forwarder = await world.forwarder("acme", "up", "mqtt", target)
    world.start()
    await world.ready(forwarder)
    for speed in (40.0, 50.5):
        await world.report("acme", [vin(1), vin(2)], {SPEED: [speed, speed + 1]})

    async def sent() -> bool:
        return (await world.state("acme", "up")).sent == 4

    await eventually(sent)
    listener = await asyncio.create_subprocess_exec(
        SUBSCRIBE, "-p", str(broker), "-t", "cars/#", "-v", "-C", "2", "-W", "10",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await listener.communicate()
    lines = [line.split(" ", 1) for line in out.decode().splitlines()]
    found = sorted((topic, json.loads(text)["signals"][SPEED]) for topic, text in lines)
    assert found == [(f"cars/{vin(1)}/report", 50.5), (f"cars/{vin(2)}/report", 51.5)]


class Broker:
    """A broker that answers as ``answer`` says."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.answer: Callable[[Packet], bytes] = answered
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        while data := await reader.read(65536):
            found = cut([rest + data])
            rest = found.remainder.get(0, b"")
            for row in range(len(found.frames)):
                packet = read_packet(found.frames.bytes_of(row), 5)
                self.packets.append(packet)
                writer.write(self.answer(packet))
        writer.close()


def answered(packet: Packet) -> bytes:
    if isinstance(packet, Connect):
        return write_packet(Connack(properties={"receive_maximum": 3}), 5)
    if isinstance(packet, Publish):
        return write_packet(Ack(4, packet.packet_id), 5)
    return write_packet(Ping(13), 5) if isinstance(packet, Ping) else b""


@pytest.fixture
async def odd() -> AsyncIterator[Broker]:
    broker = Broker()
    await broker.start()
    yield broker
    await broker.stop()


def load(world: World, count: int) -> Parcel:
    batch = world.batch("acme", [vin(1)] * count, {SPEED: [float(n) for n in range(count)]})
    return Parcel([batch], {world.vehicles[vin(1)]: Name(vin(1))})


async def test_a_broker_that_refuses(world: World, odd: Broker) -> None:
    await world.tenant("acme", 1)
    target = Target(host="127.0.0.1", port=odd.port, answer_timeout_s=0.3, username="u")
    sender = Sender(target, world.around("acme"))
    odd.answer = lambda packet: write_packet(Connack(0x87), 5)
    with pytest.raises(Away, match="reason 0x87"):
        await sender.idle()
    reasons = iter([0, 0x10, 0x87, 0x97, 0])

    def some(packet: Packet) -> bytes:
        if isinstance(packet, Publish):
            return write_packet(Ack(4, packet.packet_id, next(reasons)), 5)
        return answered(packet)

    odd.answer = some
    parcel = load(world, 5)
    with pytest.raises(Away, match="quota"):
        await sender.send(parcel)
    assert parcel.counts == (1, 3, 1, 0)
    odd.answer = answered
    await sender.send(parcel)
    assert parcel.counts == (0, 4, 1, 0)
    await sender.close()
    connect = odd.packets[0]
    assert isinstance(connect, Connect)
    assert (connect.client_id, connect.username) == ("motorcade-acme-test", "u")
    await eventually(lambda: isinstance(odd.packets[-1], Disconnect))


async def test_what_is_larger_than_the_broker_takes_holds_up_nothing(
    world: World, odd: Broker
) -> None:
    await world.tenant("acme", 1)

    def small(packet: Packet) -> bytes:
        if isinstance(packet, Connect):
            return write_packet(Connack(properties={"maximum_packet_size": 200}), 5)
        return answered(packet)

    odd.answer = small
    sender = Sender(Target(host="127.0.0.1", port=odd.port), world.around("acme"))
    path = "Vehicle.VehicleIdentification.Brand"
    batch = world.batch("acme", [vin(1)] * 3, {path: ["a", "b" * 300, "c"]})
    parcel = Parcel([batch], {world.vehicles[vin(1)]: Name(vin(1))})
    await sender.send(parcel)
    assert parcel.counts == (0, 2, 1, 0)
    assert parcel.reasons == ["larger than the broker's 200 bytes"]
    await sender.close()


async def test_a_broker_that_stalls_lies_or_leaves(world: World, odd: Broker) -> None:
    await world.tenant("acme", 1)
    target = Target(host="127.0.0.1", port=odd.port, answer_timeout_s=0.2)
    sender = Sender(target, world.around("acme"))
    parcel = load(world, 10)
    silent: Callable[[Packet], bytes] = lambda packet: (  # noqa: E731
        b"" if isinstance(packet, Publish) else answered(packet)
    )
    odd.answer = silent
    with pytest.raises(Away, match="no PUBACK"):
        await sender.send(parcel)
    assert len([packet for packet in odd.packets if isinstance(packet, Publish)]) == 3
    odd.answer = lambda packet: answered(packet) + write_packet(Ack(4, 60_000), 5)
    await sender.send(parcel)
    assert parcel.counts == (0, 10, 0, 0)
    for last, said in (
        (b"\x00\x00nonsense", "not MQTT"),
        (write_packet(Disconnect(0x8B), 5), "disconnected with reason 0x8B"),
    ):
        odd.answer = lambda packet, last=last: (  # type: ignore[misc]
            last if isinstance(packet, Publish) else answered(packet)
        )
        with pytest.raises(Away, match=said):
            await sender.send(load(world, 1))
    await sender.close()


async def test_a_quiet_connection_is_kept_alive(world: World, odd: Broker) -> None:
    await world.tenant("acme", 1)
    clock = SteerableClock()
    around = dataclasses.replace(world.around("acme"), clock=clock)
    sender = Sender(Target(host="127.0.0.1", port=odd.port), around)
    await sender.idle()
    clock.advance(31.0)
    await sender.idle()
    assert isinstance(odd.packets[-1], Ping)
    await sender.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": "cars/#"}, {"topic": "$SYS/x"}, {"topic": "x/{plate}"}, {"window": 0},
        {"keep_alive_s": 1}, {"client_id": "\n"}, {"port": 0}, {"answer_timeout_s": 0.0},
    ],
)  # fmt: skip
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    check(Target(host="broker.example.com"))
    with pytest.raises(Invalid, match="target: "):
        check(Target(**{"host": "broker.example.com", **wrong}))
