"""Terminals by JT/T 808, every second one of 2019: registration, login, locations, commands.

A terminal registers once, keeps the code it was given, and authenticates with it whenever it
connects. Several locations of a send, or old ones, come from its store (0x0704, blind area).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from motorcade.clock import SystemClock
from motorcade.protocols.frames import Frames
from motorcade.protocols.jt808.bulk import encode_reports, phone_bytes
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

__all__ = ["Jt808Speech"]

_PLACE: Final = "Vehicle.CurrentLocation"
_SAID: Final = (
    "Vehicle.Speed",
    "Vehicle.TraveledDistance",
    f"{_PLACE}.IsValid",
    f"{_PLACE}.CoordinateSystem",
    f"{_PLACE}.Latitude",
    f"{_PLACE}.Longitude",
    f"{_PLACE}.Heading",
)
"""What a location tells of the car, and below what is always the same."""

_CONSTANT: Final = {
    f"{_PLACE}.Altitude": 50,
    f"{_PLACE}.GNSSReceiver.Satellites": 14,
    "Vehicle.Connectivity.SignalStrength": 24,
}
_TOLD: Final = (0x8104, 0x8106)
_ONE: Final = {
    (b"\x80\x01" + bytes([edition, 5]), message.to_bytes(2, "big") + b"\0"): Heard(size, 1)
    for edition, size in ((0, 20), (0x40, 25))
    for message in (LOCATION, BATCH)
}
"""By attributes and what is answered: a general answer alone, in either edition."""
_PARAMETERS: Final = b"\x02" + bytes.fromhex("00000001 04 0000003c 00000029 04 0000001e")
"""Heartbeat every 60 s, a location every 30 s (0x0001, 0x0029)."""


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
        one = _ONE.get((data[1:5], data[-5:-2])) if greeted else None
        if one is not None and one.used == len(data) and b"\x7d" not in data:
            return one
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
                    answers += 1
                    refused += bad
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
        """Locations, each a message of its own."""
        made: list[bytes] = [b""] * len(sends.car)
        for odd in (0, 1):
            rows = np.flatnonzero(sends.car % 2 == odd)
            if len(rows):
                found = self._sealed(sends.take(rows), 2019 if odd else 2013)
                for row, data in zip(rows.tolist(), found, strict=True):
                    made[row] = data
        return made

    def _sealed(self, sends: Sends, edition: int) -> list[bytes]:
        many = self._many
        car, times, serial = sends.car, sends.time_us, sends.number
        if many > 1:
            car = np.repeat(car, many)
            times = (times[:, None] - np.arange(many - 1, -1, -1) * 1_000_000).ravel()
            serial = (serial[:, None] * many + np.arange(many)).ravel()
        frames = self._locations(car, times, edition, serial, reissued=self._stored)
        return list(pieces(frames.buffer, frames.length.reshape(-1, many).sum(axis=1)))

    def _locations(
        self, car: Rows, times: Rows, edition: int, serial: Rows, *, reissued: bool = False
    ) -> Frames:
        told = self._fleet.cars.take(car).columns(times)
        return encode_reports(
            phone_bytes([str(phone) for phone in self._phones[car].tolist()], edition),
            times,
            {path: told[path] for path in _SAID}
            | {path: np.full(len(car), value) for path, value in _CONSTANT.items()},
            edition=edition,
            reissued=reissued,
            serial=serial,
        )

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
        """The body of a location as it is now."""
        car = self._car(connection)
        now, edition = np.array([self._clock.now_us()]), _edition(car)
        frame = self._locations(np.array([car]), now, edition, np.zeros(1, np.int64)).bytes_of(0)
        return plain_of(frame)[17 if edition == 2019 else 12 :]

    _answers: Mapping[int, Callable[[Any, int, bytes], bytes]] = {
        0x8201: _located,
        0x8500: _controlled,
    }


def _edition(car: int) -> int:
    return 2019 if car % 2 else 2013


def _end(plain: bytes, head: int) -> int:
    """Where the body of a message ends, whatever stands behind it."""
    return head + ((plain[2] << 8 | plain[3]) & 0x3FF)
