"""Forwarding as a whole: from the log through spools to peers, across restarts and failures."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from apps.forwarding.world import SPEED, Answer, Hook, World, eventually, vin
from engines_nats import Nats
from motorcade.apps.forwarding.rules import Filter

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


async def test_a_slow_peer_holds_up_nobody_else(world: World, hook: Hook) -> None:
    await world.tenant("acme", 2)
    slow = Hook()
    slow.answers = [Answer(202, stall_s=30)]
    try:
        for name, url in (("hook", hook.url), ("slow", slow.url)):
            target = {"url": url, "timeout_s": 20.0}
            forwarder = await world.forwarder("acme", name, "webhook", target)
        world.start()
        await world.ready(forwarder)
        for speed in range(20):
            await world.report("acme", [vin(1), vin(2)], {SPEED: [float(speed)] * 2})
        await eventually(lambda: _sent(world, 40))

        async def behind() -> bool:
            state = await world.state("acme", "slow")
            return state.lag_rows == 40 and state.lag_s > 0.2

        await eventually(behind)
        assert (await world.state("acme", "hook")).lag_rows == 0
    finally:
        slow.close()
        await world.stop()


async def test_a_broken_spool_is_told_and_is_only_its_own_forwarders(
    world: World, hook: Hook
) -> None:
    await world.tenant("acme", 2)
    await world.tenant("other", 1, first=10)
    healthy = Hook()
    try:
        broken = await world.forwarder("acme", "hook", "webhook", {"url": hook.url})
        jetstream = world.log.spools._connection.jetstream()
        await jetstream.add_stream(name="SQUATTER", subjects=[f"forward.{broken.id}.*"])
        forwarder = await world.forwarder("other", "well", "webhook", {"url": healthy.url})
        world.start()
        await world.ready(forwarder)
        await world.report("acme", [vin(1), vin(2)], {SPEED: [1.0, 2.0]})
        for speed in range(3):
            await world.report("other", [vin(10)], {SPEED: [float(speed)]})
        await eventually(lambda: len(healthy.events) == 3)

        async def failing() -> bool:
            state = await world.state("acme", "hook")
            return state.status == "failing" and state.lag_rows == 2 and state.lag_s > 1.0

        await eventually(failing)
        assert f"spool {broken.id}" in (await world.state("acme", "hook")).last_error
        assert (await world.state("other", "well")).status == "waiting"
        await jetstream.delete_stream("SQUATTER")
        await eventually(lambda: len(hook.events) == 2)

        async def well() -> bool:
            state = await world.state("acme", "hook")
            return (state.status, state.sent, state.lost) == ("waiting", 2, 0)

        await eventually(well)
    finally:
        healthy.close()
        await world.stop()


@pytest.fixture
async def worker(
    world: World,
) -> AsyncIterator[Callable[[], Awaitable[asyncio.subprocess.Process]]]:
    """``await worker()``: a worker in a process of its own."""
    started: list[asyncio.subprocess.Process] = []

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "apps.forwarding.serve",
            msgspec.json.encode(world.log._config).decode(), world.fleet.store.config.url,
            stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        await _killed(process)


async def _killed(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_a_worker_killed_in_the_middle_loses_nothing(
    world: World, hook: Hook, worker: Callable[[], Awaitable[asyncio.subprocess.Process]]
) -> None:
    """kill -9 again and again while records come in: all arrive; some perhaps twice."""
    await world.tenant("acme", 4)
    target = {"url": hook.url, "batch_rows_max": 3}
    await world.forwarder("acme", "hook", "webhook", target)
    cars = [vin(n) for n in range(1, 5)]
    expected = 0
    came: list[int] = []  # by each kill: as much as that may come a second time
    for round_ in range(3):
        process = await worker()
        for step in range(12):
            await world.report("acme", cars, {SPEED: [float(round_ * 100 + step)] * 4})
            expected += 4
        enough = expected - 24
        await eventually(lambda enough=enough: len(hook.events) > enough)
        await _killed(process)
        came.append(len({event["id"] for event in hook.events}))
    await worker()
    await eventually(lambda: len({event["id"] for event in hook.events}) == expected, 30)

    async def settled() -> bool:
        return (await world.state("acme", "hook")).lag_rows == 0

    await eventually(settled)
    state = await world.state("acme", "hook")
    assert (state.lost, state.refused) == (0, 0)
    repeated = len(hook.events) - expected
    assert repeated <= sum(came)
    firsts: dict[str, list[float]] = {}
    seen: set[str] = set()
    for event in hook.events:
        if event["id"] not in seen:
            seen.add(event["id"])
            firsts.setdefault(event["subject"], []).append(event["data"]["signals"][SPEED])
    assert all(speeds == sorted(speeds) for speeds in firsts.values())


async def test_paused_changed_resumed_and_removed(world: World, hook: Hook) -> None:
    tenant = await world.tenant("acme", 1)
    forwarder = await world.forwarder("acme", "hook", "webhook", {"url": hook.url})
    running = world.start()
    await world.ready(forwarder)
    await world.store.pause(tenant, "hook", True)

    async def status(wanted: str) -> bool:
        return (await world.state("acme", "hook")).status == wanted

    await eventually(lambda: status("paused"))
    for speed in range(5):
        await world.report("acme", [vin(1)], {SPEED: [float(speed)]})

    async def gathered() -> bool:
        return (await world.state("acme", "hook")).lag_rows == 5

    await eventually(gathered)
    assert hook.events == []
    text = running.metrics_text()
    assert 'forwarder_lag_rows{forwarder="hook",kind="webhook",tenant="acme"} 5.0' in text
    await world.store.change(tenant, "hook", forwarder.rule, {"secret": "x"})
    await world.store.pause(tenant, "hook", False)
    await eventually(lambda: _sent(world, 5))
    assert all("x-motorcade-signature" in headers for headers in hook.headers)
    assert [event["data"]["signals"][SPEED] for event in hook.events] == [0.0, 1.0, 2.0, 3.0, 4.0]
    await world.store.remove(tenant, "hook")

    async def gone() -> bool:
        return not await world.log.spools.names()

    await eventually(gone)
    assert "forwarder_sent_total{" not in running.metrics_text()


async def test_tenants_labels_and_predicates(world: World, hook: Hook) -> None:
    """Each forwarder gets its own tenant's rows, and of those the ones it asks for."""
    await world.tenant("acme", 2, labels=("rental",))
    await world.tenant("other", 2, first=10)
    second = Hook()
    try:
        chosen = Filter(labels=("rental",), where=f"{SPEED} > 50")
        await world.forwarder("acme", "hook", "webhook", {"url": hook.url}, filter=chosen)
        wanted = {"url": second.url}
        forwarder = await world.forwarder(
            "other", "hook", "webhook", wanted, filter=Filter(vins=(vin(11),))
        )
        world.start()
        await world.ready(forwarder)
        await world.report("acme", [vin(1), vin(2)], {SPEED: [60.0, 40.0]})
        await world.report("other", [vin(10), vin(11)], {SPEED: [60.0, 40.0]})
        await eventually(lambda: hook.events and second.events)
        assert [event["subject"] for event in hook.events] == [vin(1)]
        assert [event["subject"] for event in second.events] == [vin(11)]
    finally:
        second.close()
        await world.stop()


async def test_at_the_spools_bound_the_oldest_are_counted_as_lost(world: World, hook: Hook) -> None:
    tenant = await world.tenant("acme", 1)
    forwarder = await world.forwarder(
        "acme", "hook", "webhook", {"url": hook.url}, spool_bytes_max=1 << 20
    )
    await world.store.pause(tenant, "hook", True)
    world.start()
    await world.ready(forwarder)
    rng = np.random.default_rng(1)
    total = 0
    for _ in range(12):
        speeds = rng.uniform(0, 100, 3_000).astype(np.float32).tolist()
        await world.report("acme", [vin(1)] * 3_000, {SPEED: speeds})
        total += 3_000

    async def behind() -> bool:
        return (await world.state("acme", "hook")).lag_rows == total

    await eventually(behind)
    await world.store.pause(tenant, "hook", False)

    async def told() -> bool:
        state = await world.state("acme", "hook")
        return state.sent + state.lost == total

    await eventually(told)
    state = await world.state("acme", "hook")
    assert 0 < state.lost < total
    assert state.sent == len(hook.events)


async def test_records_the_log_lost_are_told_as_lost(world: World, hook: Hook) -> None:
    """A worker that was away so long that the log had to be trimmed."""
    await world.tenant("acme", 2)
    forwarder = await world.forwarder("acme", "hook", "webhook", {"url": hook.url})
    running = world.start()
    await world.ready(forwarder)
    await world.report("acme", [vin(1), vin(2)], {SPEED: [1.0, 1.0]})
    await eventually(lambda: _sent(world, 2))
    assert all((running.kept_from(p) or 0) >= 1 for p in range(world.log.partitions))
    await world.stop()
    for speed in range(5):
        await world.report("acme", [vin(1), vin(2)], {SPEED: [float(speed)] * 2})
    for partition in range(world.log.partitions):
        await world.log.trim(partition, await world.log.last_sequence(partition) - 2)
    world.start()
    await eventually(lambda: _sent(world, 6))
    state = await world.state("acme", "hook")
    assert (state.sent, state.lost) == (6, 6)


async def test_it_goes_on_without_registry_and_through_a_restart_of_the_log(
    world: World, hook: Hook, nats: Nats
) -> None:
    await world.tenant("acme", 1)
    forwarder = await world.forwarder("acme", "hook", "webhook", {"url": hook.url})
    world.start()
    await world.ready(forwarder)
    await world.report("acme", [vin(1)], {SPEED: [1.0]})
    await eventually(lambda: len(hook.events) == 1)
    nats.kill()
    await nats.start()
    await world.report("acme", [vin(1)], {SPEED: [2.0]})
    await eventually(lambda: len(hook.events) >= 2, 30)
    assert len({event["id"] for event in hook.events}) == 2


async def test_two_workers_share_the_work(world: World, hook: Hook) -> None:
    await world.tenant("acme", 4)
    cars = [vin(n) for n in range(1, 5)]
    for name in ("hook", "second"):
        forwarder = await world.forwarder("acme", name, "webhook", {"url": hook.url})
    one, two = world.start(0, 2), world.start(1, 2)
    await world.ready(forwarder)
    await world.report("acme", cars, {SPEED: [1.0, 2.0, 3.0, 4.0]})
    await eventually(lambda: len(hook.events) == 8)
    assert {len(one._couriers), len(two._couriers)} == {1}


async def test_what_comes_right_after_its_making_is_a_forwarders(world: World, hook: Hook) -> None:
    """A worker learns of a forwarder a moment late; the pumps go back for what went by."""
    await world.tenant("acme", 1)
    first = await world.forwarder("acme", "hook", "webhook", {"url": hook.url})
    second = Hook()
    try:
        world.start()
        await world.ready(first)
        await world.report("acme", [vin(1)], {SPEED: [1.0]})
        await eventually(lambda: _sent(world, 1))
        await world.forwarder("acme", "late", "webhook", {"url": second.url})
        await world.report("acme", [vin(1)], {SPEED: [2.0]})
        await eventually(lambda: len(second.events) == 1)
        await world.report("acme", [vin(1)], {SPEED: [3.0]})
        await eventually(lambda: len(second.events) == 2 and len(hook.events) == 3)
        assert [event["data"]["signals"][SPEED] for event in hook.events] == [1.0, 2.0, 3.0]
        assert [event["data"]["signals"][SPEED] for event in second.events] == [2.0, 3.0]
    finally:
        second.close()
        await world.stop()


async def test_a_rule_that_cannot_be_read_keeps_its_spool(world: World, hook: Hook) -> None:
    """As where an older release reads a newer one's rule: what is unsent waits for who can."""
    tenant = await world.tenant("acme", 1)
    made = await world.forwarder("acme", "newer", "webhook", {"url": hook.url})
    await world.log.spools.ensure(made.id, 1 << 20, 3600)
    await world.log.spools.ensure(made.id + 1_000, 1 << 20, 3600)
    async with world.fleet.store.tenant(tenant) as connection:
        await connection.execute("UPDATE forwarders SET rule = rule || '{\"newer\": 1}'")
    world.start()
    await eventually(lambda: _names_are(world, {made.id}))
    await world.fleet.create_tenant("more")
    await world.forwarder("acme", "other", "webhook", {"url": hook.url})
    await eventually(lambda: _names_are(world, {made.id, made.id + 1}))
    async with world.fleet.store.tenant(tenant) as connection:
        await connection.execute("UPDATE forwarders SET rule = '{}' WHERE name = 'other'")
    third = await world.forwarder("acme", "third", "webhook", {"url": hook.url})
    await world.ready(third)
    await eventually(lambda: _names_are(world, {made.id, made.id + 1, third.id}))


async def _names_are(world: World, expected: set[int]) -> bool:
    return await world.log.spools.names() == expected
