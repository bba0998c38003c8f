"""Webhooks: what is posted, what answers mean, where is not posted to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any

import pytest

from apps.forwarding.world import SPEED, Answer, Hook, World, vin
from motorcade.apps.forwarding.parcel import Away, Name, Parcel
from motorcade.apps.forwarding.senders.webhook import Sender, Target, check
from motorcade.errors import Invalid

pytestmark = pytest.mark.engines


def load(world: World, count: int = 3) -> Parcel:
    cars = [vin(n) for n in range(1, count + 1)]
    batch = world.batch("acme", cars, {SPEED: [float(n) for n in range(count)]})
    return Parcel([batch], {world.vehicles[one]: Name(one) for one in cars})


async def test_events_are_signed_and_in_batches(world: World, hook: Hook) -> None:
    await world.tenant("acme", 3)
    target = Target(
        url=hook.url + "?key=1", secret="s3cret", authorization="Bearer xyz",
        headers={"X-Fleet": "acme"}, batch_rows_max=2,
    )  # fmt: skip
    sender = Sender(target, world.around("acme"))
    parcel = load(world)
    await sender.send(parcel)
    assert parcel.counts == (0, 3, 0, 0)
    assert [len(json.loads(body)) for body in hook.bodies] == [2, 1]
    headers = hook.headers[0]
    assert headers["content-type"] == "application/cloudevents-batch+json"
    assert (headers["authorization"], headers["x-fleet"]) == ("Bearer xyz", "acme")
    assert headers["host"] == f"127.0.0.1:{hook.port}"
    assert hook.paths == ["/hook?key=1"] * 2
    stamp, _, mac = headers["x-motorcade-signature"].partition(",v1=")
    seconds = stamp.removeprefix("t=")
    expected = hmac.new(b"s3cret", seconds.encode() + b"." + hook.bodies[0], hashlib.sha256)
    assert mac == expected.hexdigest()
    event = hook.events[0]
    assert event["specversion"] == "1.0"
    assert event["type"] == "motorcade.report"
    assert event["subject"] == vin(1)
    assert event["time"] == event["data"]["event_time"]
    await sender.close()


async def test_final_answers_are_dead_letters(world: World, hook: Hook) -> None:
    await world.tenant("acme", 3)
    hook.answers = [Answer(202), Answer(422)]
    sender = Sender(Target(url=hook.url, batch_rows_max=1), world.around("acme"))
    parcel = load(world)
    await sender.send(parcel)
    assert parcel.counts == (0, 2, 1, 0)
    assert parcel.reasons == ["HTTP 422"]
    await sender.close()


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        (Answer(429, {"retry-after": "7"}), 7.0),
        (Answer(503, {"retry-after": "99999"}), 3600.0),
        (Answer(503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), 0.0),
        (Answer(500, {"retry-after": "soon"}), None),
        (Answer(500, {"retry-after": "\xb2"}), None),
        (Answer(301, {"location": "http://127.0.0.1:1/"}), None),
    ],
)
async def test_other_answers_are_tried_again(
    world: World, hook: Hook, answer: Answer, wait_s: float | None
) -> None:
    await world.tenant("acme", 1)
    hook.answers = [answer]
    sender = Sender(Target(url=hook.url), world.around("acme"))
    parcel = load(world, 1)
    with pytest.raises(Away, match=f"HTTP {answer.status}") as caught:
        await sender.send(parcel)
    assert caught.value.retry_after_s == wait_s
    assert parcel.counts[0] == 1
    await sender.close()


async def test_a_server_that_stalls_or_is_not_there(world: World, hook: Hook) -> None:
    await world.tenant("acme", 1)
    hook.answers = [Answer(202, stall_s=5)]
    sender = Sender(Target(url=hook.url, timeout_s=1.0), world.around("acme"))
    with pytest.raises(Away, match="no answer within 1 s"):
        await sender.send(load(world, 1))
    await sender.close()
    nobody = Sender(Target(url="http://127.0.0.1:1/"), world.around("acme"))
    with pytest.raises(Away):
        await nobody.send(load(world, 1))
    await nobody.close()


async def test_an_answer_without_an_end_is_read_no_further(world: World, hook: Hook) -> None:
    await world.tenant("acme", 1)
    hook.answers = [Answer(422, chunk=b"no " * 20_000), Answer(202, chunk=b".", chunk_s=0.05)]
    sender = Sender(Target(url=hook.url, timeout_s=1.0), world.around("acme"))
    parcel = load(world, 1)
    async with asyncio.timeout(5):
        await sender.send(parcel)
    assert parcel.counts == (0, 0, 1, 0)
    assert parcel.reasons == [f"HTTP 422 {('no ' * 20_000)[:200]}".strip()]
    assert hook.chunks < 1_000
    drop_by_drop = load(world, 1)
    async with asyncio.timeout(5):
        await sender.send(drop_by_drop)
    assert drop_by_drop.counts == (0, 1, 0, 0)  # it said 202
    await sender.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0"]
)
async def test_the_platforms_own_network_is_not_called(world: World, hook: Hook, host: str) -> None:
    await world.tenant("acme", 1)
    around = world.around("acme", allow_private_addresses=False)
    sender = Sender(Target(url=f"http://{host}:{hook.port}/"), around)
    with pytest.raises(Away, match="own network"):
        await sender.send(load(world, 1))
    assert hook.bodies == []
    await sender.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://example.com"}, {"url": "http://user:pw@example.com"}, {"url": "http://"},
        {"url": "http://example.com:0/"}, {"batch_rows_max": 0}, {"timeout_s": 0.0},
        {"headers": {"authorization": "Bearer x"}}, {"headers": {"Cookie": "x"}},
        {"headers": {"Host": "x"}}, {"headers": {"X Y": "x"}}, {"headers": {"X": "a\r\nb"}},
        {"authorization": "é"}, {"ca_pem": "none"}, {"url": "http://x:99999/"},
    ],
)  # fmt: skip
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    check(Target(url="https://example.com/hook"))
    with pytest.raises(Invalid, match="target: "):
        check(Target(**{"url": "https://example.com/hook", **wrong}))
