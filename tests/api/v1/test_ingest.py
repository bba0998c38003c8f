"""Records from other back ends: what is stored, what is refused and why, and whose it is."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pyarrow as pa
import pytest
import websockets

from api.world import PARTITIONS, SPEED, World, vin
from motorcade.api.config import Config
from motorcade.api.ingest.bodies import ARROW
from motorcade.api.serve import ApiServer
from motorcade.api.v1.ingest.registry import routes as bodies
from motorcade.api.v1.ingest.ws import routes as messages
from motorcade.limits import (
    API_INGEST_MESSAGE_BYTES_MAX,
    API_INGEST_SOCKETS_PER_TENANT_MAX,
    API_INGESTS_PER_TENANT_MAX,
    API_INLINE_BYTES_MAX,
)

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]
assert bodies
assert messages

LINES = "application/x-ndjson"
NOON_S = 1_767_268_800
CAR = vin("alpha", 1)


def lines(*rows: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def row(car: str, second: int = 0, **signals: Any) -> dict[str, Any]:
    return {"vin": car, "ts": NOON_S + second, **(signals or {SPEED: 54.5})}


def arrow(rows: list[dict[str, Any]]) -> bytes:
    table = pa.Table.from_pylist(rows)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue()


async def send(
    world: World, whose: str, body: bytes, kind: str = LINES, role: str = "operator", **query: Any
) -> httpx.Response:
    headers = {**world.headers(whose, role), "Content-Type": kind}
    return await world.client.post("/v1/ingest", content=body, headers=headers, params=query)


@asynccontextmanager
async def stored(world: World) -> AsyncIterator[list[dict[str, Any]]]:
    """The rows that the log gets meanwhile."""
    ends = [(await world.log.bounds(partition)).last for partition in range(PARTITIONS)]
    found: list[dict[str, Any]] = []
    yield found
    for partition, after in enumerate(ends):
        last = (await world.log.bounds(partition)).last
        if last == after:
            continue
        async with world.log.consume(partition, after) as records:
            async for record in records:
                found += [one for batch in record.batches for one in batch.data.to_pylist()]
                if record.sequence == last:
                    break


async def test_rows_are_in_the_log_when_the_answer_comes(world: World) -> None:
    cars = [vin("alpha", 1), vin("alpha", 2)]
    async with stored(world) as found:
        answer = await send(world, "alpha", lines(row(cars[0]), row(cars[1].lower(), 1)))
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 2, "rejected": 0, "errors": []}
    assert {one["vehicle"] for one in found} == {world.numbers[car] for car in cars}
    assert {one["tenant"] for one in found} == {world.tenants["alpha"]}
    assert {one[SPEED] for one in found} == {54.5}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (LINES, lines(row(vin("alpha", 1), 5))),
        ("application/json", json.dumps([row(vin("alpha", 1), 5)]).encode()),
        ("text/csv", f"vin,ts,{SPEED}\n{vin('alpha', 1)},{NOON_S + 5},54.5\n".encode()),
        (
            "text/csv; charset=utf-8",
            f"ts,vin,{SPEED}\n{NOON_S + 5},{CAR},54.50".encode(),
        ),
        (ARROW, arrow([row(vin("alpha", 1), 5)])),
    ],
)
async def test_the_same_row_is_the_same_record_in_every_format(
    world: World, kind: str, body: bytes
) -> None:
    async with stored(world) as found:
        for _ in range(2):
            assert (await send(world, "alpha", body, kind)).json()["accepted"] == 1
        assert (await send(world, "alpha", lines(row(vin("alpha", 1), 5)))).status_code == 200
    assert len(found) == 3
    assert len({(one["event_time"], one["record"]) for one in found}) == 1


async def test_wrong_rows_are_named_and_hold_nothing_up(world: World) -> None:
    car = vin("alpha", 1)
    body = lines(
        row(car), row("LZZ99999999999999"), row(vin("beta", 1)), row(car, 1, **{SPEED: "fast"}),
        {"vin": car, SPEED: 1}, row(car, 2, **{"Vehicle.Speeed": 1}), row(car, 3),
    )  # fmt: skip
    answer = (await send(world, "alpha", body)).json()
    assert (answer["accepted"], answer["rejected"]) == (2, 5)
    errors = {one.pop("line"): one for one in answer["errors"]}
    assert {line: one["code"] for line, one in errors.items()} == {
        2: "unknown_vin", 3: "unknown_vin", 4: "type", 5: "time", 6: "unknown_signal",
    }  # fmt: skip
    assert errors[2].pop("vin") != errors[3].pop("vin")
    assert errors[2] == errors[3], "another tenant's vehicle is as one that nobody has"
    assert SPEED in errors[6]["reason"]


async def test_names_no_vehicle_can_have_are_unknown_ones(world: World) -> None:
    answer = await send(world, "alpha", lines(row(CAR), row(CAR + "\0"), row("\0")))
    assert answer.status_code == 200, answer.text
    assert [(one["line"], one["code"]) for one in answer.json()["errors"]] == [
        (2, "unknown_vin"), (3, "unknown_vin"),
    ]  # fmt: skip


async def test_a_body_without_a_good_row_is_refused_with_the_reasons(world: World) -> None:
    answer = await send(world, "alpha", lines(row(vin("beta", 1))))
    assert answer.status_code == 400
    said = answer.json()
    assert (said["code"], said["rejected"]) == ("caller.invalid", 1)
    assert said["errors"][0]["code"] == "unknown_vin"


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        (LINES, b"", "no rows"),
        ("application/xml", b"<a/>", "application/x-ndjson"),
        ("application/json", b"{", "no JSON list"),
        ("text/csv", b"vin\nA", "no column 'ts'"),
    ],
)
async def test_what_is_no_body_is_refused(world: World, kind: str, body: bytes, says: str) -> None:
    answer = await send(world, "alpha", body, kind)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


async def test_a_body_in_another_encoding_is_refused(world: World) -> None:
    headers = {**world.headers("alpha", "operator"), "Content-Encoding": "gzip"}
    answer = await world.client.post("/v1/ingest", content=b"x", headers=headers)
    assert answer.status_code == 400
    assert "gzip" in answer.json()["detail"]


async def test_a_reader_may_not_write_and_the_platform_names_whom_it_writes_for(
    world: World,
) -> None:
    body = lines(row(vin("alpha", 1)))
    assert (await send(world, "alpha", body, role="reader")).status_code == 403
    assert (await send(world, "platform", body, role="platform")).status_code == 400
    answer = await send(world, "platform", body, role="platform", tenant="alpha")
    assert answer.json()["accepted"] == 1
    assert (await send(world, "beta", body, tenant="alpha")).status_code == 404


async def test_rows_are_streamed_to_those_who_listen(world: World) -> None:
    headers = {**world.headers("alpha"), "Accept": "text/event-stream"}
    query = {"vin": vin("alpha", 3)}
    async with (
        asyncio.timeout(20),
        world.client.stream("GET", "/v1/stream", params=query, headers=headers) as answer,
    ):
        heard = answer.aiter_lines()
        assert await anext(heard) == ": ready"
        await send(world, "alpha", lines(row(vin("alpha", 3), 9, **{SPEED: 12.5})))
        async for line in heard:
            if line.startswith("data: "):
                assert json.loads(line.removeprefix("data: "))["signals"] == {SPEED: 12.5}
                break


async def test_a_large_body(world: World) -> None:
    rows = [row(vin("alpha", n % 5 + 1), n) for n in range(20_000)]
    body = lines(*rows)
    assert len(body) > API_INLINE_BYTES_MAX
    async with asyncio.timeout(60), stored(world) as found:
        answer = await send(world, "alpha", body)
    assert answer.json()["accepted"] == len(rows) == len(found)


@asynccontextmanager
async def server_of(world: World, config: Config) -> AsyncIterator[ApiServer]:
    """Another server over the world's engines."""
    server = ApiServer(replace(world.services, config=config))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def slow(
    world: World, server: ApiServer, every_s: float
) -> tuple[asyncio.StreamReader, asyncio.Task[None]]:
    """Begin an upload of beta's that sends a byte each ``every_s``."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    head = (
        "POST /v1/ingest HTTP/1.1\r\nHost: slow\r\nContent-Length: 100000\r\n"
        f"Authorization: {world.headers('beta', 'operator')['Authorization']}\r\n"
        f"Content-Type: {LINES}\r\n\r\n"
    )
    writer.write(head.encode())

    async def trickle() -> None:
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(every_s)
        except ConnectionError:
            return
        finally:
            writer.close()

    return reader, asyncio.create_task(trickle())


@pytest.mark.parametrize("every_s", [0.05, 60.0], ids=["trickles", "hangs"])
async def test_an_upload_that_does_not_arrive_gives_its_place_up(
    world: World, every_s: float
) -> None:
    """As many as a tenant has places: each had one, and the next upload finds one."""
    body = lines(row(vin("beta", 1)))
    headers = {**world.headers("beta", "operator"), "Content-Type": LINES}
    config = Config(listen="127.0.0.1:0", upload_timeout_s=1.0)
    async with (
        asyncio.timeout(40),
        server_of(world, config) as server,
        httpx.AsyncClient(base_url=server.address, headers=headers, timeout=20.0) as client,
    ):
        uploads = [await slow(world, server, every_s) for _ in range(API_INGESTS_PER_TENANT_MAX)]
        for reader, sending in uploads:
            said = await reader.readuntil(b"}")
            assert said.startswith(b"HTTP/1.1 408 ")
            assert b'"code":"caller.too_slow"' in said
            sending.cancel()
        assert (await client.post("/v1/ingest", content=body)).json()["accepted"] == 1


@asynccontextmanager
async def socket_of(
    world: World, whose: str, role: str = "operator", query: str = ""
) -> AsyncIterator[Any]:
    address = world.server.address.replace("http", "ws") + f"/v1/ingest/ws{query}"
    headers = world.headers(whose, role)
    async with (
        asyncio.timeout(30),
        websockets.connect(address, additional_headers=headers, max_size=None) as socket,
    ):
        yield socket


async def test_messages_are_answered_in_order_once_they_are_stored(world: World) -> None:
    car = vin("alpha", 4)
    async with stored(world) as found, socket_of(world, "alpha") as socket:
        await socket.send(lines(row(car), row(car, 1)).decode())
        await socket.send(arrow([row(car, 2)]))
        await socket.send(lines(row(car, 3), row(vin("beta", 1))).decode())
        answers = [json.loads(await socket.recv()) for _ in range(3)]
    assert [one["seq"] for one in answers] == [1, 2, 3]
    assert [(one["accepted"], one["rejected"]) for one in answers] == [(2, 0), (1, 0), (1, 1)]
    assert answers[2]["errors"][0]["code"] == "unknown_vin"
    assert len(found) == 4


async def test_a_message_that_is_none_is_told_and_the_next_is_taken(world: World) -> None:
    async with socket_of(world, "alpha") as socket:
        await socket.send(b"no arrow")
        await socket.send("")
        await socket.send(b"\0" * (API_INGEST_MESSAGE_BYTES_MAX + 1))
        await socket.send(lines(row(vin("alpha", 4))).decode())
        answers = [json.loads(await socket.recv()) for _ in range(4)]
    assert [one.get("code") for one in answers] == ["caller.invalid"] * 3 + [None]
    assert "allowed" in answers[2]["detail"]
    assert answers[3] == {"seq": 4, "accepted": 1, "rejected": 0, "errors": []}


async def test_a_revoked_key_ends_its_sockets(world: World) -> None:
    tenant = world.tenants["alpha"]
    key = await world.fleet.create_key(tenant, "operator", "short")
    world.tokens["feeder"] = {"operator": key.token}
    async with socket_of(world, "feeder") as socket:
        await socket.send(lines(row(vin("alpha", 4))).decode())
        assert json.loads(await socket.recv())["accepted"] == 1
        await world.fleet.revoke_key(tenant, key.key.id)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert "revoked" in closed.value.rcvd.reason


@pytest.mark.parametrize(
    ("whose", "role", "query"),
    [
        ("alpha", "reader", ""),
        ("beta", "operator", "?tenant=alpha"),
        ("platform", "platform", ""),
    ],
)
async def test_handshakes_that_are_refused(world: World, whose: str, role: str, query: str) -> None:
    """With 403, whatever the reason: a handshake has no room for a problem."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with socket_of(world, whose, role, query):
            pytest.fail("it was opened")
    assert refused.value.response.status_code == 403


async def test_sockets_are_bounded_and_given_back(world: World) -> None:
    opened = [socket_of(world, "beta") for _ in range(API_INGEST_SOCKETS_PER_TENANT_MAX)]
    sockets = [await one.__aenter__() for one in opened]
    with pytest.raises(websockets.InvalidStatus):
        async with socket_of(world, "beta"):
            pytest.fail("one too many")
    for one in opened:
        await one.__aexit__(None, None, None)
    assert len(sockets) == API_INGEST_SOCKETS_PER_TENANT_MAX
    async with asyncio.timeout(20):
        while True:
            try:
                async with socket_of(world, "beta") as socket:
                    await socket.send(lines(row(vin("beta", 2))).decode())
                    assert json.loads(await socket.recv())["accepted"] == 1
                    return
            except websockets.InvalidStatus:
                # The server notices that a socket is closed a moment after its client does.
                continue
