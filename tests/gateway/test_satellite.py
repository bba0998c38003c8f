"""Messages to satellite modems, over real connections to a ground gateway that can be cross."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from motorcade.clock import SteerableClock
from motorcade.errors import CapacityError, DependencyError
from motorcade.gateway.satellite import SatelliteDownlink
from motorcade.limits import SATELLITE_ATTEMPTS_MAX, SATELLITE_WAITING_MAX
from motorcade.protocols.commands import Command
from motorcade.protocols.iridium.downlink import read_mt_header
from motorcade.protocols.iridium.elements import (
    MT_CONFIRMATION,
    MT_HEADER,
    MT_PAYLOAD,
    encode,
    read_elements,
)
from motorcade.wire.compact.command import read_command

IMEI = "300434000000001"


class Ground:
    """A ground gateway. ``says`` gives each message's status; None: the connection is cut."""

    def __init__(self, says: Callable[[int], int | None]) -> None:
        self.says = says
        self.messages: list[tuple[str, bytes]] = []
        self.client_ids: list[int] = []
        self.open = asyncio.Event()
        self.open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(3)
        data = await reader.readexactly(int.from_bytes(head[1:], "big"))
        elements = dict(read_elements(data))
        client_id, imei, _ = read_mt_header(elements[MT_HEADER])
        self.messages.append((imei.decode(), elements[MT_PAYLOAD]))
        self.client_ids.append(client_id)
        status = self.says(len(self.messages))
        await self.open.wait()
        if status is not None:
            value = elements[MT_HEADER][:19] + bytes(4) + status.to_bytes(2, "big", signed=True)
            writer.write(encode([(MT_CONFIRMATION, value)]))
        writer.close()


@asynccontextmanager
async def ground(says: Callable[[int], int | None]) -> AsyncIterator[tuple[Ground, int]]:
    made = Ground(says)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    try:
        yield made, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def command(number: int = 17, deadline_us: int = 0) -> Command:
    return Command(
        id=f"{number:032x}", number=number, kind="lock", parameters={"doors": "all"}, time_us=1,
        deadline_us=deadline_us,
    )  # fmt: skip


def downlink(port: int, clock: SteerableClock | None = None) -> SatelliteDownlink:
    clock = clock or SteerableClock(1_763_985_600_000_000)
    return SatelliteDownlink("127.0.0.1", port, clock, retry_s=0.0)


async def test_a_command_reaches_the_ground_gateway() -> None:
    async with ground(lambda _: 3) as (there, port):
        link = downlink(port)
        told = link.send(IMEI, command())
        assert (told.code, told.key) == ("sent", "iridium:17")
        await link.settled()
        ((imei, payload),) = there.messages
        assert imei == IMEI
        assert read_command(payload).kind == "lock"
        assert link.outcomes == {"queued": 1}


async def test_what_waits_is_not_taken_twice() -> None:
    async with ground(lambda _: 0) as (there, port):
        there.open.clear()
        link = downlink(port)
        for _ in range(3):
            assert link.send(IMEI, command()).code == "sent"
        assert link.send(IMEI, command(18)).code == "sent"
        there.open.set()
        await link.settled()
        assert len(there.messages) == 2
        assert len(set(there.client_ids)) == 2


@pytest.mark.parametrize("trouble", [None, -5, -6])
async def test_trouble_that_passes_is_waited_out(trouble: int | None) -> None:
    async with ground(lambda count: trouble if count < 3 else 0) as (there, port):
        link = downlink(port)
        link.send(IMEI, command())
        await link.settled()
        assert len(there.messages) == 3
        assert link.outcomes == {"queued": 1}


async def test_a_refusal_is_final() -> None:
    async with ground(lambda _: -2) as (there, port):
        link = downlink(port)
        link.send(IMEI, command())
        await link.settled()
        assert len(there.messages) == 1
        assert link.outcomes == {"unknown_imei": 1}


async def test_an_end_is_made_of_trouble_that_stays() -> None:
    async with ground(lambda _: -5) as (there, port):
        link = downlink(port)
        link.send(IMEI, command())
        await link.settled()
        assert len(there.messages) == SATELLITE_ATTEMPTS_MAX
        assert link.outcomes == {"queue_full": 1}
    link.send(IMEI, command())
    await link.settled()
    assert link.outcomes["unanswered"] == 1


async def test_a_command_that_is_late_is_not_sent() -> None:
    async with ground(lambda _: 0) as (there, port):
        clock = SteerableClock(1_763_985_600_000_000)
        link = downlink(port, clock)
        link.send(IMEI, command(deadline_us=clock.now_us()))
        await link.settled()
        assert there.messages == []
        assert link.outcomes == {"expired": 1}


async def test_who_says_nothing_is_left() -> None:
    async with ground(lambda _: 0) as (there, port):
        there.open.clear()
        link = SatelliteDownlink("127.0.0.1", port, SteerableClock(0), answer_s=0.05)
        with pytest.raises(DependencyError):
            await link.deliver(IMEI, b"payload")
        there.open.set()


async def test_too_many_that_wait_are_refused() -> None:
    async with ground(lambda _: 0) as (there, port):
        there.open.clear()
        link = downlink(port)
        for number in range(SATELLITE_WAITING_MAX):
            link.put(IMEI, number.to_bytes(2, "big"))
        with pytest.raises(CapacityError):
            link.put(IMEI, b"one more")
        assert link.send(IMEI, command()).code == "busy"
        await link.close()
        there.open.set()


async def test_what_cannot_be_said_is_told_at_once() -> None:
    link = downlink(1)
    assert link.send("not an imei", command()).code == "invalid"
    upgrade = Command(id="0" * 32, number=1, kind="upgrade", time_us=1)
    assert link.send(IMEI, upgrade).code == "invalid"
