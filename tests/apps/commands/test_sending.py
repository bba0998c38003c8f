"""Requests to gateways: one a gateway, bounded, with a word for each command whatever happens."""

from __future__ import annotations

import asyncio
from uuid import UUID

import msgspec
import pytest

from apps.commands.test_life import row
from apps.commands.world import FakeLink
from engines_nats import until
from motorcade.apps.commands.flights import Flight
from motorcade.apps.commands.sending import Sender
from motorcade.apps.commands.turn import Result
from motorcade.errors import CorruptionError, DependencyError, MotorcadeError
from motorcade.log.downlink import Downlinked, pack_downlinked, read_downlinks


def flight(number: int, incarnation: str = "g.1") -> Flight:
    one = msgspec.structs.replace(row(), id=UUID(int=number), vehicle=number, number=number)
    link = FakeLink(f"l{number}", incarnation=incarnation)
    return Flight(one, link=link, asked=True)


class Log:
    """Answers requests as it is told."""

    def __init__(self, fails: MotorcadeError | None = None, says: bytes = b"") -> None:
        self.fails = fails
        self.says = says
        self.asked: list[tuple[str, int]] = []

    async def request(
        self, subject: str, payload: bytes = b"", timeout_s: float | None = None
    ) -> bytes:
        downlinks = read_downlinks(payload)
        self.asked.append((subject, len(downlinks)))
        assert timeout_s == 2.0
        if self.fails is not None:
            raise self.fails
        if self.says:
            return self.says
        return pack_downlinked([Downlinked(code="sent", key=one.link) for one in downlinks])


async def sent(log: Log, flights: list[Flight]) -> list[Result]:
    results: list[Result] = []
    sender = Sender(log, 2.0, lambda: 7, results.extend)
    sender.send(flights)

    async def done() -> bool:
        return len(results) == len(flights)

    await until(done)
    await sender.close()
    return results


async def test_a_gateways_commands_go_together() -> None:
    log = Log()
    flights = [flight(n) for n in range(1, 1_201)] + [flight(9_000, "g.2")]
    results = await sent(log, flights)
    assert sorted(log.asked) == [
        ("gateway.down.g.1", 200), ("gateway.down.g.1", 500), ("gateway.down.g.1", 500),
        ("gateway.down.g.2", 1),
    ]  # fmt: skip
    for result in results:
        assert result.said is not None
        assert result.flight.link is not None
        assert result.said.key == result.flight.link.link
        assert result.at_us == 7


@pytest.mark.parametrize(
    ("log", "code"),
    [
        (Log(DependencyError("nobody serves gateway.down.g.1")), "no_link"),
        (Log(DependencyError("no answer on gateway.down.g.1 within 2 s")), None),
        (Log(CorruptionError("what is that")), None),
        (Log(says=pack_downlinked([])), None),
        (Log(says=b"\xc1"), None),
        (Log(says=msgspec.msgpack.encode([["launched", "", ""]])), None),
    ],
)
async def test_whatever_happens_each_command_gets_a_word(log: Log, code: str | None) -> None:
    (result,) = await sent(log, [flight(1)])
    assert (result.said.code if result.said else None) == code


async def test_closing_waits_for_nobody() -> None:
    class Slow(Log):
        async def request(
            self, subject: str, payload: bytes = b"", timeout_s: float | None = None
        ) -> bytes:
            await asyncio.sleep(60)
            return b""

    sender = Sender(Slow(), 2.0, lambda: 7, lambda _: None)
    sender.send([flight(1)])
    await asyncio.sleep(0)
    await asyncio.wait_for(sender.close(), 1.0)


async def test_a_fault_of_ours_is_a_word_too() -> None:
    class Broken(Log):
        async def request(
            self, subject: str, payload: bytes = b"", timeout_s: float | None = None
        ) -> bytes:
            raise RuntimeError("a fault of ours")

    assert [one.said for one in await sent(Broken(), [flight(1)])] == [None]
