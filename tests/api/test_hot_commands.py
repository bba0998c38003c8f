"""The short way to a new command answers as the long way does, and only where it may."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from api.world import World, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

CAR = vin("alpha", 4)
PATH = f"/v1/vehicles/{CAR}/commands"
LONG = {"tenant": "alpha"}
"""A query is what the short way leaves to the long one."""


async def _post(world: World, body: Any, query: Any = None, **headers: str) -> httpx.Response:
    whose = {**world.headers("alpha", "operator"), **headers}
    return await world.client.post(PATH, json=body, params=query, headers=whose)


async def test_both_ways_write_the_same_answer(world: World) -> None:
    body = {"kind": "lock", "parameters": {"doors": "rear"}, "ttl_s": 60}
    short = await _post(world, body, **{"Idempotency-Key": "ways"})
    long = await _post(world, body, LONG, **{"Idempotency-Key": "ways"})
    assert short.status_code == long.status_code == 202
    assert short.content == long.content
    for name in ("content-type", "location", "content-length"):
        assert short.headers[name] == long.headers[name]


async def test_both_ways_refuse_alike(world: World) -> None:
    first = {"kind": "lock", "idempotency_key": "alike"}
    assert (await _post(world, first)).status_code == 202
    for body in ({**first, "kind": "unlock"}, {"kind": "fly"}, {"kind": "lock", "more": 1}, [1]):
        short, long = await _post(world, body), await _post(world, body, LONG)
        assert short.status_code == long.status_code in (400, 409)
        assert short.json() == long.json()
        assert short.headers["content-type"] == long.headers["content-type"]


async def test_a_body_in_many_parts_is_taken_whole(world: World) -> None:
    parts = [b'{"kind": "te', b'xt", "parameters": {"text": "', b"x" * 400, b'"}}']

    async def body() -> Any:
        for part in parts:
            yield part

    headers = {**world.headers("alpha", "operator"), "Content-Type": "application/json"}
    made = await world.client.post(PATH, content=body(), headers=headers)
    assert made.status_code == 202
    assert made.json()["parameters"]["text"] == "x" * 400
    large = await world.client.post(PATH, content=b" " * 70_000 + b"{}", headers=headers)
    assert large.status_code == 400


async def test_only_an_operator_of_the_tenant_gets_through(world: World) -> None:
    body = {"kind": "lock"}
    for headers, status in (
        (world.headers("alpha"), 403),
        (world.headers("beta", "operator"), 404),
        (world.headers("platform", "platform"), 400),
        ({}, 401),
    ):
        answer = await world.client.post(PATH, json=body, headers=headers)
        assert answer.status_code == status
    stranger = PATH.replace(CAR, vin("alpha", 9_999))
    whose = world.headers("alpha", "operator")
    assert (await world.client.post(stranger, json=body, headers=whose)).status_code == 404


async def test_many_at_once_share_a_few_transactions(world: World) -> None:
    answers = await asyncio.gather(*(_post(world, {"kind": "lock"}) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 20
    assert len({answer.json()["number"] for answer in answers}) == 20
