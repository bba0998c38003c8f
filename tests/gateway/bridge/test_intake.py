"""Batches of a broker's publishes into the log, without a broker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.world import World
from motorcade.gateway.bridge.config import BridgeConfig
from motorcade.gateway.bridge.filters import templates_of
from motorcade.gateway.bridge.intake import Intake
from motorcade.protocols import mqtt
from motorcade.protocols.mqtt.packets import Publish

pytestmark = pytest.mark.engines

NOW_S = 1_772_366_400


def message(topic: str, value: int) -> Publish:
    payload = json.dumps({"ts": NOW_S + value, "Vehicle.Speed": value}).encode()
    return Publish(topic=topic, payload=payload, qos=1, packet_id=1 + value)


@pytest.fixture
async def intake(world: World) -> Intake:
    gateway = await world.gateway()
    config = BridgeConfig(url="mqtt://unused", topics=("a/{vin}", "b/{channel}/{vin}"))
    return Intake("test", config, templates_of(config.topics), gateway._shared)


async def test_a_batch_is_stored_in_its_order(world: World, intake: Intake) -> None:
    vin = world.table.add()
    world.table.name("vin", vin, vin)
    topics = (f"a/{vin}", f"b/telemetry/{vin}", "a/LMCNOBODY00000001", "c/d", f"a/{vin}")
    await intake.take([message(topic, value) for value, topic in enumerate(topics)])
    rows = await world.rows()
    assert [row["Vehicle.Speed"] for row in rows] == [0, 1, 4]
    assert (intake.received, intake.stored, intake.refused) == (5, 3, 2)
    await intake.take([])


async def test_vehicles_are_asked_about_once(world: World, intake: Intake) -> None:
    vin = world.table.add()
    world.table.name("vin", vin, vin)
    for value in range(3):
        await intake.take([message(f"a/{vin}", value), message("a/LMCNOBODY00000001", value)])
    assert len(world.table.asked) == 1
    assert intake.refused == 3


async def test_a_topic_names_a_vehicle_by_its_vin_and_nothing_else(
    world: World, intake: Intake
) -> None:
    vin, name = world.table.add(), b"imei:300234010753370"
    shared = intake._shared
    shared.vehicles.learn([name], {name.decode(): world.table.known[vin]}, 0.0)
    remembered = shared.vehicles.get(name, 0.0)
    await intake.take([message(f"a/{name.decode()}", 1), message("a/device:0123456789ab", 1)])
    assert await world.rows() == []
    assert (intake.refused, world.table.asked) == (2, [])
    assert shared.vehicles.get(name, 0.0) == remembered


async def test_a_fault_of_ours_costs_the_message_that_sets_it_off(
    world: World, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    vin = world.table.add()
    world.table.name("vin", vin, vin)
    decode = mqtt.decode

    def stumbling(frames: Any, *given: Any) -> Any:
        if any(b"666" in frames.bytes_of(row) for row in range(len(frames))):
            raise RuntimeError("a bug")
        return decode(frames, *given)

    monkeypatch.setattr(mqtt, "decode", stumbling)
    await intake.take([message(f"a/{vin}", value) for value in (0, 1, 666, 3)])
    assert [row["Vehicle.Speed"] for row in await world.rows()] == [0, 1, 3]
    assert intake.refused == 1


async def test_a_broker_of_one_tenant_speaks_for_no_others_cars(world: World) -> None:
    own, foreign = world.table.add(tenant=1), world.table.add(tenant=2)
    for vin in (own, foreign):
        world.table.name("vin", vin, vin)
    gateway = await world.gateway()
    config = BridgeConfig(url="mqtt://unused", topics=("a/{vin}",), tenant="one")
    intake = Intake("test", config, templates_of(config.topics), gateway._shared)
    await intake.take([message(f"a/{own}", 1), message(f"a/{foreign}", 2)])
    assert [row["tenant"] for row in await world.rows()] == [1]
    assert (intake.stored, intake.refused) == (1, 1)
