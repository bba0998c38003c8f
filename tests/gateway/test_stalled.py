"""Frames that were begun and never finished, and the good ones behind them."""

from __future__ import annotations

import pytest

from gateway.world import World, report
from motorcade.gateway.stalled import give_up

pytestmark = pytest.mark.engines
assert give_up


async def test_frames_behind_one_with_a_broken_length_are_read_in_time(world: World) -> None:
    gateway = await world.gateway(rules={"frame_timeout_s": 0.3})
    vin = world.table.add()
    car = await world.car(gateway, vin)
    broken = bytearray(report(vin))
    broken[22] = 0xF0
    good = [report(vin) for _ in range(3)]
    car.send(bytes(broken), *good[:2], good[2][:30])
    assert [(await car.receive())[2:4] for _ in range(2)] == [b"\x02\x01"] * 2
    # The one that was begun behind them is waited for in its turn.
    car.send(good[2][30:])
    assert (await car.receive())[2:4] == b"\x02\x01"
    assert gateway.metrics.rejects["unfinished"] == 1
    assert gateway.metrics.closed["frame_timeout"] == 0
    assert len(await world.rows()) == 3
    table = gateway._listeners[0].table
    assert table.kept_bytes == gateway._shared.budget.pending == 0


async def test_stalled_frames_of_many_are_given_up_by_themselves(world: World) -> None:
    gateway = await world.gateway(rules={"frame_timeout_s": 0.3})
    vins = [world.table.add() for _ in range(10)]
    cars = [await world.car(gateway, vin) for vin in vins]
    for number, (car, vin) in enumerate(zip(cars, vins, strict=True)):
        broken = bytearray(report(vin))
        broken[22] = 0xF0
        car.send(bytes(broken), *([report(vin)] if number % 2 else []))
    for car in cars[1::2]:
        assert (await car.receive())[2:4] == b"\x02\x01"
    for car in cars[::2]:
        assert await car.closed()
    assert gateway.connections == 5
    assert gateway.metrics.closed["frame_timeout"] == 5
