"""The service with a real PostgreSQL and NATS, and vehicles behind a fake gateway."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from apps.commands.world import FakeLink, World
from engines_nats import until
from motorcade.apps.commands import life, store, telling
from motorcade.errors import Conflict
from motorcade.log.downlink import Downlink

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


async def test_what_waits_goes_out_when_the_vehicle_comes_by_priority_then_age(
    world: World,
) -> None:
    gateway = await world.gateway()
    vehicle = world.vehicles[1]
    made = [
        await world.add(vehicle, "text", parameters={"text": name}, priority=priority)
        for name, priority in (("c", 10), ("a", 90), ("d", 10), ("b", 50))
    ]
    async with world.serving():
        await asyncio.sleep(0.3)
        assert gateway.heard == []
        world.links.up(vehicle, FakeLink("l"))
        for one in made:
            await world.until_state(one.id, "succeeded")
        assert [one.command.parameters["text"] for one in gateway.heard] == ["a", "b", "c", "d"]
        assert len({one.command.number for one in gateway.heard}) == 4


async def test_one_is_out_at_a_time_unless_the_policy_allows_more(world: World) -> None:
    gateway = await world.gateway()
    gateway.answers = lambda _: ()
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("l"))
    async with world.serving() as service:
        made = [await world.add(vehicle, "lock") for _ in range(3)]
        await world.until_state(made[0].id, "sent")
        await asyncio.sleep(0.5)
        assert len(gateway.heard) == 1
        assert len(service.flights) == 1
        await service.policies.write(world.tenant, {"in_flight_per_vehicle": 2})
        await world.until_state(made[1].id, "sent")
        assert len(gateway.heard) == 2
        for number in (one.number for one in made[:2]):
            await gateway.answer(vehicle, number, "succeeded")
        await world.until_state(made[2].id, "sent")


async def test_delivered_lets_the_next_go_and_ends_later(world: World) -> None:
    gateway = await world.gateway()
    gateway.answers = lambda one: () if one.command.kind == "lock" else ("delivered",)
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("l"))
    async with world.serving():
        slow = await world.add(vehicle, "upgrade", parameters={"url": "https://x.example"})
        await world.until_state(slow.id, "delivered")
        fast = await world.add(vehicle, "lock")
        await world.until_state(fast.id, "sent")
        await gateway.answer(vehicle, fast.number, "failed")
        row = await world.until_state(fast.id, "failed")
        assert row.code == "refused"
        await gateway.answer(vehicle, slow.number, "succeeded")
        await world.until_state(slow.id, "succeeded")

        async def told() -> bool:
            states = await world.states_told(slow.id)
            return states == ["queued", "sent", "delivered", "succeeded"]

        await until(told)


async def test_silence_on_one_link_goes_to_the_next_best_with_the_same_number(
    world: World,
) -> None:
    gateway = await world.gateway()
    gateway.answers = lambda one: ("succeeded",) if one.link == "wifi" else ()
    vehicle = world.vehicles[1]
    quick = {"bearers": {name: {"silence_s": 1} for name in ("nr", "lte", "wifi")}}
    async with world.serving() as service:
        await service.policies.write(world.tenant, quick)
        await service.policies.refresh()
        for bearer in ("wifi", "nr", "lte"):
            world.links.up(vehicle, FakeLink(bearer, bearer=bearer))
        made = await world.add(vehicle, "lock")
        row = await world.until_state(made.id, "succeeded")
        assert [one.link for one in gateway.heard] == ["nr", "lte", "wifi"]
        assert {one.command.number for one in gateway.heard} == {made.number}
        assert [one["code"] for one in row.attempts] == ["silent", "silent", "sent"]
        assert row.tries == 3


async def test_after_a_round_of_silence_it_is_tried_again_until_answered(world: World) -> None:
    gateway = await world.gateway()
    gateway.answers = lambda _: ("succeeded",) if len(gateway.heard) >= 3 else ()
    vehicle = world.vehicles[1]
    async with world.serving() as service:
        await service.policies.write(world.tenant, {"bearers": {"lte": {"silence_s": 1}}})
        await service.policies.refresh()
        world.links.up(vehicle, FakeLink("l"))
        made = await world.add(vehicle, "lock")
        row = await world.until_state(made.id, "succeeded")
        assert row.tries == 3
        assert gateway.done == {(vehicle, made.number): 1}


async def test_as_many_tries_as_it_may_have(world: World) -> None:
    gateway = await world.gateway()
    gateway.answers = lambda _: ()
    vehicle = world.vehicles[1]
    async with world.serving() as service:
        await service.policies.write(world.tenant, {"bearers": {"lte": {"silence_s": 1}}})
        await service.policies.refresh()
        world.links.up(vehicle, FakeLink("l"))
        world.links.up(vehicle, FakeLink("m"))
        made = await world.add(vehicle, "lock", tries_max=1)
        row = await world.until_state(made.id, "failed")
        assert (row.code, row.tries, len(gateway.heard)) == ("no_answer", 1, 1)


@pytest.mark.parametrize("code", ["unsupported", "invalid"])
async def test_what_one_protocol_cannot_say_another_may(world: World, code: str) -> None:
    gateway = await world.gateway()

    def plan(one: Downlink) -> str:
        return code if one.link.startswith("gbt") else "sent"

    gateway.plan = plan
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("mqtt", protocol="mqtt"))
    world.links.up(vehicle, FakeLink("gbt", protocol="gbt32960"))
    world.links.up(world.vehicles[2], FakeLink("gbt-2", protocol="gbt32960"))
    async with world.serving():
        made = await world.add(vehicle, "lock")
        row = await world.until_state(made.id, "succeeded")
        assert [one["code"] for one in row.attempts] == [code, "sent"]
        never = await world.add(world.vehicles[2], "lock")
        row = await world.until_state(never.id, "failed")
        assert (row.code, row.detail, row.sent_us) == (code, f"it is {code}", None)


async def test_a_full_link_is_tried_again_soon(world: World) -> None:
    gateway = await world.gateway()
    asked = Counter[str]()

    def plan(one: Downlink) -> str:
        asked[one.link] += 1
        return "busy" if asked[one.link] < 3 else "sent"

    gateway.plan = plan
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("l"))
    async with world.serving():
        made = await world.add(vehicle, "lock")
        row = await world.until_state(made.id, "succeeded")
        assert row.tries == 1


async def test_a_gateway_that_is_gone_is_no_try(world: World) -> None:
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("l", incarnation="nobody.1"))
    async with world.serving():
        made = await world.add(vehicle, "lock")
        await asyncio.sleep(0.4)
        row = await world.desk.get(world.tenant, made.id)
        assert (row.state, row.tries) == ("queued", 0)
        gateway = await world.gateway()
        world.links.down(vehicle, "l")
        world.links.up(vehicle, FakeLink("m"))
        await world.until_state(made.id, "succeeded")
        assert len(gateway.heard) == 1


async def test_a_gateway_that_does_not_say_may_have_sent(world: World) -> None:
    """It is not cancelled any more, and another link gets it too."""
    mute = await world.gateway("mute.1")
    mute.hangs = True
    mute.answers = lambda _: ()
    gateway = await world.gateway()
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("later", bearer="lte"))
    world.links.up(vehicle, FakeLink("first", bearer="nr", incarnation="mute.1"))
    async with world.serving():
        made = await world.add(vehicle, "lock")
        await world.until_state(made.id, "sent", "succeeded")
        with pytest.raises(Conflict):
            await world.desk.cancel(world.tenant, made.id)
        await world.until_state(made.id, "succeeded")
        assert [one.link for one in gateway.heard] == ["later"]


async def test_an_answer_that_overtakes_the_gateways_reply_is_kept(world: World) -> None:
    gateway = await world.gateway()
    gateway.hangs = True
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("l"))
    async with world.serving():
        made = await world.add(vehicle, "lock")
        # The gateway never tells the key, so the first answer means nothing; the repetition's
        # does.
        await world.until_state(made.id, "sent")
        gateway.hangs = False
        row = await world.until_state(made.id, "succeeded")
        assert row.tries >= 1
        assert gateway.done == {(vehicle, made.number): 1}


async def test_expired_at_its_deadline_and_a_late_success_is_a_note(world: World) -> None:
    gateway = await world.gateway()
    gateway.answers = lambda _: ()
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("l"))
    async with world.serving():
        made = await world.add(vehicle, "lock", ttl_s=1)
        never = await world.add(world.vehicles[2], "lock", ttl_s=1)
        row = await world.until_state(made.id, "expired")
        assert world.clock.now_us() - made.deadline_us < 500_000
        assert (row.ended_us, row.code) == (made.deadline_us, "no_answer")
        assert (await world.until_state(never.id, "expired")).code == "never_sent"
        await gateway.answer(vehicle, made.number, "succeeded")

        async def noted() -> bool:
            row = await world.desk.get(world.tenant, made.id)
            assert row.state == "expired"
            return [note["outcome"] for note in row.notes] == ["succeeded"]

        await until(noted)


async def test_an_answer_from_before_the_deadline_counts_after_a_pause(world: World) -> None:
    """The service was away meanwhile: what the events say is heard before anything expires."""
    gateway = await world.gateway()
    gateway.answers = lambda _: ()
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("l"))
    async with world.serving():
        made = await world.add(vehicle, "lock", ttl_s=1)
        await world.until_state(made.id, "sent")
    await gateway.answer(vehicle, made.number, "succeeded", at_us=made.deadline_us - 1)
    await asyncio.sleep(1.2)
    async with world.serving():
        await world.until_state(made.id, "succeeded")


async def test_a_cancelled_command_is_told_and_never_sent(world: World) -> None:
    gateway = await world.gateway()
    vehicle = world.vehicles[1]
    async with world.serving():
        made = await world.add(vehicle, "lock")
        await world.desk.cancel(world.tenant, made.id)
        world.links.up(vehicle, FakeLink("l"))

        async def told() -> bool:
            return await world.states_told(made.id) == ["queued", "cancelled"]

        await until(told)
        assert gateway.heard == []


async def test_cancelling_races_with_sending_and_one_of_them_wins(world: World) -> None:
    gateway = await world.gateway()
    vehicle = world.vehicles[1]
    async with world.serving():
        for _ in range(20):
            made = await world.add(vehicle, "lock")
            world.links.up(vehicle, FakeLink("l"))
            try:
                await world.desk.cancel(world.tenant, made.id)
                cancelled = True
            except Conflict:
                cancelled = False
            row = await world.until_state(made.id, "cancelled", "succeeded")
            heard = [one for one in gateway.heard if one.command.id == made.id.hex]
            assert (row.state == "cancelled") == cancelled == (not heard)
            world.links.down(vehicle, "l")


async def test_a_restart_goes_on_where_it_was(world: World) -> None:
    gateway = await world.gateway()
    gateway.answers = lambda _: ()
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("l"))
    async with world.serving():
        out = await world.add(vehicle, "lock")
        await world.until_state(out.id, "sent")
        waiting = await world.add(vehicle, "unlock")
    async with world.serving():
        await asyncio.sleep(0.4)
        assert len(gateway.heard) == 1, "its answer is awaited still"
        gateway.answers = lambda _: ("succeeded",)
        await gateway.answer(vehicle, out.number, "succeeded")
        await world.until_state(out.id, "succeeded")
        await world.until_state(waiting.id, "succeeded")


async def test_a_claim_nobody_accounts_for_is_sent_again(world: World) -> None:
    """As after a kill between claiming and sending."""
    gateway = await world.gateway()
    vehicle = world.vehicles[1]
    made = await world.add(vehicle, "lock")
    async with world.fleet.store.platform() as connection:
        await connection.execute(
            "UPDATE commands SET wait_us = %s, tries = 1", (world.clock.now_us() + 30_000_000,)
        )
    world.links.up(vehicle, FakeLink("l"))
    async with world.serving():
        await world.until_state(made.id, "succeeded")
    assert [one.command.number for one in gateway.heard] == [made.number]


async def test_whoever_takes_over_ends_the_one_before(world: World) -> None:
    gateway = await world.gateway()
    world.links.up(world.vehicles[1], FakeLink("l"))
    async with world.serving(ends=True) as old, world.serving():
        made = await world.add(world.vehicles[1], "lock")
        await world.until_state(made.id, "succeeded")

        async def ended() -> bool:
            return bool(old.ended)

        await until(ended)
        assert len(gateway.heard) == 1
        assert isinstance(old.ended[0], Conflict)


async def test_what_ends_the_telling_ends_the_service(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patched:
        patched.setattr(telling, "rows_of", broken)
        async with world.serving(ends=True) as service:
            row = await world.add(world.vehicles[1])

            async def over() -> bool:
                return bool(service.ended)

            await until(over)
            assert isinstance(service.ended[0], RuntimeError)
    async with world.serving():

        async def told() -> bool:
            return await world.states_told(row.id) == ["queued"]

        await until(told)


async def test_after_a_lost_commit_the_table_is_believed(world: World) -> None:
    car = world.vehicles[1]
    world.links.up(car, FakeLink("l"))
    gateway = await world.gateway()
    gateway.answers = lambda _: ()
    async with world.serving() as service:
        row = await world.add(car)
        await world.until_state(row.id, "sent")
        async with world.fleet.store.platform() as connection:
            found = await store.locked(connection, [row.id])
            life.expired(found[row.id])
            await store.turn(connection, saved=found.values())
        async with world.fleet.store.platform() as connection:
            effects = await service._turn.recover(connection, world.clock.now_us())
        assert effects.flights == {row.id: None}
        service.flights.update(effects.flights)
        await gateway.answer(car, row.number, "succeeded")

        async def noted() -> bool:
            return bool((await world.desk.get(world.tenant, row.id)).notes)

        await until(noted)
    assert (await world.desk.get(world.tenant, row.id)).state == "expired"


async def test_a_handover_sends_again_at_once(world: World) -> None:
    gateway = await world.gateway()
    gateway.answers = lambda one: ("succeeded",) if one.link == "nr" else ()
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("lte"))
    async with world.serving():
        made = await world.add(vehicle, "lock")
        await world.until_state(made.id, "sent")
        world.links.down(vehicle, "lte")
        world.links.up(vehicle, FakeLink("nr", bearer="nr"))
        await world.until_state(made.id, "succeeded", within_s=5.0)
        assert gateway.done == {(vehicle, made.number): 1}


async def test_a_satellites_answer_is_not_waited_for_once_a_better_link_is_there(
    world: World,
) -> None:
    gateway = await world.gateway()
    gateway.answers = lambda one: ("succeeded",) if one.link == "lte" else ()
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("s", bearer="satellite", protocol="compact"))
    async with world.serving():
        made = await world.add(vehicle, "lock")
        await world.until_state(made.id, "sent")
        world.links.up(vehicle, FakeLink("lte"))
        row = await world.until_state(made.id, "succeeded", within_s=5.0)
        assert [one["link"] for one in row.attempts] == ["s", "lte"]
        assert len({one.command.number for one in gateway.of(vehicle)}) == 1


async def test_a_sleeping_vehicle_is_woken_once(world: World) -> None:
    woken: list[tuple[int, int, str]] = []

    class Bell:
        async def wake(self, tenant: int, vehicle: int, reason: str) -> None:
            woken.append((tenant, vehicle, reason))
            raise RuntimeError("the bell is broken, and nobody minds")

    async with world.serving(wake=Bell()):
        for _ in range(3):
            await world.add(world.vehicles[1], "lock")

        async def rung() -> bool:
            return bool(woken)

        await until(rung)
        await asyncio.sleep(0.3)
    assert woken == [(world.tenant, world.vehicles[1], "command")]


async def test_a_class_that_never_uses_satellite_waits_for_another_link(world: World) -> None:
    gateway = await world.gateway()
    vehicle = world.vehicles[1]
    world.links.up(vehicle, FakeLink("s", bearer="satellite"))
    async with world.serving():
        dull = await world.add(vehicle, "locate", message_class="bulk", priority=100)
        urgent = await world.add(vehicle, "unlock")
        await world.until_state(urgent.id, "succeeded")
        assert (await world.desk.get(world.tenant, dull.id)).state == "queued"
        world.links.up(vehicle, FakeLink("l"))
        await world.until_state(dull.id, "succeeded")
        assert [one.link for one in gateway.heard] == ["s", "l"]


async def test_many_commands_for_many_vehicles_and_none_is_lost(world: World) -> None:
    gateway = await world.gateway()
    cars = await world.register(world.tenant, 1_000, 300)
    async with world.serving() as service:
        for car in cars.values():
            world.links.up(car, FakeLink(f"l{car}"))
        made = await asyncio.gather(
            *(world.add(car, "lock") for car in cars.values() for _ in range(4))
        )
        assert len({(one.vehicle, one.number) for one in made}) == 1_200

        async def done() -> bool:
            page = await world.desk.page(world.tenant, states=["succeeded"], limit=2_000)
            return len(page.rows) == 1_200

        await until(done, 60.0)
        assert len(gateway.heard) == 1_200
        assert service.counts["unmatched"] == 0
        assert gateway.requests < 900, "they go together"
