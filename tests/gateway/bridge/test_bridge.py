"""Bridges at a real Mosquitto: nothing lost, whoever dies; nobody's faulty message stops the
others."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.bridge.broker import BINARY, Broker, publish_all
from gateway.certificates import Authority
from gateway.world import World, eventually, report
from motorcade.errors import DependencyError, Invalid
from motorcade.gateway.bridge.bridge import Bridge
from motorcade.gateway.bridge.config import BridgeConfig
from motorcade.gateway.gateway import Gateway
from motorcade.protocols.mqtt.packets import Publish, write_packet
from motorcade.protocols.mqtt.words import V3, V5
from motorcade.signals.batch import SignalBatch

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(
        BINARY is None, reason="mosquitto is not installed (Debian package mosquitto)"
    ),
]

NOW_S = 1_772_366_400
TESTS = Path(__file__).parents[2]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with Broker(tmp_path) as started:
        yield started


class Fleet:
    """Some cars of the world, and bridges that listen to them."""

    def __init__(self, world: World, broker: Broker) -> None:
        self.world = world
        self.broker = broker
        self.bridges: list[Bridge] = []
        self.vehicles = list(range(5_000, 5_020))
        self.vins = []
        for vehicle in self.vehicles:
            vin = world.table.add(vehicle=vehicle)
            world.table.name("vin", vin, vin)
            self.vins.append(vin)

    async def gateway(self, log: Any = None) -> Gateway:
        return await self.world.gateway(log)

    async def bridge(self, gateway: Gateway | None = None, **settings: Any) -> Bridge:
        gateway = gateway or await self.gateway()
        config = BridgeConfig(**{"url": self.broker.url, "backoff_max_s": 0.5, **settings})
        bridge = Bridge("test", config, gateway._shared)
        bridge.start()
        self.bridges.append(bridge)
        return bridge

    def messages(self, count: int, start: int = 0) -> list[tuple[str, bytes]]:
        return [
            (
                f"v/{self.vins[number % len(self.vins)]}/up/json",
                json.dumps({"ts": NOW_S + number, "Vehicle.Speed": number % 200}).encode(),
            )
            for number in range(start, start + count)
        ]

    async def times(self) -> list[int]:
        """Seconds after ``NOW_S`` of every stored row, each record once."""
        rows = {
            (row["vehicle"], row["event_time"], row["record"]) for row in await self.world.rows()
        }
        return sorted(round(time.timestamp()) - NOW_S for _, time, _ in rows)

    async def close(self) -> None:
        for bridge in self.bridges:
            await bridge.stop()


@pytest.fixture
async def fleet(world: World, broker: Broker) -> AsyncIterator[Fleet]:
    made = Fleet(world, broker)
    yield made
    await made.close()


async def connected(*bridges: Bridge) -> None:
    await eventually(lambda: all(bridge.connected for bridge in bridges))


@pytest.mark.parametrize("version", ["5", "3.1.1", "auto"])
async def test_what_a_broker_has_is_stored(fleet: Fleet, version: Any) -> None:
    bridge = await fleet.bridge(version=version)
    await connected(bridge)
    await publish_all(fleet.broker, fleet.messages(300))
    await eventually(lambda: bridge.intake.stored == 300)
    assert await fleet.times() == list(range(300))
    assert bridge.intake.refused == 0


async def test_topics_are_the_operators(fleet: Fleet) -> None:
    bridge = await fleet.bridge(
        topics=("fleet/+/{vin}/telemetry", "raw/{vin}/{channel}"), group="", channel="json"
    )
    await connected(bridge)
    vin = fleet.vins[0]
    body = json.dumps({"ts": NOW_S, "Vehicle.Speed": 5}).encode()
    framed = report(vin)
    await publish_all(
        fleet.broker, [(f"fleet/east/{vin}/telemetry", body), (f"raw/{vin}/gbt32960", framed)]
    )
    await eventually(lambda: bridge.intake.stored == 2)
    rows = await fleet.world.rows()
    assert len(rows) == 2
    assert {row["vehicle"] for row in rows} == {fleet.vehicles[0]}
    assert bridge.intake.refused == 0


async def test_bad_messages_are_kept_and_stop_nobody(fleet: Fleet) -> None:
    bridge = await fleet.bridge(version="3.1.1")
    await connected(bridge)
    gateway_rejects = bridge._shared.metrics.rejects
    vin = fleet.vins[0]
    good = fleet.messages(3)
    bad = [
        ("v/LMCNOBODY00000001/up/json", b"{}"),
        (f"v/{vin}/up/json", b"no reading"),
        (f"v/{vin}/up/gbt32960", b"##"),
        (f"v/{vin}/up/json", b"[" + b" " * (1 << 20) + b"]"),
        (f"v/{vin}/up/a b", b"{}"),
        (f"v/{vin}/up/json", b'{"ts":1,"Vehicle.Speed":1}'),
    ]
    await publish_all(fleet.broker, [good[0], *bad[:3], good[1], *bad[3:], good[2]])
    await eventually(lambda: bridge.intake.received == 9)
    await eventually(lambda: bridge.intake.refused == 6)
    assert await fleet.times() == [0, 1, 2]
    assert {code: gateway_rejects[code] for code in sorted(gateway_rejects)} == {
        "incomplete": 1,
        "payload": 1,
        "time": 1,
        "too_large": 1,
        "topic": 1,
        "unknown_vin": 1,
    }
    await bridge.stop()
    again = await fleet.bridge(version="3.1.1", client_id=bridge._client_id)
    await connected(again)
    await publish_all(fleet.broker, fleet.messages(1, 3))
    await eventually(lambda: again.intake.received >= 1)
    assert again.intake.refused == 0


async def test_a_broker_that_restarts_loses_nothing(fleet: Fleet) -> None:
    # Not shared: Mosquitto 2.0.11 forgets shared subscriptions when it restarts.
    bridge = await fleet.bridge(group="")
    await connected(bridge)
    publishing = asyncio.create_task(publish_all(fleet.broker, fleet.messages(2_000)))
    await eventually(lambda: bridge.intake.stored > 100)
    fleet.broker.stop()
    await eventually(lambda: not bridge.connected)
    await fleet.broker.start()
    async with asyncio.timeout(40):
        await publishing
    await eventually(lambda: bridge.intake.stored >= 2_000, 30)
    assert await fleet.times() == list(range(2_000))
    assert bridge.reconnects >= 1


async def test_two_bridges_share_the_load(fleet: Fleet) -> None:
    bridges = [await fleet.bridge(), await fleet.bridge()]
    await connected(*bridges)
    await publish_all(fleet.broker, fleet.messages(400))
    await eventually(lambda: sum(bridge.intake.stored for bridge in bridges) == 400)
    assert min(bridge.intake.stored for bridge in bridges) > 50
    assert await fleet.times() == list(range(400))


async def test_a_bridge_that_leaves_hands_its_share_over(fleet: Fleet) -> None:
    leaving, staying = await fleet.bridge(leave_on_stop=True), await fleet.bridge()
    await connected(leaving, staying)
    await publish_all(fleet.broker, fleet.messages(200))
    await leaving.stop()
    await publish_all(fleet.broker, fleet.messages(200, 200))
    await eventually(lambda: leaving.intake.stored + staying.intake.stored == 400)
    assert staying.intake.stored > 250
    assert await fleet.times() == list(range(400))


async def _killed(fleet: Fleet, after: int, settings: dict[str, Any]) -> None:
    """Run a bridge in a process of its own that dies once it has stored some."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(TESTS / "gateway" / "bridge" / "killed_bridge.py"),
        stdin=subprocess.PIPE,
        env={"PYTHONPATH": str(TESTS)},
    )
    told = {
        "log": msgspec.to_builtins(fleet.world.nats.config()),
        "vehicles": fleet.vehicles,
        "bridge": settings,
        "after": after,
    }
    try:
        async with asyncio.timeout(30):
            await process.communicate(json.dumps(told).encode() + b"\n")
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == -signal.SIGKILL


async def test_a_killed_bridge_loses_nothing(fleet: Fleet) -> None:
    settings = {"url": fleet.broker.url, "client_id": "the-one"}
    # Subscribed before anything is published: a broker keeps nothing for whom it does not know.
    first = await fleet.bridge(client_id="the-one")
    await connected(first)
    await first.stop()
    await publish_all(fleet.broker, fleet.messages(1_500))
    await _killed(fleet, 200, settings)
    heir = await fleet.bridge(client_id="the-one")
    await connected(heir)
    await eventually(lambda: _all(fleet, 1_500), 20)
    assert heir.intake.received > 0


async def _all(fleet: Fleet, count: int) -> bool:
    return await fleet.times() == list(range(count))


async def test_a_broker_that_speaks_only_the_older_version(world: World) -> None:
    levels: list[int] = []
    acknowledged = asyncio.Event()
    vin = world.table.add()
    world.table.name("vin", vin, vin)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(2)
        levels.append((await reader.readexactly(head[1]))[6])
        if levels[-1] == V5:
            writer.write(b"\x20\x02\x00\x01")
        else:
            writer.write(b"\x20\x02\x00\x00")
            head = await reader.readexactly(2)
            await reader.readexactly(head[1])
            payload = json.dumps({"ts": NOW_S, "Vehicle.Speed": 5}).encode()
            packet = Publish(topic=f"v/{vin}/up/json", payload=payload, qos=1, packet_id=77)
            writer.write(b"\x90\x03\x00\x01\x01" + write_packet(packet, V3))
            assert await reader.readexactly(4) == b"\x40\x02\x00\x4d"
            acknowledged.set()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gateway = await world.gateway()
    bridge = Bridge("test", BridgeConfig(url=f"mqtt://127.0.0.1:{port}"), gateway._shared)
    bridge.start()
    async with asyncio.timeout(10):
        await acknowledged.wait()
    await bridge.stop()
    server.close()
    await server.wait_closed()
    assert levels == [V5, V3]
    assert [row["Vehicle.Speed"] for row in await world.rows()] == [5]


class Sulking:
    """A log that takes nothing for a while."""

    def __init__(self, log: Any, refusals: int) -> None:
        self._log = log
        self.left = refusals
        self.appended = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, partition: int, batches: Sequence[SignalBatch]) -> int:
        if self.left:
            self.left -= 1
            raise DependencyError("not now")
        self.appended += sum(map(len, batches))
        return int(await self._log.append(partition, batches))


async def test_nothing_is_acknowledged_while_the_log_is_away(fleet: Fleet) -> None:
    log = Sulking(fleet.world.log, 1_000_000)
    bridge = await fleet.bridge(await fleet.gateway(log), client_id="sulking")
    await connected(bridge)
    await publish_all(fleet.broker, fleet.messages(50))
    await eventually(lambda: log.left < 1_000_000 - 4)
    assert bridge.intake.stored == 0
    log.left = 0
    await eventually(lambda: bridge.intake.stored == 50)
    assert await fleet.times() == list(range(50))


async def test_a_registry_that_is_away_is_waited_for(fleet: Fleet) -> None:
    bridge = await fleet.bridge()
    await connected(bridge)
    fleet.world.table.away = True
    await publish_all(fleet.broker, fleet.messages(20))
    await eventually(lambda: fleet.world.table.asked)
    assert bridge.intake.stored == 0
    fleet.world.table.away = False
    await eventually(lambda: bridge.intake.stored == 20)


async def test_a_broker_over_tls_that_wants_to_know_who(world: World, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client = authority.issue("127.0.0.1"), authority.issue("bridge")
    settings = [
        f"cafile {authority.file}",
        f"certfile {server.certificate}",
        f"keyfile {server.key}",
        "require_certificate true",
    ]
    async with Broker(tmp_path, settings, "mqtts") as broker:
        fleet = Fleet(world, broker)
        bare = await fleet.bridge(tls_ca=str(authority.file), client_id="bare")
        good = await fleet.bridge(
            tls_ca=str(authority.file),
            tls_certificate=str(client.certificate),
            tls_key=str(client.key),
        )
        await connected(good)
        assert not bare.connected
        await fleet.close()


async def test_a_broker_that_refuses_is_tried_again(world: World, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    async with Broker(tmp_path, ["allow_anonymous false", f"password_file {passwords}"]) as broker:
        fleet = Fleet(world, broker)
        bridge = await fleet.bridge(username="nobody", password="wrong", backoff_max_s=0.05)
        await eventually(lambda: bridge.reconnects > 2)
        assert not bridge.connected
        await fleet.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://127.0.0.1"},
        {"url": "mqtt://"},
        {"url": "mqtt://a:b@127.0.0.1"},
        {"url": "mqtt://127.0.0.1:99999"},
        {"url": "mqtt://127.0.0.1", "topics": ()},
        {"url": "mqtt://127.0.0.1", "topics": ("no/vin",)},
    ],
)
async def test_wrong_settings_are_said_at_once(world: World, settings: Any) -> None:
    gateway = await world.gateway()
    with pytest.raises(Invalid):
        Bridge("test", BridgeConfig(**settings), gateway._shared)
