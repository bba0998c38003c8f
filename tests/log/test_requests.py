"""Requests between processes: answers of any length, errors of our tree, nobody there, too many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engines_nats import Nats, until
from motorcade.errors import CapacityError, DependencyError, MotorcadeError, NotFound
from motorcade.limits import LOG_REPLY_BYTES_MAX
from motorcade.log.log import Log

pytestmark = pytest.mark.engines

Connect = Callable[..., Awaitable[Log]]


async def test_an_answer_of_any_length_arrives_whole(connect: Connect) -> None:
    server, client = await connect(), await connect()

    async def repeat(payload: bytes) -> bytes:
        return payload * 1000

    await server.serve("repeat", repeat)
    assert await client.request("repeat", b"") == b""
    assert await client.request("repeat", b"ab") == b"ab" * 1000
    long = bytes(range(256)) * 20
    assert await client.request("repeat", long) == long * 1000


async def test_the_handlers_error_reaches_the_asker(connect: Connect) -> None:
    server, client = await connect(), await connect()

    async def fail(payload: bytes) -> bytes:
        if payload == b"full":
            raise CapacityError("come back later", 7.0, path=object)
        if payload == b"bug":
            raise ZeroDivisionError
        if payload == b"long":
            return bytes(LOG_REPLY_BYTES_MAX + 1)
        raise NotFound("no such thing", thing="x")

    service = await server.serve("fail", fail)
    with pytest.raises(NotFound, match="no such thing") as missing:
        await client.request("fail")
    assert missing.value.facts == {"thing": "x"}
    with pytest.raises(CapacityError, match="later") as full:
        await client.request("fail", b"full")
    assert full.value.retry_after_s == 7.0
    with pytest.raises(CapacityError, match="too long"):
        await client.request("fail", b"long")
    with pytest.raises(MotorcadeError) as bug:
        await client.request("fail", b"bug")
    assert bug.value.code == "error"
    await service.close()


async def test_nobody_there_and_too_slow_are_dependency_errors(connect: Connect) -> None:
    server, client = await connect(), await connect()
    with pytest.raises(DependencyError, match="nobody serves"):
        await client.request("nobody")
    never = asyncio.Event()

    async def wait(_: bytes) -> bytes:
        await never.wait()
        return b""

    service = await server.serve("slow", wait)
    with pytest.raises(DependencyError, match="within"):
        await client.request("slow", timeout_s=0.1)
    await service.close()
    with pytest.raises(DependencyError, match="nobody serves"):
        await client.request("slow")


async def test_more_requests_than_may_wait_are_refused(connect: Connect) -> None:
    server, client = await connect(serve_in_flight_max=1), await connect()
    free = asyncio.Event()

    async def wait(_: bytes) -> bytes:
        await free.wait()
        return b"done"

    service = await server.serve("slow", wait)
    asked = [asyncio.create_task(client.request("slow", timeout_s=10)) for _ in range(8)]

    async def refused() -> bool:
        return service.refused >= 3

    await until(refused)
    free.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert answers.count(b"done") == 5
    assert sum(isinstance(answer, CapacityError) for answer in answers) == 3


async def test_each_request_goes_to_one_of_the_queue(connect: Connect) -> None:
    served: list[int] = []
    for number in range(3):

        async def answer(_: bytes, number: int = number) -> bytes:
            served.append(number)
            return b""

        await (await connect()).serve("shared", answer)
    client = await connect()
    for _ in range(60):
        await client.request("shared")
    assert len(served) == 60
    assert len(set(served)) > 1


async def test_a_service_outlives_the_server(nats: Nats, connect: Connect) -> None:
    server, client = await connect(), await connect()

    async def echo(payload: bytes) -> bytes:
        return payload

    await server.serve("echo", echo)
    nats.kill()
    with pytest.raises(DependencyError):
        await client.request("echo", b"x", timeout_s=0.2)
    await nats.start()

    async def answered() -> bool:
        try:
            return await client.request("echo", b"x") == b"x"
        except DependencyError:
            return False

    await until(answered)
