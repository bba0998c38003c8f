"""Cars that drive from network to network: LTE, 5G, a satellite and back.

Over LTE and 5G they speak MQTT 3.1.1 (written here by the standard, not by our encoder), over the
satellite signed datagrams. What was not acknowledged is sent again, over the next link of its kind.
A command is done once, whatever link brought it how often, and answered each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field

from motorcade.protocols import compact
from motorcade.wire.compact.command import CompactAnswer, pack_answer, read_command
from motorcade.wire.compact.report import pack_report

__all__ = ["Doors", "Traveller"]

_METRES = "Vehicle.TraveledDistance"
_RETRY_S = 2.0


@dataclass
class Doors:
    """Where the platform listens."""

    mqtt: tuple[str, int]
    compact: tuple[str, int]


@dataclass
class Traveller:
    """One car. ``acknowledged`` holds the seconds of its stored reports, ``held`` those that are
    not, by how they are spoken; ``done`` counts each command it carried out."""

    vin: str
    token: str
    device: str
    key: bytes
    start_s: int
    second: int = 0
    held: dict[str, dict[int, bytes]] = field(default_factory=lambda: {"mqtt": {}, "sat": {}})
    acknowledged: set[int] = field(default_factory=set)
    done: Counter[int] = field(default_factory=Counter)
    heard: Counter[int] = field(default_factory=Counter)
    logins: int = 0
    _link: asyncio.Task[None] | None = None
    _empty: tuple[str, asyncio.Event] = field(default_factory=lambda: ("", asyncio.Event()))

    async def over(self, bearer: str, doors: Doors) -> None:
        """Change over: the new link first, then the old one goes, as a modem does."""
        old, connected = self._link, asyncio.Event()
        run = self._satellite if bearer == "satellite" else self._mqtt
        self._link = asyncio.create_task(run(bearer, doors, connected))
        await asyncio.wait_for(connected.wait(), 60)
        if old is not None:
            old.cancel()
            await asyncio.gather(old, return_exceptions=True)

    async def stop(self) -> None:
        """Leave the road."""
        if self._link is not None:
            self._link.cancel()
            await asyncio.gather(self._link, return_exceptions=True)

    async def drained(self, doors: Doors) -> None:
        """Send what is still held, over a link of its kind, until all is acknowledged."""
        for bearer, kind in (("satellite", "sat"), ("lte", "mqtt")):
            await self.over(bearer, doors)
            self._empty = kind, asyncio.Event()
            self._settle()
            await self._empty[1].wait()

    def _settle(self) -> None:
        """Tell who waits for it that nothing of a kind is held any more."""
        kind, empty = self._empty
        if not self.held.get(kind):
            empty.set()

    def drive(self, kind: str) -> None:
        """One second on the road, reported over the link there is."""
        self.second += 1
        second = self.second
        if kind == "mqtt":
            said = {"ts": (self.start_s + second) * 1000, "signals": {_METRES: second}}
            self.held["mqtt"][second] = json.dumps(said).encode()
        else:
            body = pack_report(self.start_s + second, second, {"Vehicle.Speed": 50.0})
            self.held["sat"][second] = compact.encode(self.device, body, self.key)

    def obey(self, number: int) -> None:
        """Carry out a command, unless that was done already."""
        self.heard[number] += 1
        if self.heard[number] == 1:
            self.done[number] += 1

    # ── MQTT ─────────────────────────────────────────────────────────────────────────────────────

    async def _mqtt(self, bearer: str, doors: Doors, connected: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(OSError, EOFError):
                reader, writer = await asyncio.open_connection(*doors.mqtt)
                try:
                    await self._conversation(bearer, reader, writer, connected)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(0.5)

    async def _conversation(
        self,
        bearer: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connected: asyncio.Event,
    ) -> None:
        name, user, secret = f"{self.vin}/{bearer}", self.vin, self.token
        body = b"\0\x04MQTT\x04\xc2\0\x3c" + b"".join(map(_text, (name, user, secret)))
        writer.write(_packet(0x10, body))
        kind, answer = await _received(reader)
        if kind != 0x20 or answer[1]:
            raise EOFError(answer.hex())
        self.logins += 1
        writer.write(_packet(0x82, b"\0\x01" + _text(f"v/{self.vin}/down/#") + b"\x01"))
        reading = asyncio.create_task(self._read(reader, writer, connected))
        try:
            sent: dict[int, int] = {}
            self._sent = sent
            while not reading.done():
                if connected.is_set():
                    for second, payload in list(self.held["mqtt"].items()):
                        if second not in sent.values():
                            number = len(sent) + 10
                            sent[number] = second
                            topic = _text(f"v/{self.vin}/up/json")
                            writer.write(_packet(0x32, topic + number.to_bytes(2, "big") + payload))
                await asyncio.sleep(0.1)
            reading.result()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connected: asyncio.Event
    ) -> None:
        while True:
            kind, body = await _received(reader)
            if kind == 0x90:
                connected.set()
            elif kind == 0x40:
                second = self._sent.get(int.from_bytes(body[:2], "big"))
                if second is not None and self.held["mqtt"].pop(second, None) is not None:
                    self.acknowledged.add(second)
                    self._settle()
            elif kind & 0xF0 == 0x30:
                size = int.from_bytes(body[:2], "big")
                number, payload = body[2 + size : 4 + size], body[4 + size :]
                writer.write(_packet(0x40, number))
                said = json.loads(payload)
                self.obey(said["number"])
                told = {"id": said["id"], "number": said["number"], "outcome": "succeeded"}
                topic = _text(f"v/{self.vin}/up/answer")
                writer.write(_packet(0x32, topic + b"\0\x05" + json.dumps(told).encode()))

    # ── satellite ────────────────────────────────────────────────────────────────────────────────

    async def _satellite(self, bearer: str, doors: Doors, connected: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        answers: dict[int, bytes] = {}
        transport, door = await loop.create_datagram_endpoint(
            lambda: _Modem(self, answers), remote_addr=doors.compact
        )
        try:
            if not self.held["sat"]:
                self.drive("sat")
            connected.set()
            while True:
                for datagram in [*self.held["sat"].values(), *answers.values()]:
                    transport.sendto(datagram)
                await asyncio.sleep(_RETRY_S if door.quiet else 0.2)
        finally:
            transport.close()


class _Modem(asyncio.DatagramProtocol):
    """The datagrams that come to one car."""

    def __init__(self, car: Traveller, answers: dict[int, bytes]) -> None:
        self._car = car
        self._answers = answers
        self.quiet = False

    def datagram_received(self, data: bytes, addr: object) -> None:
        car, body = self._car, data[9:-8]
        if body[0] == 0xD1:
            said = read_command(body)
            car.obey(said.number)
            answer = pack_answer(CompactAnswer(said.number, "succeeded", "ok", car.start_s))
            self._answers[said.number] = compact.encode(car.device, answer, car.key)
            return
        number = int.from_bytes(body[2:4], "big")
        for second, datagram in list(car.held["sat"].items()):
            if second & 0xFFFF == number and compact.proof_of(datagram, car.key) == data[-8:]:
                del car.held["sat"][second]
                car.acknowledged.add(second)
                car._settle()
        for key, datagram in list(self._answers.items()):
            if compact.proof_of(datagram, car.key) == data[-8:]:
                del self._answers[key]


def _packet(head: int, body: bytes) -> bytes:
    size, length = b"", len(body)
    while True:
        length, digit = divmod(length, 128)
        size += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([head]) + size + body


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


async def _received(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readexactly(1))[0]
    size = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        size |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return head, await reader.readexactly(size)
