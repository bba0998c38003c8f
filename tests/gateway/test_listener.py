"""Doors: who is closed by rule, how much is held, TLS, several gateways on one port."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest

from gateway.world import Car, World, eventually, frame, login, report
from motorcade.errors import Invalid
from motorcade.gateway.listener import parse_address

pytestmark = pytest.mark.engines


def certify(certificate: str, key: str) -> None:
    """A certificate for 127.0.0.1 that signs itself."""
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", key, "-out", certificate]
    subprocess.run([*request.split(), *subject, *files], check=True, capture_output=True)


def test_addresses() -> None:
    assert parse_address("127.0.0.1:80") == ("127.0.0.1", 80)
    assert parse_address("[::1]:80") == ("::1", 80)
    assert parse_address(":80") == ("0.0.0.0", 80)
    for wrong in ("80", "host:", "host:port", "host:70000", "host:²"):
        with pytest.raises(Invalid):
            parse_address(wrong)


@pytest.mark.parametrize(
    ("rules", "first", "rule"),
    [
        ({"login_timeout_s": 0.2}, b"", "login_timeout"),
        ({"idle_timeout_s": 0.2}, b"", "idle_timeout"),
        ({"frame_timeout_s": 0.2}, b"##\x02\xfe", "frame_timeout"),
    ],
)
async def test_silent_and_slow_peers_are_closed(
    world: World, rules: dict[str, float], first: bytes, rule: str
) -> None:
    gateway = await world.gateway(rules=rules)
    car = await world.car(gateway)
    car.send(first)
    assert await car.closed()
    await eventually(lambda: gateway.metrics.closed[rule] == 1)
    assert gateway.connections == 0


async def test_who_speaks_in_time_stays(world: World) -> None:
    gateway = await world.gateway(
        rules={"login_timeout_s": 0.5, "idle_timeout_s": 3.0, "frame_timeout_s": 0.5}
    )
    vin = world.table.add()
    car = await world.car(gateway, vin)
    for _ in range(10):
        await asyncio.sleep(0.3)
        car.send(frame(7, vin, b""))
        assert (await car.receive())[2:4] == b"\x07\x01"


async def test_endless_garbage_is_closed_and_others_are_served(world: World) -> None:
    gateway = await world.gateway(garbage_bytes_max=20_000)
    vin = world.table.add()
    good = await world.car(gateway, vin)
    bad = [await world.car(gateway) for _ in range(5)]
    for number, car in enumerate(bad):
        car.send(bytes([number]) * 200_000)
    good.send(report(vin))
    assert (await good.receive())[3] == 1
    for car in bad:
        assert await car.closed()
    assert gateway.metrics.closed["garbage"] == 5
    await eventually(lambda: gateway._shared.budget.pending == 0)


async def test_garbage_between_good_frames_never_closes(world: World) -> None:
    gateway = await world.gateway(garbage_bytes_max=5_000)
    vin = world.table.add()
    car = await world.car(gateway, vin)
    for _ in range(5):
        car.send(b"x" * 4_000, report(vin))
        assert (await car.receive())[3] == 1


async def test_a_claimed_length_of_64_kib_is_waited_for_and_then_searched(world: World) -> None:
    gateway = await world.gateway()
    vin = world.table.add()
    car = await world.car(gateway, vin)
    liar = b"##\x02\xfe" + vin.encode() + b"\x01" + (65_000).to_bytes(2, "big")
    good = report(vin)
    car.send(liar, good, bytes(65_001 - len(good)), report(vin))
    assert [(await car.receive())[3] for _ in range(2)] == [1, 1]


async def test_unfinished_frames_of_all_peers_are_bounded(world: World) -> None:
    gateway = await world.gateway(partial_bytes_max=100_000)
    vin = world.table.add()
    good = await world.car(gateway, vin)
    half = b"##\x02\xfe" + vin.encode() + b"\x01" + (65_000).to_bytes(2, "big") + bytes(30_000)
    slow = [await world.car(gateway) for _ in range(6)]
    for car in slow:
        car.send(half)
    await eventually(lambda: gateway.metrics.closed["partial_bytes"] >= 3)
    good.send(report(vin))
    assert (await good.receive())[3] == 1
    assert gateway._listeners[0].table.kept_bytes <= 100_000


async def test_a_long_frame_in_small_pieces_is_still_read(world: World) -> None:
    gateway = await world.gateway(linger_ms=1)
    vin = world.table.add()
    car = await world.car(gateway, vin)
    whole = frame(
        2, vin, bytes([25, 6, 15, 10, 0, 1, 0x81]) + (20_000).to_bytes(2, "big") + bytes(20_000)
    )
    for at in range(0, len(whole), 300):
        car.send(whole[at : at + 300])
        await car.writer.drain()
        await asyncio.sleep(0.001)
    assert (await car.receive())[3] == 1


async def test_answers_nobody_reads_close_the_peer(world: World) -> None:
    gateway = await world.gateway(write_buffer_bytes_max=10_000)
    vin = world.table.add()
    car = await world.car(gateway, vin)
    car.reader._transport.pause_reading()  # type: ignore[attr-defined]
    many = b"".join(frame(7, vin, b"") for _ in range(5_000))

    async def flood() -> None:
        while not gateway.metrics.closed["unread_answers"]:
            car.writer.write(many)
            await asyncio.sleep(0.01)

    await asyncio.wait_for(flood(), 20)
    await eventually(lambda: gateway.connections == 0)


async def test_connections_above_the_limit_are_refused_and_the_others_stay(world: World) -> None:
    gateway = await world.gateway(connections_max=3)
    vin = world.table.add()
    good = await world.car(gateway, vin)
    others = [await world.car(gateway) for _ in range(2)]
    assert await (await world.car(gateway)).closed()
    assert gateway.metrics.closed["connection_limit"] == 1
    good.send(report(vin))
    assert (await good.receive())[3] == 1
    await others[0].close()
    await eventually(lambda: gateway.connections == 2)
    await world.car(gateway, world.table.add())


async def test_held_bytes_are_bounded_and_nothing_is_lost(world: World) -> None:
    gateway = await world.gateway(
        pending_bytes_max=50_000, tick_bytes_max=20_000, receive_buffer_bytes=8_192
    )
    vins = [world.table.add() for _ in range(20)]
    cars = [await world.car(gateway, vin) for vin in vins]
    highest = 0
    for car, vin in zip(cars, vins, strict=True):
        car.send(*(report(vin) for _ in range(500)))

    async def answers(car: Car) -> int:
        count = 0
        for _ in range(500):
            count += (await car.receive(60))[3] == 1
        return count

    waiting = asyncio.gather(*(answers(car) for car in cars))
    while not waiting.done():
        highest = max(highest, gateway._shared.budget.pending)
        await asyncio.sleep(0.001)
    assert await waiting == [500] * 20
    assert gateway._shared.budget.pauses > 0
    # The bound, and one read of one peer above it.
    assert highest <= 50_000 + 2 * 262_144
    assert gateway._shared.budget.pending == 0
    await eventually(lambda: not gateway._shared.budget.full)


async def test_tls_with_and_without_a_client_certificate(world: World, tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("cert.pem", "key.pem")}
    certify(files["cert.pem"], files["key.pem"])
    rules = {
        "listen": "",
        "tls_listen": "127.0.0.1:0",
        "tls_certificate": files["cert.pem"],
        "tls_key": files["key.pem"],
    }
    context = ssl.create_default_context(cafile=files["cert.pem"])
    gateway = await world.gateway(rules=rules)
    vin = world.table.add()
    car = await world.car(gateway, vin, ssl=context)
    car.send(report(vin))
    assert (await car.receive())[3] == 1
    strict = await world.gateway(rules={**rules, "tls_client_ca": files["cert.pem"]})
    stranger = await world.car(strict, ssl=context)
    stranger.send(login(vin))
    assert await stranger.closed()
    context.load_cert_chain(files["cert.pem"], files["key.pem"])
    await world.car(strict, vin, ssl=context)


async def test_wrong_addresses_and_files_say_so(world: World) -> None:
    with pytest.raises(Invalid, match="cannot listen"):
        await world.gateway(rules={"listen": "203.0.113.1:1"})
    with pytest.raises(Invalid, match="certificate"):
        await world.gateway(rules={"tls_listen": "127.0.0.1:0", "tls_certificate": "nowhere"})
