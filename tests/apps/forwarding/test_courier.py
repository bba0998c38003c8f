"""The courier: how long it waits after failures, and what it counts."""

from __future__ import annotations

import asyncio

import pytest

from apps.forwarding.world import SPEED, World, eventually, vin
from motorcade.apps.forwarding.courier import Courier
from motorcade.apps.forwarding.parcel import Away, Name, Parcel
from motorcade.apps.forwarding.senders import webhook
from motorcade.apps.forwarding.store import State
from motorcade.log.spools import Put

pytestmark = pytest.mark.engines


class Odd:
    """A sender that fails as it is told, then sends all."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.closed = False

    async def send(self, parcel: Parcel) -> None:
        for index, rows, _ in parcel.open():
            parcel.sent(index, rows[:1])
            if self.failures:
                raise self.failures.pop(0)
            parcel.sent(index, rows)

    async def idle(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def close(self) -> None:
        self.closed = True


async def test_failures_are_told_and_what_was_sent_stays_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.tenant("acme", 3)
    cars = [vin(1), vin(2), vin(3)]
    forwarder = await world.forwarder("acme", "odd", "webhook", {"url": "https://x.example"})
    sender = Odd(Away("not now", 0.01), Away("still not"))
    monkeypatch.setattr(webhook, "Sender", lambda target, around: sender)

    async def names(tenant: int, numbers: object) -> dict[int, Name]:
        return {world.vehicles[one]: Name(one) for one in cars[:2]}

    courier = Courier(forwarder, 0, State(), world.around("acme"), names)
    running = asyncio.create_task(courier.run())
    await world.log.spools.ensure(forwarder.id, 1 << 20, 3600)
    await eventually(lambda: courier.state.failures == 2)
    batch = world.batch("acme", cars, {SPEED: [1.0, 2.0, 3.0]})
    sender.failures = [Away("in the middle", 0.01)]
    put = await world.log.spools.put(
        forwarder.id, 0, [batch], through=4, after=Put(0, 10), time_us=world.clock.now_us()
    )
    courier.heard(0, put)
    await eventually(lambda: courier.position == 1)
    state = courier.look()
    assert (state.sent, state.left_out, state.lost) == (2, 1, 10)
    assert (state.failures, state.last_error) == (3, "in the middle")
    assert (state.lag_rows, state.lag_s) == (0, 0.0)
    assert state.done == {0: 13}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sender.closed
