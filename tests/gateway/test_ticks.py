"""Reports become rows, then answers; what cannot be stored is not answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.world import World, eventually, login, report
from motorcade.errors import CapacityError, DependencyError
from motorcade.gateway.ticks import Ticks
from motorcade.log.log import Log
from motorcade.signals.batch import SignalBatch

pytestmark = pytest.mark.engines
assert Ticks


class Gate:
    """A real log whose appends can be held back or refused."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None
        self.refused_partition: int | None = None
        self.begun = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, partition: int, batches: Sequence[SignalBatch]) -> int:
        self.begun += 1
        await self.open.wait()
        if self.error is not None and self.refused_partition in (None, partition):
            raise self.error
        return await self._log.append(partition, batches)


async def test_a_report_is_answered_once_it_is_in_the_log(world: World) -> None:
    gate = Gate(world.log)
    gateway = await world.gateway(gate)
    vin = world.table.add(tenant=3)
    car = await world.car(gateway, vin)
    gate.open.clear()
    sent = report(vin)
    car.send(sent)
    assert await car.silent()
    assert await world.rows() == []
    gate.open.set()
    answer = await car.receive()
    # A terminal's link: the whole frame comes back, with flag and time changed.
    assert answer[2:4] == b"\x02\x01"
    assert len(answer) == len(sent)
    assert answer[30:-1] == sent[30:-1]
    (row,) = await world.rows()
    assert (row["tenant"], row["vehicle"]) == (3, world.table.known[vin].vehicle)
    assert row["Vehicle.CurrentLocation.Longitude"] == pytest.approx(121.0)


async def test_many_peers_many_frames_each_answered_in_order(world: World) -> None:
    gateway = await world.gateway()
    vins = [world.table.add(tenant=1 + number % 5) for number in range(40)]
    cars = [await world.car(gateway, vin) for vin in vins]
    sent = {vin: [report(vin) for _ in range(20)] for vin in vins}
    for half in (slice(0, 10), slice(10, 20)):
        for car, vin in zip(cars, vins, strict=True):
            car.send(*sent[vin][half])
    for car, vin in zip(cars, vins, strict=True):
        answers = [await car.receive() for _ in range(20)]
        assert all(answer[3] == 1 for answer in answers)
        assert len(answers) == len(sent[vin])
    rows = await world.rows()
    assert len(rows) == 800
    known = {world.table.known[vin].vehicle: world.table.known[vin].tenant for vin in vins}
    assert all(known[row["vehicle"]] == row["tenant"] for row in rows)
    for vehicle in known:
        times = [row["event_time"] for row in rows if row["vehicle"] == vehicle]
        assert times == sorted(times)


async def test_frames_cut_anywhere_are_joined_again(world: World) -> None:
    gateway = await world.gateway(linger_ms=1)
    vin = world.table.add()
    car = await world.car(gateway, vin)
    stream = b"".join(report(vin) for _ in range(5))
    for at in range(0, len(stream), 7):
        car.send(stream[at : at + 7])
        await car.writer.drain()
        await asyncio.sleep(0.002)
    for _ in range(5):
        assert (await car.receive())[3] == 1
    assert len(await world.rows()) == 5


@pytest.mark.parametrize("error", [DependencyError("away"), CapacityError("full"), KeyError("bug")])
async def test_what_the_log_refuses_is_not_answered_and_the_link_stays(
    world: World, error: Exception
) -> None:
    gate = Gate(world.log)
    gateway = await world.gateway(gate)
    vin = world.table.add()
    car = await world.car(gateway, vin)
    gate.error = error
    lost = report(vin)
    car.send(lost)
    assert await car.silent()
    gate.error = None
    car.send(lost)
    assert (await car.receive())[2:4] == b"\x02\x01"
    assert sum(gateway.metrics.unstored.values()) == 1
    assert gateway.metrics_text().count("motorcade_gateway_unstored_frames_total{") == 1


async def test_a_partition_that_fails_costs_only_its_own_vehicles(world: World) -> None:
    gate = Gate(world.log)
    gateway = await world.gateway(gate)
    even = world.table.add(vehicle=5000)
    odd = world.table.add(vehicle=5001)
    cars = [await world.car(gateway, even), await world.car(gateway, odd)]
    gate.error, gate.refused_partition = DependencyError("away"), 1
    for car, vin in zip(cars, (even, odd), strict=True):
        car.send(report(vin))
    assert (await cars[0].receive())[3] == 1
    assert await cars[1].silent()


async def test_ticks_in_flight_are_bounded_and_answers_keep_their_order(world: World) -> None:
    gate = Gate(world.log)
    gateway = await world.gateway(gate, ticks_in_flight_max=2, linger_ms=1)
    vin = world.table.add()
    car = await world.car(gateway, vin)
    gate.open.clear()
    begun = gate.begun
    for _ in range(10):
        car.send(report(vin), b"")
        await car.writer.drain()
        await asyncio.sleep(0.01)
    assert gate.begun - begun <= 2
    gate.open.set()
    answers = [await car.receive() for _ in range(10)]
    assert [answer[2:4] for answer in answers] == [b"\x02\x01"] * 10


async def test_a_peer_that_left_before_its_answer_harms_nobody(world: World) -> None:
    gate = Gate(world.log)
    gateway = await world.gateway(gate)
    gone, stays = world.table.add(), world.table.add()
    car, other = await world.car(gateway, gone), await world.car(gateway, stays)
    gate.open.clear()
    car.send(report(gone))
    other.send(report(stays))
    await eventually(lambda: gateway.metrics.frames == 4)
    car.writer.transport.abort()
    await eventually(lambda: gateway.connections == 1)
    gate.open.set()
    assert (await other.receive())[3] == 1
    assert len(await world.rows()) == 2


async def test_every_answer_of_a_drain_is_sent_before_the_doors_shut(world: World) -> None:
    gateway = await world.gateway(linger_ms=100)
    vin = world.table.add()
    car = await world.car(gateway, vin)
    car.send(report(vin))
    await car.writer.drain()
    await asyncio.sleep(0.02)
    stopped = asyncio.ensure_future(gateway.drain_and_stop())
    assert (await car.receive())[3] == 1
    assert await car.closed()
    await stopped


async def test_a_login_and_its_reports_survive_a_log_that_was_away(world: World) -> None:
    gate = Gate(world.log)
    gateway = await world.gateway(gate)
    vin = world.table.add()
    car = await world.car(gateway)
    gate.error = DependencyError("away")
    car.send(login(vin), report(vin))
    assert await car.silent()
    assert gateway.sessions == 0
    gate.error = None
    await car.login(vin)
