"""The service with a real PostgreSQL and NATS, and vehicles behind a fake gateway."""

from __future__ import annotations

import pytest

from apps.commands.world import FakeLink, World
from engines_nats import until

pytestmark = pytest.mark.engines


async def test_a_command_is_sent_answered_and_told(world: World) -> None:
    gateway = await world.gateway()
    gateway.facts = {"speed": 7}
    vehicle = world.vehicles[1]
    async with world.serving():
        world.links.up(vehicle, FakeLink("g.1/jt808/1"))
        made = await world.add(vehicle, "text", parameters={"text": "停车"})
        row = await world.until_state(made.id, "succeeded")
        assert (row.code, row.facts, row.tries, row.number) == ("ok", {"speed": 7}, 1, made.number)
        assert row.attempts[0]["link"] == "g.1/jt808/1"
        assert row.attempts[0]["code"] == "sent"
        assert row.made_us < (row.sent_us or 0) < (row.ended_us or 0) <= row.deadline_us
        heard = gateway.of(vehicle)
        assert [one.command.parameters["text"] for one in heard] == ["停车"]

        async def told() -> bool:
            return await world.states_told(made.id) == ["queued", "sent", "succeeded"]

        await until(told)
