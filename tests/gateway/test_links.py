"""Links told to the events log: their beginning, their end, what happens while the log is away."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from gateway.world import World, eventually, frame, login, logout
from motorcade.gateway.links import ALIVE_SUBJECT, LOST_SUBJECT, Links
from motorcade.log.downlink import Downlink, down_subject, pack_downlinks, read_downlinked
from motorcade.log.events import (
    CommandAnswered,
    Event,
    GatewayLost,
    GatewayUp,
    LinkDown,
    LinkUp,
)
from motorcade.protocols.commands import Command

pytestmark = pytest.mark.engines
assert Links


async def told(world: World, kind: type[Any], vin: str = "") -> list[Any]:
    """Events of a kind in the whole log, of one car where it is named."""
    found: list[Event] = []
    for partition in range(world.log.partitions):
        last = await world.log.last_event(partition)
        if last:
            async with world.log.follow(partition, 0) as records:
                async for record in records:
                    found += record.events
                    if record.sequence >= last:
                        break
    some = [event for event in found if isinstance(event, kind)]
    if vin:
        number = world.table.known[vin].vehicle
        some = [event for event in some if event.vehicle == number]
    return some


async def test_a_login_is_a_link_and_a_lost_connection_its_end(world: World) -> None:
    gateway = await world.gateway(rules={"bearer": "lte"})
    vin = world.table.add()
    car = await world.car(gateway, vin)
    await eventually(lambda: gateway.links.waiting == 0)
    (up,) = await told(world, LinkUp, vin)
    assert (up.protocol, up.bearer, up.identity) == ("gbt32960", "lte", vin)
    assert up.incarnation == gateway.links.incarnation
    assert up.link.startswith(f"{up.incarnation}/gbt32960/")
    assert up.address.startswith("127.0.0.1:")
    assert [one for one in await told(world, GatewayUp) if one.incarnation == up.incarnation]
    await car.close()
    await eventually(lambda: gateway.connections == 0)
    await eventually(lambda: gateway.links.waiting == 0)
    (down,) = await told(world, LinkDown, vin)
    assert (down.link, down.reason) == (up.link, "lost")


async def test_a_logout_ends_the_link_once(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway, vin)
    car.send(logout(vin))
    await car.receive()
    await car.close()
    await eventually(lambda: gateway.connections == 0)
    await eventually(lambda: gateway.links.waiting == 0)
    assert [one.reason for one in await told(world, LinkDown, vin)] == ["logout"]


async def test_a_new_connection_replaces_the_old_ones_link(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    first = await world.car(gateway, vin)
    await world.car(gateway, vin)
    assert await first.closed()
    await eventually(lambda: gateway.links.waiting == 0)
    ups = await told(world, LinkUp, vin)
    downs = await told(world, LinkDown, vin)
    assert len({one.link for one in ups}) == 2
    assert [(one.link, one.reason) for one in downs] == [(ups[0].link, "replaced")]


async def test_links_over_different_bearers_live_side_by_side(world: World) -> None:
    lte = await world.gateway(rules={"bearer": "lte"})
    nr = await world.gateway(rules={"bearer": "nr"})
    vin = world.table.add()
    await world.car(lte, vin)
    await world.car(nr, vin)
    await asyncio.sleep(0.1)
    assert lte.sessions == nr.sessions == 1
    again = await world.car(nr, vin)
    await eventually(lambda: nr.connections == 1)
    assert lte.sessions == 1
    await again.close()


class Away:
    """A log whose events cannot be posted for a while."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.away = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def post(self, partition: int, events: Any) -> int:
        from motorcade.errors import DependencyError

        if self.away:
            raise DependencyError("away")
        return int(await self._log.post(partition, events))


async def test_what_the_log_does_not_take_waits_and_keeps_its_order(world: World) -> None:
    log = Away(world.log)
    gateway = await world.gateway(log=log)
    vin = world.table.add()
    log.away = True
    car = await world.car(gateway, vin)
    await car.close()
    await eventually(lambda: gateway.connections == 0)
    assert gateway.links.waiting
    log.away = False
    await eventually(lambda: gateway.links.waiting == 0)
    (up,) = await told(world, LinkUp, vin)
    (down,) = await told(world, LinkDown, vin)
    assert up.link == down.link


async def test_when_too_much_waited_it_starts_over_from_what_is_true(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motorcade.gateway.links.GATEWAY_EVENTS_WAITING_MAX", 4)
    log = Away(world.log)
    gateway = await world.gateway(log=log)
    await eventually(lambda: gateway.links.waiting == 0)
    log.away = True
    vins = [world.table.add() for _ in range(6)]
    for vin in vins:
        await world.car(gateway, vin)
    log.away = False  # there are more links than may wait: still they are named once, and all
    for vin in vins:
        await eventually(lambda vin=vin: told(world, LinkUp, vin))
    await eventually(lambda: gateway.links.waiting == 0)
    mine = gateway.links.incarnation
    lost = [one for one in await told(world, GatewayLost) if one.incarnation == mine]
    assert len(lost) == world.log.partitions


async def test_who_was_given_up_names_its_links_again(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    await world.car(gateway, vin)
    await eventually(lambda: told(world, LinkUp, vin))
    await world.log.publish(LOST_SUBJECT, msgspec.msgpack.encode([gateway.links.incarnation]))
    await world.log.publish(LOST_SUBJECT, b"nonsense")

    async def again() -> bool:
        return len(await told(world, LinkUp, vin)) == 2

    await eventually(again)
    first, second = await told(world, LinkUp, vin)
    assert first.link == second.link


async def test_a_process_says_that_it_is_there(world: World) -> None:
    heard: list[list[Any]] = []

    async def hear(_: str, payload: bytes) -> None:
        heard.append(msgspec.msgpack.decode(payload))

    subscription = await world.log.subscribe(ALIVE_SUBJECT, hear)
    gateway = await world.gateway()
    mine = [gateway.name, gateway.links.incarnation]
    await eventually(lambda: [one for one in heard if one[:2] == mine])
    await subscription.close()


async def test_a_stopping_gateway_ends_its_links(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway)
    car.send(login(vin))
    await car.receive()
    await gateway.drain_and_stop()
    assert [one.reason for one in await told(world, LinkDown, vin)] == ["stopped"]


@pytest.mark.parametrize("start", [b"##", b"$$"])
async def test_a_command_goes_down_in_the_links_edition(world: World, start: bytes) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway)
    car.send(login(vin, start))
    await car.receive()
    (up,) = await eventually(lambda: told(world, LinkUp, vin))
    number = world.table.known[vin].vehicle
    said = Command(
        id="0" * 32, number=1, kind="report_interval", parameters={"interval_s": 10}, time_us=1
    )
    asked = pack_downlinks([Downlink(link=up.link, vehicle=number, command=said)])
    answer = await world.log.request(down_subject(gateway.links.incarnation), asked)
    (result,) = read_downlinked(answer)
    assert result.sent, result
    sent = await car.receive()
    assert sent[:3] == start + b"\x81"
    car.send(frame(0x81, vin, sent[24:-1], start=start, flag=1))
    (answered,) = await eventually(lambda: told(world, CommandAnswered, vin))
    assert (answered.key, answered.outcome) == (result.key, "succeeded")
