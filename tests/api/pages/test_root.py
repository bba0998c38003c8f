"""``/``, ``/openapi.json`` and ``/metrics``."""

from __future__ import annotations

from dataclasses import replace

import httpx
import msgspec
import pytest

from api.world import World
from motorcade.api.serve import ApiServer

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


async def test_the_document_is_the_same_each_time(world: World) -> None:
    first = await world.client.get("/openapi.json")
    assert first.headers["content-type"] == "application/json"
    assert (await world.client.get("/openapi.json")).content == first.content
    assert first.json()["paths"].keys() == world.openapi()["paths"].keys()


async def test_figures_may_be_for_the_platform_alone(world: World) -> None:
    config = msgspec.structs.replace(world.services.config, metrics="platform")
    server = ApiServer(replace(world.services, config=config))
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.address) as client:
            assert (await client.get("/metrics")).status_code == 403
            keys = world.headers("alpha", "admin")
            assert (await client.get("/metrics", headers=keys)).status_code == 403
            keys = world.headers("platform", "platform")
            answer = await client.get("/metrics", headers=keys)
    finally:
        await server.stop()
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'tenant="alpha"' in answer.text
