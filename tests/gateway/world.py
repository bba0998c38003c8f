"""Cars on real sockets, a registry in memory, gateways on a real log: what the folder's tests
are made of."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from hashlib import sha256
from operator import xor
from types import SimpleNamespace
from typing import Any

from engines_nats import Nats
from motorcade.errors import Conflict, DependencyError
from motorcade.fleet.kept import KeptSession
from motorcade.gateway.config import Config, ListenerConfig
from motorcade.gateway.gateway import Gateway
from motorcade.log.log import Log

__all__ = [
    "OFF",
    "Car",
    "Identified",
    "Known",
    "Table",
    "World",
    "eventually",
    "frame",
    "login",
    "logout",
    "platform_login",
    "report",
]

OFF = ListenerConfig()
"""Doors that stay shut: tests open those they need, at free ports."""

TIME = bytes([25, 6, 15, 10, 0, 0])
_SECONDS = itertools.count()
_NUMBERS = itertools.count(1000)


@dataclass(frozen=True)
class Known:
    """A vehicle as the registry knows it."""

    vehicle: int
    tenant: int
    vin: str


@dataclass(frozen=True)
class Identified:
    """A vehicle with what its logins are checked by."""

    vehicle: int
    tenant: int
    vin: str
    secrets: tuple[bytes, ...] = ()
    key: bytes = b""
    code: str = ""
    terminal: str = ""


@dataclass
class Table:
    """A registry in memory; ``away`` makes it not answer."""

    known: dict[str, Known] = field(default_factory=dict)
    named: dict[tuple[str, str], Identified] = field(default_factory=dict)
    kept: dict[int, bytes] = field(default_factory=dict)
    settings: dict[int, Any] = field(default_factory=dict)
    stamp: int = 1
    away: bool = False
    asked: list[list[str]] = field(default_factory=list)

    def add(self, tenant: int = 1, vehicle: int | None = None) -> str:
        number = next(_NUMBERS) if vehicle is None else vehicle
        vin = f"LMTCAR0000{number:07d}"
        self.known[vin] = Known(number, tenant, vin)
        return vin

    async def resolve(self, vins: Sequence[str], *, register: bool = True) -> Mapping[str, Known]:
        self.asked.append(list(vins))
        if self.away:
            raise DependencyError("the registry is away")
        return {vin: self.known[vin] for vin in vins if vin in self.known}

    async def identify(
        self,
        kind: str,
        values: Sequence[str],
        *,
        register: bool = True,
        terminals: Mapping[str, str] | None = None,
    ) -> Mapping[str, Identified]:
        self.asked.append(list(values))
        if self.away:
            raise DependencyError("the registry is away")
        for value, terminal in (terminals or {}).items():
            who = self.named.get((kind, value))
            if who is not None and not who.terminal:
                self.named[kind, value] = replace(who, terminal=terminal)
        return {value: self.named[kind, value] for value in values if (kind, value) in self.named}

    def name(self, kind: str, value: str, vin: str, *secrets: str, key: bytes = b"") -> None:
        """Give a vehicle a name of a kind, the secrets it may log in with, and its key."""
        known = self.known[vin]
        digests = tuple(sha256(secret.encode()).digest() for secret in secrets)
        code = f"code-{known.vehicle}" if kind == "phone" else ""
        self.named[kind, value] = Identified(known.vehicle, known.tenant, vin, digests, key, code)

    async def bind(self, kind: str, value: str, vehicle: int) -> None:
        if (kind, value) in self.named:
            raise Conflict("another vehicle has this name")
        (vin,) = [vin for vin, known in self.known.items() if known.vehicle == vehicle]
        self.name(kind, value, vin, f"code-{vehicle}")

    async def kept_sessions(self, protocol: str, vehicles: Sequence[int]) -> dict[int, bytes]:
        return {number: self.kept[number] for number in vehicles if number in self.kept}

    async def keep_sessions(self, protocol: str, sessions: Sequence[KeptSession]) -> None:
        for one in sessions:
            self.kept.pop(one.vehicle, None)
            if one.state:
                self.kept[one.vehicle] = one.state

    async def tenant_named(self, name: str) -> Any:
        return SimpleNamespace(number={"one": 1, "two": 2}[name])

    async def platform_login(self, user: str, password: str) -> int | None:
        return {"one": 1, "two": 2}.get(user) if password == "secret" else None

    async def gateway_settings(self) -> Mapping[int, Any]:
        return self.settings

    async def settings_stamp(self) -> int:
        return self.stamp


def frame(
    command: int,
    vin: str,
    unit: bytes,
    *,
    start: bytes = b"##",
    cipher: int = 1,
    flag: int = 0xFE,
) -> bytes:
    """A GB/T 32960 frame, made here by the standard's table, not by our encoder."""
    head = bytes([command, flag]) + vin.encode().ljust(17, b"\0") + bytes([cipher])
    body = head + len(unit).to_bytes(2, "big") + unit
    return start + body + bytes([reduce(xor, body)])


def login(vin: str, start: bytes = b"##") -> bytes:
    """01 with ICCID and no subsystems."""
    return frame(1, vin, TIME + b"\x00\x01" + b"8986" + b"0" * 16 + b"\x00\x00", start=start)


def logout(vin: str) -> bytes:
    """04 with the login's sequence."""
    return frame(4, vin, TIME + b"\x00\x01")


def platform_login(user: str, password: str) -> bytes:
    """05."""
    unit = TIME + b"\x00\x01" + user.encode().ljust(12, b"\0") + password.encode().ljust(20, b"\0")
    return frame(5, "PLATFORM000000001", unit + b"\x01")


def report(vin: str, *, start: bytes = b"##", command: int = 2) -> bytes:
    """02 with a position; no two have the same time."""
    number = next(_SECONDS)
    stamp = bytes([25, 6, 1 + number // 86400, number // 3600 % 24, number // 60 % 60, number % 60])
    position = bytes.fromhex("0500") + (121_000_000).to_bytes(4, "big")
    if start == b"$$":
        position = bytes.fromhex("050001") + (121_000_000).to_bytes(4, "big")
    return frame(command, vin, stamp + position + (31_000_000).to_bytes(4, "big"), start=start)


class Car:
    """One connection; ``receive`` gives one whole frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, address: tuple[str, int], **options: Any) -> Car:
        return cls(*await asyncio.open_connection(*address, **options))

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def receive(self, timeout_s: float = 10.0) -> bytes:
        async with asyncio.timeout(timeout_s):
            head = await self.reader.readexactly(24)
            rest = await self.reader.readexactly(int.from_bytes(head[22:24], "big") + 1)
        return head + rest

    async def login(self, vin: str) -> None:
        self.send(login(vin))
        answer = await self.receive()
        assert answer[2:4] == b"\x01\x01", answer.hex()

    async def silent(self, seconds: float = 0.25) -> bool:
        """Whether nothing comes for a while; for what must not be answered."""
        try:
            await self.receive(seconds)
        except TimeoutError:
            return True
        return False

    async def closed(self, timeout_s: float = 10.0) -> bool:
        """Whether the other side closes in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while await self.reader.read(65536):
                    pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class World:
    """Gateways on one real log; what they wrote can be read back."""

    def __init__(self, nats: Nats, log: Log, marks: list[int]) -> None:
        self.nats = nats
        self.log = log
        self.table = Table()
        self._marks = marks
        self._gateways: list[Gateway] = []
        self._cars: list[Any] = []

    async def gateway(self, log: Any = None, **changes: Any) -> Gateway:
        """One more gateway; ``rules`` are the listener's, the others the gateway's settings."""
        rules = {"listen": "127.0.0.1:0", **changes.pop("rules", {})}
        doors = {"jt808": OFF, "mqtt": OFF, **changes}
        config = Config(gbt32960=ListenerConfig(**rules), **doors)
        gateway = Gateway(config, log or self.log, self.table)
        await gateway.start()
        self._gateways.append(gateway)
        return gateway

    async def car(self, gateway: Gateway, vin: str | None = None, **options: Any) -> Car:
        car = await Car.open(gateway.addresses["gbt32960"][0], **options)
        self._cars.append(car)
        if vin is not None:
            await car.login(vin)
        return car

    def own(self, car: Any) -> Any:
        """Have this closed with the world."""
        self._cars.append(car)
        return car

    async def rows(self, kind: str = "report") -> list[dict[str, Any]]:
        """The rows of a kind that this test's gateways stored."""
        found: list[dict[str, Any]] = []
        for partition in range(self.log.partitions):
            last = await self.log.last_sequence(partition)
            if last <= self._marks[partition]:
                continue
            async for record in self.log.consume(partition, self._marks[partition]):
                for batch in record.batches:
                    if batch.kind == kind:
                        found += batch.data.to_pylist()
                if record.sequence >= last:
                    break
        return found

    async def close(self) -> None:
        for car in self._cars:
            await car.close()
        for gateway in self._gateways:
            await gateway.drain_and_stop()


async def eventually(check: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Poll until ``check()`` (maybe awaitable) is true."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = check()
        if isinstance(value, Awaitable):
            value = await value
        if value or time.monotonic() > deadline:
            assert value, "it never came true"
            return value
        await asyncio.sleep(0.02)
