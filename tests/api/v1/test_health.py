"""``/v1/health``: an engine that fails, or does not answer, is down, and the status says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest

from api.world import World
from motorcade.api.serve import ApiServer

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
