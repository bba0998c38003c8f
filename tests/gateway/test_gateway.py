"""A gateway as a whole: several on one port, hints between them, metrics, kill -9 at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from gateway.world import Car, World, eventually, frame, report
from motorcade.gateway.bridge.config import BridgeConfig
from motorcade.gateway.config import Config, ListenerConfig
from motorcade.gateway.gateway import LOGIN_SUBJECT, _at_home, connections_max
from motorcade.limits import GATEWAY_SPARE_DESCRIPTORS

pytestmark = pytest.mark.engines


def test_descriptors_are_left_over() -> None:
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert connections_max(10) == 10
    assert (
        connections_max(1 << 30)
        <= max(soft, resource.getrlimit(resource.RLIMIT_NOFILE)[0]) - GATEWAY_SPARE_DESCRIPTORS
    )


def test_a_protocol_without_an_address_listens_at_its_own_port() -> None:
    protocol = SimpleNamespace(DEFAULT_PORT=12_345)
    assert _at_home(ListenerConfig(), protocol).listen == "0.0.0.0:12345"  # type: ignore[arg-type]
    named = ListenerConfig(tls_listen="127.0.0.1:1")
    assert _at_home(named, protocol) is named  # type: ignore[arg-type]


async def test_gateways_share_a_port_and_a_vehicle_keeps_one_link(world: World) -> None:
    first = await world.gateway()
    host, port = first.addresses["gbt32960"][0]
    second = await world.gateway(rules={"listen": f"{host}:{port}"})
    vins = [world.table.add() for _ in range(24)]
    cars = [await world.car(first, vin) for vin in vins]
    # The kernel spreads connections over the processes that listen.
    assert first.connections + second.connections == 24
    assert first.connections > 0
    assert second.connections > 0
    again = [await world.car(first, vin) for vin in vins]
    for car in cars:
        assert await car.closed()
    await eventually(lambda: first.connections + second.connections == 24)
    for car, vin in zip(again, vins, strict=True):
        car.send(report(vin))
        assert (await car.receive())[3] == 1


async def test_a_late_or_broken_hint_changes_nothing(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway, vin)
    number = world.table.known[vin].vehicle
    for hint in (["other", 1, [number]], [gateway.name, 1 << 60, [number]], "nonsense"):
        await world.log.publish(LOGIN_SUBJECT, msgspec.msgpack.encode(hint))
    car.send(frame(7, vin, b""))
    assert (await car.receive())[3] == 1
    await world.log.publish(LOGIN_SUBJECT, msgspec.msgpack.encode(["other", 1 << 60, [number]]))
    assert await car.closed()


async def test_metrics_tell_what_happened(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway, vin)
    car.send(report(vin))
    await car.receive()
    text = gateway.metrics_text()
    assert "motorcade_gateway_frames_total 2.0" in text
    assert "motorcade_gateway_records_total 2.0" in text
    assert "motorcade_gateway_sessions 1.0" in text
    assert 'motorcade_gateway_acknowledge_seconds_bucket{le="+Inf"} 1.0' in text


async def test_a_flood_of_every_kind_leaves_the_well_behaved_served(world: World) -> None:
    gateway = await world.gateway(
        pending_bytes_max=1 << 20, partial_bytes_max=1 << 20, rules={"frame_timeout_s": 1.0}
    )
    vin = world.table.add()
    good = await world.car(gateway, vin)
    liar = b"##\x02\xfe" + vin.encode() + b"\x01\xff\xfb" + bytes(40_000)
    floods = [b"\x00" * 65_536, b"##" * 32_768, b"$#" * 30_000, liar, report(vin)[:-1] * 300]

    over = asyncio.Event()

    async def attack(flood: bytes) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                car = await Car.open(gateway.addresses["gbt32960"][0])
                for _ in range(8):
                    car.send(flood)
                    await asyncio.wait_for(car.writer.drain(), 5)
                await car.close()

    attackers = [asyncio.create_task(attack(flood)) for flood in floods]
    try:
        for _ in range(20):
            good.send(report(vin))
            assert (await good.receive(20))[3] == 1
            assert gateway._shared.budget.pending < 4 << 20
    finally:
        over.set()
        await asyncio.wait(attackers, timeout=20)
    await eventually(lambda: gateway.connections == 1, 20)
    await eventually(lambda: gateway._shared.budget.pending == 0)
    assert gateway._listeners[0].table.kept_bytes == 0


@asynccontextmanager
async def process(
    world: World, listen: str
) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """A gateway in a process of its own; killed at the end."""
    engine = world.nats.engine
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("serve.py")),
        *(str(engine.url_file), str(engine.directory), listen),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        yield int(await asyncio.wait_for(child.stdout.readline(), 30)), child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def test_what_was_acknowledged_before_kill_9_is_in_the_log(world: World) -> None:
    vins = [f"LMTCAR0000{number:07d}" for number in range(7001, 7021)]
    acknowledged: dict[str, int] = dict.fromkeys(vins, 0)

    async def drive(port: int, vin: str) -> None:
        car = await Car.open(("127.0.0.1", port))
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await car.login(vin)
            while True:
                car.send(report(vin), report(vin))
                for _ in range(2):
                    acknowledged[vin] += (await car.receive())[3] == 1
        await car.close()

    for _ in range(2):
        before = sum(acknowledged.values())
        async with process(world, "127.0.0.1:0") as (port, child):
            drivers = [asyncio.create_task(drive(port, vin)) for vin in vins]
            await eventually(lambda: sum(acknowledged.values()) > before + 400, 30)  # noqa: B023
            child.kill()
            await asyncio.gather(*drivers)
    rows = await world.rows()
    for vin in vins:
        stored = sum(row["vehicle"] == int(vin[10:]) for row in rows)
        assert stored >= acknowledged[vin]
    keys = [(row["vehicle"], row["event_time"], row["record"]) for row in rows]
    assert len(keys) == len(set(keys))


async def test_the_log_away_and_back_under_load(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway, vin)
    world.nats.kill()
    try:
        car.send(report(vin))
        assert await car.silent(1.0)
    finally:
        await world.nats.start()
    assert (await car.receive(30))[3] == 1
    assert len(await world.rows()) == 1


def test_the_configuration_names_every_protocols_listener() -> None:
    config = Config(protocols={"other": ListenerConfig(listen="127.0.0.1:1")})
    assert list(config.listeners()) == ["gbt32960", "jt808", "mqtt", "other"]


async def test_bridges_of_the_configuration_are_started_and_stopped(world: World) -> None:
    bridge = BridgeConfig(url="mqtt://127.0.0.1:1")
    gateway = await world.gateway(bridges={"none": bridge})
    assert "motorcade_gateway_bridges_connected 0.0" in gateway.metrics_text()
    await gateway.drain_and_stop()
