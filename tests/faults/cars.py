"""Cars that behave as the standard has it, and remember exactly what they were answered.

Every report has a second of its car's own and a mileage no other report has; the gateway's answer
echoes it. A report stays in the car's store until its answer came; after a broken
connection the car logs in again and sends what it still holds as re-issued reports.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from motorcade.protocols import gbt32960

__all__ = ["METRES_PER_COUNT", "Car", "Cars", "frame", "login", "report", "vin_of"]

METRES_PER_COUNT = 100
"""The frame's mileage counts 0.1 km; the platform shows metres."""

REPORTS_MAX = 10_000
"""Reports of one car at most: car ``i`` has the mileages from ``i * REPORTS_MAX`` on."""

_BEIJING_S = 8 * 3600
_MILEAGE = slice(36, 40)
_RETRY_S = 0.15


def vin_of(number: int, prefix: str = "LSG") -> str:
    """The VIN of a test car; ``prefix`` is its maker's."""
    return f"{prefix}FAULT0XX".ljust(11, "0")[:11] + f"{number:06d}"


def frame(command: int, data: bytes, vin: str) -> bytes:
    """A sealed frame of the 2016 edition that asks for an answer."""
    head = b"##" + bytes([command, 0xFE]) + vin.encode() + b"\x01" + len(data).to_bytes(2, "big")
    return gbt32960.seal(head + data + b"\0")


def login(vin: str, at_s: float) -> bytes:
    """A vehicle's login."""
    return frame(1, _time(at_s) + b"\x00\x01" + b"89860000000000000001" + b"\x01\x00", vin)


def report(vin: str, at_s: float, number: int, *, reissued: bool = False) -> bytes:
    """A report of type 01 alone, with ``number`` as its mileage."""
    vehicle = bytes.fromhex("010301") + (number % 2200).to_bytes(2, "big")
    vehicle += number.to_bytes(4, "big") + bytes.fromhex("0dac277450012f0fa01400")
    return frame(3 if reissued else 2, _time(at_s) + b"\x01" + vehicle, vin)


def _time(at_s: float) -> bytes:
    at = time.gmtime(at_s + _BEIJING_S)
    return bytes([at.tm_year - 2000, *at[1:6]])


class Car:
    """One car. ``sent`` reports, numbered from 1; ``acknowledged`` and ``held`` numbers."""

    def __init__(self, index: int, vin: str, start_s: int, window: int) -> None:
        self.index = index
        self.vin = vin
        self.start_s = start_s
        self.window = window
        self.sent = 0
        self.acknowledged: set[int] = set()
        self.held: set[int] = set()
        self.logins = 0
        self.refused = 0
        self.slowest_s = 0.0

    def at_s(self, number: int) -> int:
        """When report ``number`` was taken."""
        return self.start_s + number

    def report(self, number: int, *, again: bool) -> bytes:
        """The frame of report ``number``."""
        mileage = self.index * REPORTS_MAX + number
        return report(self.vin, self.at_s(number), mileage, reissued=again)

    def take_answer(self, answer: bytes) -> int:
        """Note an answer; the number it is about, 0 where it grants nothing."""
        if answer[3] != 1 or answer[2] not in (2, 3):
            self.refused += 1
            return 0
        number = int.from_bytes(answer[_MILEAGE], "big") - self.index * REPORTS_MAX
        self.acknowledged.add(number)
        self.held.discard(number)
        return number


class Cars:
    """Cars on the road, from ``start`` until ``drained``; tasks of the running loop.

    ``address`` is asked at every connect, as a restarted gateway may have another port. Half of the
    cars wait for each answer before they send on; the others have up to three reports under way.
    """

    def __init__(
        self,
        address: Callable[[], tuple[str, int]],
        count: int,
        *,
        pace_s: float = 0.1,
        answer_s: float = 4.0,
        prefix: str = "LSG",
    ) -> None:
        start_s = int(time.time()) - 2 * REPORTS_MAX
        self.cars = [
            Car(i, vin_of(i, prefix), start_s, window=1 if i % 2 else 3) for i in range(count)
        ]
        self._address = address
        self._pace_s = pace_s
        self._answer_s = answer_s
        self._draining = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def acknowledged(self) -> int:
        """Reports acknowledged so far, all cars together."""
        return sum(len(car.acknowledged) for car in self.cars)

    @asynccontextmanager
    async def on_the_road(
        self, address: Callable[[], tuple[str, int]] | None = None
    ) -> AsyncIterator[Cars]:
        """Drive until the block ends, from now on to ``address`` if given; then stop where they
        are."""
        self._address = address or self._address
        self._draining = False
        self._tasks = [asyncio.create_task(self._drive(car)) for car in self.cars]
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until_acknowledged(self, more: int, seconds: float = 90.0) -> None:
        """Wait for ``more`` acknowledgements than now."""
        wanted = self.acknowledged + more
        deadline = time.monotonic() + seconds
        while self.acknowledged < wanted:
            if time.monotonic() > deadline:
                missing = wanted - self.acknowledged
                raise AssertionError(f"{missing} of {more} answers did not come in {seconds} s")
            await asyncio.sleep(0.02)

    async def drained(self, seconds: float = 90.0) -> None:
        """Send nothing new; wait until everything sent was acknowledged."""
        self._draining = True
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        held = {car.vin: sorted(car.held) for car in self.cars if car.held}
        assert not late, f"not acknowledged within {seconds} s: {held}"

    async def _drive(self, car: Car) -> None:
        while not (self._draining and not car.held):
            with contextlib.suppress(OSError, EOFError, TimeoutError, ValueError, KeyError):
                await self._connected(car)
            await asyncio.sleep(_RETRY_S)

    async def _connected(self, car: Car) -> None:
        reader, writer = await asyncio.open_connection(*self._address())
        try:
            writer.write(login(car.vin, time.time()))
            if (await self._answer(reader))[3] != 1:
                return
            car.logins += 1
            await self._talk(car, reader, writer)
        finally:
            writer.transport.abort()

    async def _talk(
        self, car: Car, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        stored = sorted(car.held)
        under_way: dict[int, float] = {}
        while True:
            while len(under_way) < car.window:
                if stored:
                    number, again = stored.pop(0), True
                elif self._draining or car.sent == REPORTS_MAX - 1:
                    break
                else:
                    car.sent += 1
                    number, again = car.sent, False
                    car.held.add(number)
                under_way[number] = time.monotonic()
                writer.write(car.report(number, again=again))
            if not under_way:
                return
            number = car.take_answer(await self._answer(reader))
            sent_s = under_way.pop(number, None)
            if sent_s is not None:
                car.slowest_s = max(car.slowest_s, time.monotonic() - sent_s)
            await asyncio.sleep(self._pace_s)

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        async with asyncio.timeout(self._answer_s):
            head = await reader.readexactly(24)
            return head + await reader.readexactly(int.from_bytes(head[22:24], "big") + 1)
