"""Forwarding as a whole: from the log through spools to peers, across restarts and failures."""

from __future__ import annotations

import pytest

from apps.forwarding.world import SPEED, Answer, Hook, World, eventually, vin

pytestmark = pytest.mark.engines


async def test_from_the_log_to_a_webhook_and_on_after_a_restart(world: World, hook: Hook) -> None:
    await world.tenant("acme", 4)
    forwarder = await world.forwarder("acme", "hook", "webhook", {"url": hook.url})
    world.start()
    await world.ready(forwarder)
    cars = [vin(n) for n in range(1, 5)]
    await world.report("acme", cars, {SPEED: [10.5, 20.0, 30.0, None]})
    await eventually(lambda: len(hook.events) >= 4)
    first = {event["subject"]: event for event in hook.events}
    assert first[cars[0]]["data"]["signals"] == {SPEED: 10.5}
    assert first[cars[0]]["source"] == "/motorcade/acme"
    assert first[cars[3]]["data"]["signals"] == {}
    await world.stop()
    await world.report("acme", cars, {SPEED: [50.0] * 4})
    assert len(hook.events) == 4
    world.start()
    await eventually(lambda: len(hook.events) >= 8)
    await eventually(lambda: _sent(world, 8))
    assert len({event["id"] for event in hook.events}) == len(hook.events) == 8
    state = await world.state("acme", "hook")
    assert (state.sent, state.lost, state.refused, state.lag_rows) == (8, 0, 0, 0)


async def _sent(world: World, rows: int) -> bool:
    return (await world.state("acme", "hook")).sent >= rows


async def test_a_failing_peer_is_tried_again(world: World, hook: Hook) -> None:
    await world.tenant("acme", 1)
    hook.answers = [Answer(500), Answer(503), Answer(302, {"location": "http://127.0.0.1/"})]
    forwarder = await world.forwarder("acme", "hook", "webhook", {"url": hook.url})
    world.start()
    await world.ready(forwarder)
    await world.report("acme", [vin(1)], {SPEED: [1.0]})
    await eventually(lambda: _sent(world, 1))
    state = await world.state("acme", "hook")
    assert state.failures == 3
    assert state.last_error == "HTTP 302"
    assert len(hook.bodies) == 4
