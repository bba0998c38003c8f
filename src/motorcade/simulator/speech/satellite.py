"""Cars by satellite: modems behind Iridium's ground gateway, and signed datagrams of their own.

``IridiumSpeech`` is the ground gateway: its connections carry DirectIP messages of many modems in
turn, each confirmed. ``CompactSpeech`` is cars that send signed datagrams by UDP and hear whether
they are stored. Both carry compact reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from motorcade.protocols.compact.signing import BODY, OVERHEAD, encode
from motorcade.protocols.iridium.elements import CONFIRMED, MoHeader, encode_mo
from motorcade.simulator.fleet import CarFleet
from motorcade.simulator.speech import Heard, Obeyed, Sends
from motorcade.wire.compact.command import CompactAnswer, pack_answer, read_command
from motorcade.wire.compact.report import pack_report

__all__ = ["CompactSpeech", "IridiumSpeech", "reports"]

_BATTERY: Final = "Vehicle.Powertrain.TractionBattery"
_SAID: Final = {
    "Vehicle.CurrentLocation.Latitude": 1.0,
    "Vehicle.CurrentLocation.Longitude": 1.0,
    "Vehicle.Speed": 1.0,
    f"{_BATTERY}.StateOfCharge.Current": 1.0,
    "Vehicle.TraveledDistance": 0.001,
    "Vehicle.Alarm.Level": 1.0,
}
"""What compact reports say, and by what a catalogue's unit becomes the profile's."""

_COMMAND: Final = 0xD1
_ACKNOWLEDGED: Final = 0xA1
_SEQUENCES: Final = 1 << 16


class IridiumSpeech:
    """Each connection delivers the messages of its cars' modems."""

    commands = 0
    repeated = 0

    def __init__(
        self, fleet: CarFleet, address: tuple[str, int], *, frames_per_send: int = 1
    ) -> None:
        self._fleet = fleet
        self._address = address
        self._frames_per_send = frames_per_send

    def address(self, connection: int) -> tuple[str, int, bool]:
        """Host, port, and whether it is UDP."""
        return (*self._address, False)

    def hello(self, connection: int) -> bytes:
        """Nobody logs in."""
        return b""

    def hear(self, connection: int, data: bytes, *, greeted: bool) -> Heard:
        """Confirmations are counted; each is for one message, in order."""
        count, at, size = 0, 0, len(CONFIRMED)
        while at + 3 <= len(data) and at + 3 + int.from_bytes(data[at + 1 : at + 3], "big") <= len(
            data
        ):
            count += data[at : at + size] == CONFIRMED
            at += 3 + int.from_bytes(data[at + 1 : at + 3], "big")
        return Heard(at, count)

    def hop(self, connection: int) -> bool:
        """The ground gateway stays where it is."""
        return False

    def encode(self, sends: Sends) -> list[bytes]:
        """Mobile-originated messages of modems, several of one car a second apart."""
        many = self._frames_per_send
        bodies = reports(self._fleet, sends, many)
        made = []
        for row, (car, at) in enumerate(zip(sends.car.tolist(), sends.time_us, strict=True)):
            imei = self._fleet.imei(car).encode()
            parts = []
            for place in range(row * many, (row + 1) * many):
                number = int(sends.turn[row]) * many + place % many
                head = MoHeader(
                    cdr=(car * 1_000_003 + number) & 0xFFFFFFFF,
                    imei=imei,
                    status=0,
                    momsn=number % _SEQUENCES,
                    mtmsn=0,
                    session_s=int(at) // 1_000_000,
                )
                parts.append(encode_mo(head, bodies[place]))
            made.append(b"".join(parts))
        return made


class CompactSpeech:
    """A car a connection; ``keys`` by VIN."""

    def __init__(
        self,
        fleet: CarFleet,
        address: tuple[str, int],
        keys: Mapping[str, str],
    ) -> None:
        self._fleet = fleet
        self._address = address
        cars = fleet.starts[:-1].tolist()
        self._devices = [fleet.device(car) for car in cars]
        self._keys = [bytes.fromhex(keys.get(fleet.vin(car), "")) for car in cars]
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
        return (*self._address, True)

    def hello(self, connection: int) -> bytes:
        """Nobody logs in."""
        return b""

    def hear(self, connection: int, data: bytes, *, greeted: bool) -> Heard:
        """An acknowledgement says stored or refused; a command is obeyed and answered."""
        if len(data) < OVERHEAD:
            return Heard(len(data))
        if data[BODY] == _ACKNOWLEDGED:
            return Heard(len(data), 1, data[BODY + 1] != 0)
        if data[BODY] != _COMMAND:
            return Heard(len(data))
        said = read_command(data[BODY : BODY - OVERHEAD])
        self._obeyed.once(connection, (said.number, data))
        answer = pack_answer(CompactAnswer(said.number, "succeeded", "ok", said.deadline_s))
        datagram = encode(self._devices[connection], answer, self._keys[connection])
        return Heard(len(data), reply=datagram)

    def hop(self, connection: int) -> bool:
        """It is heard wherever it is."""
        return False

    def encode(self, sends: Sends) -> list[bytes]:
        """Signed reports, one a datagram."""
        bodies = reports(self._fleet, sends, 1)
        return [
            encode(self._devices[connection], body, self._keys[connection])
            for connection, body in zip(sends.connection.tolist(), bodies, strict=True)
        ]


def reports(fleet: CarFleet, sends: Sends, many: int) -> list[bytes]:
    """Compact reports, ``many`` a send, a second apart."""
    car, times, turn = sends.car, sends.time_us, sends.turn * many
    if many > 1:
        car = np.repeat(car, many)
        times = (times[:, None] - np.arange(many - 1, -1, -1) * 1_000_000).ravel()
        turn = (turn[:, None] + np.arange(many)).ravel()
    columns = fleet.cars.take(car).columns(times)
    values = {path: (columns[path] * factor).tolist() for path, factor in _SAID.items()}
    rows: list[dict[str, Any]] = [
        dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)
    ]
    return [
        pack_report(int(at) // 1_000_000, int(number) % _SEQUENCES, row)
        for at, number, row in zip(times.tolist(), turn.tolist(), rows, strict=True)
    ]
