"""``/v1/health``: an engine that fails, or does not answer, is down, and the status says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest

from api.world import World
from motorcade.api.serve import ApiServer
from motorcade.clock import SteerableClock

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_well(world: World) -> None:
    answer = await world.client.get("/v1/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert set(answer.json()) == {"status", "engines", "version"}


async def test_unwell(world: World) -> None:
    async def fails() -> object:
        raise OSError("with a secret in it")

    async def hangs() -> object:
        return await asyncio.Event().wait()

    server = ApiServer(replace(world.services, health={"fails": fails, "hangs": hangs}))
    await server.start()
    try:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{server.address}/v1/health")
    finally:
        await server.stop()
    assert answer.status_code == 503
    assert answer.json()["status"] == "down"
    engines = answer.json()["engines"]
    assert {name for name, word in engines.items() if word == "down"} == {"fails", "hangs"}
    assert "secret" not in answer.text


async def test_askers_share_an_answer_for_a_moment(world: World) -> None:
    asked = 0

    async def counts() -> object:
        nonlocal asked
        asked += 1
        return asked

    clock = SteerableClock()
    server = ApiServer(replace(world.services, health={"counts": counts}, clock=clock))
    await server.start()
    try:
        async with httpx.AsyncClient() as client:
            address = f"{server.address}/v1/health"
            answers = await asyncio.gather(*(client.get(address) for _ in range(20)))
            assert {answer.status_code for answer in answers} == {200}
            assert asked == 1
            clock.advance(1.0)
            await client.get(address)
            assert asked == 2
    finally:
        await server.stop()
