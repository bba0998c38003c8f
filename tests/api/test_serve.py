"""The server: where it listens, how it stops, and two of them on one port."""

from __future__ import annotations

import asyncio

import httpx
import msgspec
import pytest

from api.world import World
from motorcade.api.serve import ApiServer

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


def another(world: World, listen: str) -> ApiServer:
    services = world.services
    config = msgspec.structs.replace(services.config, listen=listen)
    return ApiServer(type(services)(**{**_fields(services), "config": config}))


def _fields(services: object) -> dict[str, object]:
    return {name: getattr(services, name) for name in services.__slots__}  # type: ignore[attr-defined]


async def test_open_streams_do_not_hold_it_up(world: World) -> None:
    server = another(world, "127.0.0.1:0")
    await server.start()
    address = f"{server.address}/v1/stream"
    async with (
        asyncio.timeout(15),
        httpx.AsyncClient() as client,
        client.stream("GET", address, headers=world.headers("alpha")) as answer,
    ):
        lines = answer.aiter_lines()
        assert await anext(lines) == ": ready"
        await server.stop()
        rest = [line async for line in lines if line not in ("", ": here")]
        assert rest[0] == "event: end"
        assert "connect again" in rest[1]
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{server.address}/v1/health")


async def test_a_reader_that_does_not_read_does_not_hold_it_up(world: World) -> None:
    server = another(world, "127.0.0.1:0")
    await server.start()
    reader, writer = await asyncio.open_connection(server.host, server.port, limit=1024)
    key = world.headers("alpha")["Authorization"]
    writer.write(f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
    try:
        async with asyncio.timeout(15):
            await reader.readuntil(b": ready\n\n")
            await server.stop()
    finally:
        writer.close()


async def test_processes_share_a_port(world: World) -> None:
    """``SO_REUSEPORT``: a second server on the same address is welcome."""
    second = another(world, f"127.0.0.1:{world.server.port}")
    await second.start()
    try:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{second.address}/v1/health")
        assert answer.status_code == 200
    finally:
        await second.stop()
    assert (await world.client.get("/v1/health")).status_code == 200
