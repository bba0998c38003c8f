"""Live events over HTTP and WebSocket: whose they are, which pass, and what a slow reader is
told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets

from api.world import LATITUDE, LONGITUDE, SPEED, World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]


_MISSED = b'data: {"missed":'

ONE, TWO = vin("alpha", 4), vin("alpha", 5)
"""Cars that no other module's tests look at."""


@asynccontextmanager
async def listening(world: World, whose: str, **query: Any) -> AsyncIterator[AsyncIterator[Any]]:
    """A stream after its ``: ready``; yields (event name, data)."""
    headers = {**world.headers(whose), "Accept": "text/event-stream"}
    async with world.client.stream("GET", "/v1/stream", params=query, headers=headers) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        assert await anext(lines) == ": ready"
        yield _events(lines)


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, Any]]:
    name = "message"
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
            name = "message"


async def test_events_are_the_tenants_own(world: World) -> None:
    async with asyncio.timeout(20), listening(world, "alpha") as events:
        await world.report("beta", [vin("beta", 1)], {SPEED: [11.1]})
        await world.report("alpha", [ONE], {SPEED: [22.2]})
        name, event = await anext(events)
        assert name == "message"
        assert event["vin"] == ONE
        assert event["kind"] == "report"
        assert event["signals"] == {SPEED: 22.2}


async def test_filters(world: World) -> None:
    one, two = ONE, TWO
    place = {LATITUDE: [31.2, 50.0], LONGITUDE: [121.4, 8.0]}
    for query, expected in (
        ({"vin": two}, two),
        ({"where": f"{SPEED} > 80"}, two),
        ({"bbox": "121,31,122,32"}, one),
        ({"signals": SPEED, "where": f"{SPEED} < 80"}, one),
    ):
        async with asyncio.timeout(20), listening(world, "alpha", **query) as events:
            await world.report("alpha", [one, two], {SPEED: [70.0, 90.0], **place})
            _, event = await anext(events)
            assert event["vin"] == expected, query
            if "signals" in query:
                assert list(event["signals"]) == [SPEED]


async def test_websocket(world: World) -> None:
    address = world.server.address.replace("http", "ws") + f"/v1/stream?where={SPEED}%20%3E%20100"
    async with (
        asyncio.timeout(20),
        websockets.connect(address, additional_headers=world.headers("alpha")) as socket,
    ):
        assert json.loads(await socket.recv()) == {"ready": True}
        await world.report("alpha", [ONE, TWO], {SPEED: [90.0, 110.5]})
        event = json.loads(await socket.recv())
        assert (event["vin"], event["signals"]) == (TWO, {SPEED: 110.5})
        assert json.loads(await socket.recv()) == {"heartbeat": True}


async def test_a_websocket_without_a_key_is_refused(world: World) -> None:
    address = world.server.address.replace("http", "ws") + "/v1/stream"
    for query in ("", "?bbox=1"):
        headers = world.headers("alpha") if query else {}
        with pytest.raises((websockets.InvalidStatus, websockets.ConnectionClosed)):
            async with websockets.connect(address + query, additional_headers=headers) as socket:
                await socket.recv()


async def test_a_revoked_key_ends_its_open_streams(world: World) -> None:
    """Of both kinds, with the reason; another key of the same tenant streams on."""
    tenant = world.tenants["alpha"]
    key = await world.fleet.create_key(tenant, "reader", "short")
    world.tokens["short"] = {"reader": key.token}
    address = world.server.address.replace("http", "ws") + "/v1/stream"
    async with (
        asyncio.timeout(20),
        listening(world, "alpha") as others,
        listening(world, "short") as events,
        websockets.connect(address, additional_headers=world.headers("short")) as socket,
    ):
        await world.fleet.revoke_key(tenant, key.key.id)
        said = [event async for event in events]
        assert said[-1][0] == "end"
        assert said[-1][1]["code"] == "caller.unauthorized"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await _all_of(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        assert "revoked" in closed.value.rcvd.reason
        await world.report("alpha", [ONE], {SPEED: [33.3]})
        assert (await anext(others))[1]["signals"] == {SPEED: 33.3}


async def test_silence_has_a_heartbeat(world: World) -> None:
    headers = world.headers("beta")
    async with asyncio.timeout(20), world.client.stream("GET", "/v1/stream", headers=headers) as on:
        lines = on.aiter_lines()
        while await anext(lines) != ": here":
            pass


async def test_a_slow_reader_misses_and_is_told(world: World) -> None:
    """A reader that stops reading costs its queue and no more, and hears how much it missed."""
    names = [car for car in (ONE, TWO) for _ in range(500)]
    rounds = 60
    reader, writer = await asyncio.open_connection(world.server.host, world.server.port, limit=1024)
    key = world.headers("alpha")["Authorization"]
    writer.write(f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
    seen = missed = 0
    try:
        async with asyncio.timeout(90):
            await reader.readuntil(b": ready\n\n")
            for number in range(rounds):
                await world.report("alpha", names, {SPEED: [float(number)] * len(names)})
            rest = b""
            while seen + missed < rounds * len(names):
                *lines, rest = (rest + await reader.read(65_536)).split(b"\n")
                seen += sum(line.startswith(b'data: {"vin"') for line in lines)
                missed += sum(int(line[16:-1]) for line in lines if line.startswith(_MISSED))
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert missed > 0, "the reader was never slow"
    assert seen + missed == rounds * len(names), "what is lost is counted, to the last event"


async def test_the_log_is_read_only_while_somebody_listens(world: World) -> None:
    async with asyncio.timeout(20):
        async with listening(world, "alpha"):
            assert _streams(await _metrics(world)) >= 1
        while _streams(await _metrics(world)) > 0:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _all_of(socket: websockets.ClientConnection) -> None:
    while True:
        await socket.recv()


async def _metrics(world: World) -> httpx.Response:
    return await world.client.get("/metrics")


def _streams(answer: httpx.Response) -> float:
    for line in answer.text.splitlines():
        if line.startswith("motorcade_api_streams "):
            return float(line.split()[1])
    raise AssertionError("no such figure")
