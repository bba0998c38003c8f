"""The client of a GB/T 32960 platform link: a real gateway as its peer, and one that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apps.forwarding.peers import Platform
from apps.forwarding.world import SPEED, World, eventually, vin
from engines_nats import Nats
from gateway.world import Known
from gateway.world import World as GatewayWorld
from motorcade.apps.forwarding.gbt32960_link import login_number
from motorcade.apps.forwarding.parcel import Away, Name, Parcel
from motorcade.apps.forwarding.senders.gbt32960 import Sender, Target, check
from motorcade.errors import Invalid
from motorcade.log.log import Log

pytestmark = pytest.mark.engines

CODE = "MOTORCADETEST0001"
PACKS = "Vehicle.Powertrain.TractionBattery.PackCodes"
ICCID = "Vehicle.Connectivity.ICCID"
SEQUENCE = "Vehicle.Connectivity.LoginSequence"


def settings(port: int, **more: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1", "port": port, "user": "one", "password": "secret", "code": CODE,
        "answer_timeout_s": 5.0, "login_retry_s": 0.05, "login_pause_s": 0.2,
        "refused_retry_s": 0.05, **more,
    }  # fmt: skip


@pytest.fixture
async def peer() -> AsyncIterator[Platform]:
    platform = await Platform().start()
    yield platform
    await platform.stop()


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    """Another platform: its own log, its own gateway."""
    (tmp_path / "other").mkdir()
    async with Nats(tmp_path / "other") as nats:
        log = await Log.connect(nats.config())
        world = GatewayWorld(nats, log, [0] * log.partitions)
        yield world
        await world.close()
        await log.close()


def parcel(world: World, vins: list[str], speeds: list[float], **more: Any) -> Parcel:
    batch = world.batch("acme", vins, {SPEED: speeds}, **more)
    names = {world.vehicles[one]: Name(one, "", "89860000000000000001") for one in vins}
    return Parcel([batch], names)


@pytest.mark.parametrize("edition", [2016, 2025])
async def test_to_the_gateway_of_another_platform(
    world: World, other: GatewayWorld, edition: int
) -> None:
    await world.tenant("acme", 3)
    for number in range(1, 4):
        other.table.known[vin(number)] = Known(number + 500, 1, vin(number))
    gateway = await other.gateway()
    port = gateway.addresses["gbt32960"][0][1]
    target = settings(port, edition=edition)
    forwarder = await world.forwarder("acme", "up", "gbt32960", target)
    world.start()
    await world.ready(forwarder)
    cars = [vin(1), vin(2), vin(3)]
    await world.report("acme", cars, {SPEED: [10.0, 20.5, 30.0]})
    await eventually(lambda: _sent(world, 3))
    rows = await other.rows("report")
    assert sorted(row[SPEED] for row in rows) == [10.0, 20.5, 30.0]
    assert {row["vehicle"] for row in rows} == {501, 502, 503}
    logins = await other.rows("login")
    assert len(logins) == 3
    await world.report("acme", cars[:1], {}, kind="logout")
    await eventually(lambda: other.rows("logout"))
    await gateway.drain_and_stop()


async def _sent(world: World, rows: int) -> bool:
    return (await world.state("acme", "up")).sent >= rows


async def test_an_outage_is_re_issued(world: World, peer: Platform) -> None:
    """What came while the platform was away goes as 03, in order, when it is back."""
    await world.tenant("acme", 2)
    target = settings(peer.port, reissue_after_s=0.3)
    forwarder = await world.forwarder("acme", "up", "gbt32960", target)
    world.start()
    await world.ready(forwarder)
    await world.report("acme", [vin(1)], {SPEED: [1.0]})
    await eventually(lambda: _sent(world, 1))
    assert peer.commands == [5, 1, 2]
    await peer.stop()
    for speed in range(2, 7):
        await world.report("acme", [vin(1)], {SPEED: [float(speed)]})
    await eventually(lambda: _failing(world))
    await asyncio.sleep(0.35)  # what is late is told by its age
    peer.frames.clear()
    await peer.start()
    await eventually(lambda: _sent(world, 6))
    assert peer.commands == [5, 3, 3, 3, 3, 3]
    assert [speed_of(frame) for frame in peer.frames[1:]] == [2.0, 3.0, 4.0, 5.0, 6.0]
    await world.report("acme", [vin(1)], {SPEED: [7.0]})
    await eventually(lambda: _sent(world, 7))
    assert peer.commands[-1] == 2
    await world.stop()
    assert peer.commands[-1] == 6


def speed_of(frame: bytes) -> float:
    return int.from_bytes(frame[34:36], "big") / 10


async def _failing(world: World) -> bool:
    return (await world.state("acme", "up")).failures > 0


async def test_hung_up_in_the_middle_only_the_rest_is_repeated(
    world: World, peer: Platform
) -> None:
    await world.tenant("acme", 1)
    sender = Sender(Target(**settings(peer.port)), world.around("acme"))
    load = parcel(world, [vin(1)] * 40, [float(speed) for speed in range(40)])
    answered = 0

    def answer(frame: bytes) -> int | None:
        nonlocal answered
        answered += 1
        if answered > 20:
            peer.hang_up()
            return None
        return 1

    peer.answer = answer
    with pytest.raises(Away):
        await sender.send(load)
    waiting, sent, *_ = load.counts
    assert 0 < sent < 40
    assert waiting == 40 - sent
    load.attempts += 1
    peer.answer = lambda frame: 1
    peer.frames.clear()
    await sender.send(load)
    assert load.counts == (0, 40, 0, 0)
    assert [command for command in peer.commands if command == 3] == [3] * waiting
    await sender.close()


async def test_logins_and_logouts_are_the_vehicles_own(world: World, peer: Platform) -> None:
    await world.tenant("acme", 1)
    sender = Sender(Target(**settings(peer.port)), world.around("acme"))
    one = [vin(1)]
    facts = {SEQUENCE: [7], ICCID: ["89860000000000000009"], PACKS: [["A01", "A02"]]}
    batches = [
        world.batch("acme", one, facts, kind="login"),
        world.batch("acme", one, {SPEED: [1.0]}),
        world.batch("acme", one, {SEQUENCE: [7]}, kind="logout"),
        world.batch("acme", one, {"Vehicle.Connectivity.Link.Event": [3]}, kind="link"),
        world.batch("acme", one, {SPEED: [2.0]}),
        world.batch("acme", one, {"Vehicle.Connectivity.Link.Event": [3]}, kind="link"),
    ]
    load = Parcel(batches, {world.vehicles[vin(1)]: Name(vin(1))})
    await sender.send(load)
    assert load.counts == (0, 5, 0, 1)  # the second end of the first session had been told already
    assert peer.commands == [5, 1, 2, 4, 1, 2, 4]
    login, logout = peer.frames[1], peer.frames[3]
    assert login[30:32] == b"\0\x07"
    assert login[32:52] == b"89860000000000000009"
    assert login[54:60] == b"A01A02"
    assert logout[30:32] == b"\0\x07"
    assert peer.frames[6][30:32] == peer.frames[4][30:32]
    await sender.close()


async def test_refused_frames_have_their_tries(world: World, peer: Platform) -> None:
    await world.tenant("acme", 2)
    target = Target(**settings(peer.port, refused_retries=2))
    sender = Sender(target, world.around("acme"))
    peer.answer = lambda frame: 2 if frame[4:21] == vin(2).encode() and frame[2] == 2 else 1
    load = parcel(world, [vin(1), vin(2)], [1.0, 2.0])
    await sender.send(load)
    assert load.counts == (0, 1, 1, 0)
    assert peer.commands == [5, 1, 2, 1, 2, 2, 2]
    assert load.reasons == [f"{vin(2)}: refused with flag 02"]
    again = parcel(world, [vin(2)], [3.0])
    await sender.send(again)
    assert again.counts == (0, 0, 1, 0)
    assert peer.commands[7:] == [2]  # it had been refused three times lately: tried once
    await sender.close()


async def test_a_refused_login_waits_as_the_standard_says(world: World, peer: Platform) -> None:
    await world.tenant("acme", 1)
    sender = Sender(Target(**settings(peer.port, login_retries=3)), world.around("acme"))
    peer.answer = lambda frame: 2
    pauses = []
    for _ in range(6):
        with pytest.raises(Away, match="refused with flag 02") as caught:
            await sender.idle()
        pauses.append(caught.value.retry_after_s)
    assert pauses == [0.05, 0.05, 0.2] * 2
    assert peer.connections == 6
    await sender.close()


async def test_a_silent_peer_is_given_up(world: World, peer: Platform) -> None:
    await world.tenant("acme", 1)
    sender = Sender(Target(**settings(peer.port, answer_timeout_s=0.2)), world.around("acme"))
    peer.answer = lambda frame: 1 if frame[2] == 5 else None
    with pytest.raises(Away, match="no answer to 2 frames"):
        await sender.send(parcel(world, [vin(1)], [1.0]))
    await sender.close()


async def test_answers_nobody_asked_for_change_nothing(world: World, peer: Platform) -> None:
    """A peer that answers for other vehicles, other times, or talks nonsense."""
    from motorcade.protocols.gbt32960 import encode
    from motorcade.protocols.gbt32960.encode import logout_unit

    await world.tenant("acme", 1)
    sender = Sender(Target(**settings(peer.port, answer_timeout_s=0.3)), world.around("acme"))
    lies = [
        encode(2, vin(9), logout_unit(0, 1), flag=1),
        encode(2, vin(1), logout_unit(0, 1), flag=1),
        encode(2, vin(1), logout_unit(0, 1)),
        b"nonsense##\x02\xfe",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ]
    peer.lies = b"".join(lies)
    peer.answer = lambda frame: None if frame[2] == 2 else 1
    load = parcel(world, [vin(1)], [1.0])
    with pytest.raises(Away, match="no answer"):
        await sender.send(load)
    assert load.counts[0] == 1
    peer.answer = lambda frame: 1
    await sender.send(load)
    assert load.counts == (0, 1, 0, 0)
    await sender.close()


async def test_the_window_bounds_what_is_under_way(world: World, peer: Platform) -> None:
    await world.tenant("acme", 1)
    sender = Sender(
        Target(**settings(peer.port, window=4, answer_timeout_s=0.3)), world.around("acme")
    )
    peer.answer = lambda frame: None if frame[2] == 2 else 1
    with pytest.raises(Away):
        await sender.send(parcel(world, [vin(1)] * 50, [1.0] * 50))
    assert peer.commands.count(2) == 4
    await sender.close()


async def test_heartbeats_keep_a_quiet_link(world: World, peer: Platform) -> None:
    await world.tenant("acme", 1)
    sender = Sender(Target(**settings(peer.port, heartbeat_s=0.05)), world.around("acme"))
    await sender.idle()
    await asyncio.sleep(0.06)
    await sender.idle()
    await eventually(lambda: [frame[2] for frame in peer.frames] == [5, 7])
    peer.hang_up()
    await asyncio.sleep(0.02)
    await sender.idle()
    assert peer.connections == 2
    await sender.close()


async def test_with_a_key_data_units_are_enciphered(world: World, peer: Platform) -> None:
    from motorcade.protocols import gbt32960

    key = "00112233445566778899aabbccddeeff"
    await world.tenant("acme", 1)
    sender = Sender(Target(**settings(peer.port, aes_key_hex=key)), world.around("acme"))
    load = parcel(world, [vin(1)], [42.0])
    await sender.send(load)
    assert load.counts == (0, 1, 0, 0)
    assert [frame[21] for frame in peer.frames] == [1, 3, 3]
    known = {0: gbt32960.TenantSettings(aes_key=bytes.fromhex(key))}
    (batch,) = gbt32960.decode(gbt32960.cut([peer.frames[2]]).frames, 0, known).batches
    assert batch.column(SPEED).to_pylist() == [42.0]
    await sender.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": "thirteen chars"}, {"password": ""}, {"code": "x" * 18}, {"window": 0},
        {"aes_key_hex": "00"}, {"host": "a b"}, {"port": 0}, {"heartbeat_s": -1.0},
        {"login_retries": 0}, {"answer_timeout_s": 0.0}, {"ca_pem": "none"},
    ],
)  # fmt: skip
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="target: "):
        check(Target(**{**settings(32960), **wrong}))


def test_a_login_number_grows_through_the_day() -> None:
    midnight = 1_761_580_800_000_000  # 2025-10-28 in GMT+8
    assert login_number(midnight) == 1
    assert login_number(midnight + 2_000_000) == 2
    assert login_number(midnight - 1) == 43_200
