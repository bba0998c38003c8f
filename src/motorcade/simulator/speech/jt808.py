"""Terminals by JT/T 808, every second one of 2019: registration, login, locations, commands.

A terminal registers once, keeps the code it was given, and authenticates with it whenever it
connects. Where a send has several locations, or old ones, they go as a batch (0x0704, blind area).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.clock import SystemClock
from motorcade.protocols.jt808.encode import encode, plain_of
from motorcade.protocols.jt808.words import (
    AUTH,
    BATCH,
    CONTROLLED,
    GENERAL,
    LOCATION,
    LOCATION_ANSWER,
    PLATFORM_GENERAL,
    REGISTER,
    REGISTER_ANSWER,
)
from motorcade.simulator.fleet import CarFleet
from motorcade.simulator.speech import Heard, Obeyed, Rows, Sends, pieces
from motorcade.wire.bcd import bcd_times
from motorcade.wire.escape import Escaping, escape

__all__ = ["Jt808Speech", "locations"]

Bytes = NDArray[np.uint8]

_FLAG: Final = 0x7E
_ESCAPES: Final = Escaping(((0x7D, 0x01, 0x7D), (0x7D, 0x02, 0x7E)))
_PLACE: Final = "Vehicle.CurrentLocation"
_BATCH_MAX: Final = 20
"""Locations of one batch: a body has 1,023 bytes at most."""

_ACC, _FIXED, _GPS, _BEIDOU = 1, 2, 1 << 18, 1 << 19
_BLIND_AREA: Final = 1
_TOLD: Final = (0x8104, 0x8106)
_PARAMETERS: Final = b"\x02" + bytes.fromhex("00000001 04 0000003c 00000029 04 0000001e")
"""Heartbeat every 60 s, a location every 30 s (0x0001, 0x0029)."""

_SIGNAL: Final = 24
_SATELLITES: Final = 14


class Jt808Speech:
    """``reissued``: every location comes from the terminal's store."""

    def __init__(
        self,
        fleet: CarFleet,
        address: tuple[str, int],
        *,
        frames_per_send: int = 1,
        reissued: bool = False,
        datagrams: bool = False,
    ) -> None:
        self._fleet = fleet
        self._address = address
        self._datagrams = datagrams
        self._many = frames_per_send
        self._stored = reissued or frames_per_send > 1
        sizes = range(1, min(frames_per_send, _BATCH_MAX) + 1)
        self._batch = max(size for size in sizes if frames_per_send % size == 0)
        self._phones = fleet.phones()
        self._codes: dict[int, bytes] = {}
        self._clock = SystemClock()
        self._obeyed = Obeyed()

    @property
    def commands(self) -> int:
        """Commands obeyed."""
        return self._obeyed.commands

    @property
    def repeated(self) -> int:
        """Commands heard again."""
        return self._obeyed.repeated

    def address(self, connection: int) -> tuple[str, int, bool]:
        """Host, port, and whether it is UDP."""
        return (*self._address, self._datagrams)

    def hello(self, connection: int) -> bytes:
        """Authentication with the code the terminal has, or registration for one."""
        code = self._codes.get(connection)
        if code is not None:
            return self._authentication(connection, code)
        car = self._car(connection)
        maker, model, terminal = (11, 30, 30) if _edition(car) == 2019 else (5, 20, 7)
        body = b"\x00\x1f\x00\x73" + b"MTRCD".ljust(maker, b"\0") + b"SIM".ljust(model, b"\0")
        body += self._fleet.vin(car)[-7:].encode().ljust(terminal, b"\0") + b"\0"
        return self._say(connection, REGISTER, body + self._fleet.vin(car).encode())

    def hear(self, connection: int, data: bytes, *, greeted: bool) -> Heard:
        """Answers to locations are counted; the others move the login on, or are commands."""
        answers = refused = at = 0
        entered = rejected = False
        reply = b""
        while True:
            start = data.find(b"\x7e", at)
            stop = data.find(b"\x7e", start + 1)
            if start < 0 or stop < 0:
                break
            if stop == start + 1:
                at = stop
                continue
            at = stop + 1
            plain = (
                plain_of(data[start:at]) if b"\x7d" in data[start:at] else data[start + 1 : stop]
            )
            message = plain[0] << 8 | plain[1]
            head = 17 if plain[2] & 0x40 else 12
            if message == PLATFORM_GENERAL:
                to, bad = plain[head + 2] << 8 | plain[head + 3], plain[head + 4] != 0
                if to in (LOCATION, BATCH):
                    count = self._batch if to == BATCH else 1
                    answers += count
                    refused += count * bad
                elif to == AUTH:
                    entered, rejected = not bad, bad
                    if bad:
                        self._codes.pop(connection, None)
            elif message == REGISTER_ANSWER:
                rejected = plain[head + 2] != 0
                if not rejected:
                    self._codes[connection] = code = plain[head + 3 : _end(plain, head)]
                    reply += self._authentication(connection, code)
            else:
                reply += self._obey(connection, message, head, plain)
        return Heard(
            at, answers, refused, greeted=entered and not greeted, rejected=rejected, reply=reply
        )

    def hop(self, connection: int) -> bool:
        """A terminal does not say what carries it."""
        return False

    def encode(self, sends: Sends) -> list[bytes]:
        """Locations, each a message of its own or in batches."""
        made: list[bytes] = [b""] * len(sends.car)
        for odd in (0, 1):
            rows = np.flatnonzero(sends.car % 2 == odd)
            if len(rows):
                found = self._sealed(sends.take(rows), 2019 if odd else 2013)
                for row, data in zip(rows.tolist(), found, strict=True):
                    made[row] = data
        return made

    def _sealed(self, sends: Sends, edition: int) -> list[bytes]:
        many, batch = self._many, self._batch
        car, times = sends.car, sends.time_us
        if many > 1:
            car = np.repeat(car, many)
            times = (times[:, None] - np.arange(many - 1, -1, -1) * 1_000_000).ravel()
        bodies = locations(self._fleet.cars.take(car).columns(times), times)
        each = many // batch
        serial = (sends.number[:, None] * each + np.arange(each)).ravel()
        message = LOCATION
        if self._stored:
            message = BATCH
            sized = np.empty((len(bodies), 2 + bodies.shape[1]), np.uint8)
            sized[:, :2] = divmod(bodies.shape[1], 256)
            sized[:, 2:] = bodies
            bodies = sized.reshape(len(serial), -1)
            lead = np.full((len(bodies), 3), _BLIND_AREA, np.uint8)
            lead[:, :2] = divmod(batch, 256)
            bodies = np.concatenate([lead, bodies], axis=1)
        phones = np.repeat(self._phones[sends.car], each)
        frames, sizes = _framed(message, phones, serial, bodies, edition)
        return list(pieces(frames, sizes.reshape(-1, each).sum(axis=1)))

    def _car(self, connection: int) -> int:
        return int(self._fleet.starts[connection])

    def _say(self, connection: int, message: int, body: bytes, serial: int = 0) -> bytes:
        car = self._car(connection)
        phone = str(self._phones[car])
        return encode(message, phone, body, serial=serial, edition=_edition(car))

    def _authentication(self, connection: int, code: bytes) -> bytes:
        body = code
        if _edition(self._car(connection)) == 2019:
            body = bytes([len(code)]) + code + b"0" * 15 + b"SIM".ljust(20, b"\0")
        return self._say(connection, AUTH, body, 1)

    def _obey(self, connection: int, message: int, head: int, plain: bytes) -> bytes:
        """What the terminal answers to a command; the same again for a repetition."""
        asked = plain[head - 2 : head]
        self._obeyed.once(connection, (message, asked, plain[head : _end(plain, head)]))
        if message in _TOLD:
            return self._say(connection, 0x0104, asked + _PARAMETERS, 2)
        make = self._answers.get(message)
        if make is not None:
            return make(self, connection, asked)
        body = asked + message.to_bytes(2, "big") + b"\0"
        return self._say(connection, GENERAL, body, 2)

    def _located(self, connection: int, asked: bytes) -> bytes:
        return self._say(connection, LOCATION_ANSWER, asked + self._here(connection), 2)

    def _controlled(self, connection: int, asked: bytes) -> bytes:
        return self._say(connection, CONTROLLED, asked + self._here(connection), 2)

    def _here(self, connection: int) -> bytes:
        now = np.array([self._clock.now_us()])
        car = np.array([self._car(connection)])
        return locations(self._fleet.cars.take(car).columns(now), now).tobytes()

    _answers: Mapping[int, Callable[[Any, int, bytes], bytes]] = {
        0x8201: _located,
        0x8500: _controlled,
    }


def locations(columns: Mapping[str, NDArray[Any]], times: Rows) -> Bytes:
    """Location bodies (2013, table 23) with mileage, signal strength and satellites: uint8
    (n, 40)."""
    n = len(times)
    body = np.zeros((n, 40), np.uint8)
    driving = columns["Vehicle.OperatingState"] == 0
    status = driving * _ACC + _FIXED + _GPS + _BEIDOU
    numbers = (
        (4, 4, status),
        (8, 4, np.rint(columns[f"{_PLACE}.Latitude"] * 1e6)),
        (12, 4, np.rint(columns[f"{_PLACE}.Longitude"] * 1e6)),
        (16, 2, np.full(n, 50)),
        (18, 2, np.rint(columns["Vehicle.Speed"] * 10)),
        (20, 2, columns[f"{_PLACE}.Heading"]),
        (30, 4, np.rint(columns["Vehicle.TraveledDistance"] / 100)),
    )
    for at, width, values in numbers:
        raw = np.asarray(values).astype(np.int64)
        for byte in range(width):
            body[:, at + byte] = raw >> 8 * (width - 1 - byte) & 0xFF
    body[:, 22:28] = bcd_times(times)
    body[:, 28:30] = (0x01, 4)
    body[:, 34:40] = (0x30, 1, _SIGNAL, 0x31, 1, _SATELLITES)
    return body


def _framed(
    message: int, phones: Rows, serial: Rows, bodies: Bytes, edition: int
) -> tuple[Bytes, Rows]:
    """Sealed messages end to end, and their sizes."""
    n, size = bodies.shape
    digits = 20 if edition == 2019 else 12
    attributes = size | (0x4000 if edition == 2019 else 0)
    first = [*divmod(message, 256), *divmod(attributes, 256), *([1] if edition == 2019 else [])]
    head = len(first) + digits // 2 + 2
    whole = np.empty((n, 1 + head + size + 2), np.uint8)
    whole[:, 0] = whole[:, -1] = _FLAG
    whole[:, 1 : 1 + len(first)] = first
    rest = phones.copy()
    for place in range(head - 2, len(first), -1):
        rest, two = np.divmod(rest, 100)
        whole[:, place] = two // 10 << 4 | two % 10
    whole[:, head - 1] = serial >> 8 & 0xFF
    whole[:, head] = serial & 0xFF
    whole[:, 1 + head : -2] = bodies
    whole[:, -2] = np.bitwise_xor.reduce(whole[:, 1:-2], axis=1)
    start = np.arange(n) * whole.shape[1] + 1
    longer, begin, end = escape(whole.ravel(), start, start + whole.shape[1] - 2, _ESCAPES)
    return longer, end - begin + 2


def _edition(car: int) -> int:
    return 2019 if car % 2 else 2013


def _end(plain: bytes, head: int) -> int:
    """Where the body of a message ends, whatever stands behind it."""
    return head + ((plain[2] << 8 | plain[3]) & 0x3FF)
