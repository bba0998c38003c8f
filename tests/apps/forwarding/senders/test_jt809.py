"""The client of a JT/T 809 main link, and an upper platform that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apps.forwarding.world import SPEED, World, eventually, vin
from motorcade.apps.forwarding.parcel import Away, Name, Parcel
from motorcade.apps.forwarding.senders.jt809 import Sender, Target, check
from motorcade.errors import Invalid
from motorcade.protocols import jt809

pytestmark = pytest.mark.engines

LATITUDE = "Vehicle.CurrentLocation.Latitude"
LONGITUDE = "Vehicle.CurrentLocation.Longitude"


class Upper:
    """An upper platform. ``silent`` kinds are not answered; ``result`` is what logins get."""

    def __init__(self, edition: int, cipher: jt809.Cipher | None = None) -> None:
        self.frames: list[jt809.Frame] = []
        self.silent: set[int] = set()
        self.result = 0
        self.nonsense = b""
        self.port = 0
        self._edition = edition
        self._cipher = cipher
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def kinds(self) -> list[int]:
        return [frame.kind for frame in self.frames]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        rest = b""
        try:
            while data := await reader.read(65536):
                frames, rest, faults = jt809.cut_stream(
                    rest + data, edition=self._edition, cipher=self._cipher
                )
                assert not faults
                for frame in frames:
                    self.frames.append(frame)
                    if frame.kind in (0x1001, 0x1003, 0x1005) and frame.kind not in self.silent:
                        body = jt809.login_answer(self.result, 7) if frame.kind == 0x1001 else b""
                        answer = jt809.seal(
                            frame.kind + 1, body, frame.header,
                            edition=self._edition, cipher=self._cipher,
                        )  # fmt: skip
                        writer.write(self.nonsense + answer)
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


@pytest.fixture(params=[2011, 2019])
async def upper(request: pytest.FixtureRequest) -> AsyncIterator[Upper]:
    platform = Upper(request.param, jt809.Cipher(10_000_000, 20_000_000, 30_000_000))
    await platform.start()
    yield platform
    await platform.stop()


def settings(upper: Upper, **more: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1", "port": upper.port, "user": 20180920, "password": "20180920",
        "center": 1111, "edition": upper._edition, "cipher": list(upper._cipher or ()),
        "key": 256178, "answer_timeout_s": 3.0, **more,
    }  # fmt: skip


def target(upper: Upper, **more: Any) -> Target:
    import msgspec

    return msgspec.convert(settings(upper, **more), Target)


def body_of(frame: jt809.Frame) -> tuple[str, int, int]:
    """Plate, business kind, bytes of its data."""
    plate = frame.body[:21].rstrip(b"\0").decode("gbk")
    return plate, int.from_bytes(frame.body[22:24], "big"), len(frame.body) - 28


async def test_from_the_log_to_an_upper_platform_and_after_an_outage(
    world: World, upper: Upper
) -> None:
    await world.tenant("acme", 2, plate="沪A12345")
    wanted = settings(upper, reissue_after_s=0.3)
    forwarder = await world.forwarder("acme", "up", "jt809", wanted)
    world.start()
    await world.ready(forwarder)
    signals = {LATITUDE: [31.2, 31.3], LONGITUDE: [121.4, 121.5], SPEED: [40.0, 50.0]}
    await world.report("acme", [vin(1), vin(2)], signals)
    await eventually(lambda: _counted(world, "sent", 2))
    positions = [frame for frame in upper.frames if frame.kind == 0x1200]
    size = 36 if upper._edition == 2011 else 78
    assert [body_of(frame) for frame in positions] == [("沪A12345", 0x1202, size)] * 2
    assert upper.kinds[0] == 0x1001
    await upper.stop()
    for _ in range(6):
        await world.report("acme", [vin(1)], {LATITUDE: [31.2], LONGITUDE: [121.4]})
    await eventually(lambda: _counted(world, "failures", 1))
    await asyncio.sleep(0.35)  # what is late is told by its age
    upper.frames.clear()
    await upper.start()
    await eventually(lambda: _counted(world, "sent", 8))
    late = [frame for frame in upper.frames if frame.kind == 0x1200]
    assert {body_of(frame)[1] for frame in late} == {0x1203}
    assert sum(frame.body[28] for frame in late) == 6
    await world.stop()
    assert upper.kinds[-1] == 0x1003


async def _counted(world: World, what: str, count: int) -> bool:
    return int(getattr(await world.state("acme", "up"), what)) >= count


async def test_rows_the_standard_has_no_words_for_are_left_out(world: World, upper: Upper) -> None:
    await world.tenant("acme", 2)
    batch = world.batch(
        "acme", [vin(1), vin(2), vin(1)],
        {LATITUDE: [31.2, 31.2, None], LONGITUDE: [121.4, 121.4, None], SPEED: [1.0, 1.0, 1.0]},
    )  # fmt: skip
    names = {world.vehicles[vin(1)]: Name(vin(1), "沪A1"), world.vehicles[vin(2)]: Name(vin(2))}
    bare = world.batch("acme", [vin(1)], {SPEED: [1.0]})
    parcel = Parcel([batch, bare], names)
    sender = Sender(target(upper), world.around("acme"))
    await sender.send(parcel)
    assert parcel.counts == (0, 1, 0, 3)
    await sender.close()


async def test_a_platform_that_refuses_stalls_or_talks_nonsense(world: World, upper: Upper) -> None:
    await world.tenant("acme", 1)
    names = {world.vehicles[vin(1)]: Name(vin(1), "沪A1")}
    parcel = Parcel([world.batch("acme", [vin(1)], {LATITUDE: [31.2], LONGITUDE: [121.4]})], names)
    sender = Sender(target(upper, answer_timeout_s=0.2), world.around("acme"))
    upper.result = 4
    with pytest.raises(Away, match="wrong password"):
        await sender.send(parcel)
    upper.result = 0
    upper.silent = {0x1005}
    with pytest.raises(Away, match="no UP_LINKTEST_RSP"):
        await sender.send(parcel)
    assert parcel.counts[0] == 1
    upper.silent = set()
    upper.nonsense = b"[nonsense]HTTP/1.1 200 OK\r\n[\x5a\x09]"
    await sender.send(parcel)
    assert parcel.counts == (0, 1, 0, 0)
    await sender.idle()
    await sender.close()


async def test_answers_nobody_asked_for_acknowledge_nothing(world: World, upper: Upper) -> None:
    await world.tenant("acme", 1)
    names = {world.vehicles[vin(1)]: Name(vin(1), "沪A1")}
    parcel = Parcel([world.batch("acme", [vin(1)], {LATITUDE: [31.2], LONGITUDE: [121.4]})], names)
    sender = Sender(target(upper, answer_timeout_s=1.0), world.around("acme"))
    header = jt809.Header()
    stray = jt809.seal(0x1006, b"", header, edition=upper._edition, cipher=upper._cipher)
    other = jt809.seal(0x9001, b"x", header, edition=upper._edition, cipher=upper._cipher)
    await sender.idle()
    (writer,) = upper._writers
    writer.write(stray * 200 + other * 200)
    await eventually(lambda: sender._answers)
    assert len(sender._answers) == 1
    upper.silent = {0x1005}
    with pytest.raises(Away, match="no UP_LINKTEST_RSP within 1 s"):
        await sender.send(parcel)
    assert parcel.counts[0] == 1
    await sender.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 0}, {"user": -1}, {"password": "nine chars"}, {"center": 1 << 32},
        {"version": (1, 2, 300)}, {"cipher": (1, 2, -3)}, {"down_link_port": 70_000},
        {"answer_timeout_s": 0.0},
    ],
)  # fmt: skip
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    good = {"host": "h", "port": 1, "user": 1, "password": "x", "center": 1}
    check(Target(**good))
    with pytest.raises(Invalid, match="target: "):
        check(Target(**{**good, **wrong}))
