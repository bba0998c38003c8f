"""Cars, and platforms that forward many, by GB/T 32960: logins, reports, remote control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from motorcade.clock import SystemClock
from motorcade.protocols.gbt32960.bulk import encode_reports
from motorcade.protocols.gbt32960.encode import encode, login_unit, platform_login_unit
from motorcade.protocols.gbt32960.words import COMMAND, LOGIN, PLATFORM_LOGIN
from motorcade.simulator.fleet import CarFleet
from motorcade.simulator.speech import Heard, Obeyed, Rows, Sends

__all__ = ["Gbt32960Speech"]

_OK: Final = 1
_HEADER: Final = 25
_SEQUENCE_MAX: Final = 65_531


class Gbt32960Speech:
    """``accounts``: user and password a tenant, where connections are platform links;
    ``reissued``: reports are old ones (03), as they are where a send has several."""

    def __init__(
        self,
        fleet: CarFleet,
        address: tuple[str, int],
        *,
        accounts: Sequence[tuple[str, str]] = (),
        frames_per_send: int = 1,
        reissued: bool = False,
    ) -> None:
        self._fleet = fleet
        self._address = address
        self._accounts = accounts
        self._frames_per_send = frames_per_send
        self._reissued = reissued or frames_per_send > 1
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
        return (*self._address, False)

    def hello(self, connection: int) -> bytes:
        """A login (01) or platform login (05) with the present time."""
        now, fleet = self._clock.now_us(), self._fleet
        car = int(fleet.starts[connection])
        sequence = now // 1_000_000 % _SEQUENCE_MAX + 1
        edition = fleet.layouts[int(fleet.layout[car])].edition
        if not self._accounts:
            iccid = f"8986{car:016d}"
            unit = login_unit(now, sequence, iccid, edition=edition)
            return encode(LOGIN, fleet.vin(car), unit, edition=edition)
        user, password = self._accounts[int(fleet.tenant[car])]
        unit = platform_login_unit(now, sequence, user, password)
        return encode(PLATFORM_LOGIN, user, unit, edition=edition)

    def hear(self, connection: int, data: bytes, *, greeted: bool) -> Heard:
        """Answers are counted by their flag; a command is obeyed and answered."""
        count = negative = at = 0
        reply = b""
        end = len(data)
        while at + _HEADER <= end:
            size = _HEADER + (data[at + 22] << 8) + data[at + 23]
            if at + size > end:
                break
            if data[at + 3] == COMMAND:
                reply += self._obey(connection, data[at : at + size])
            else:
                negative += data[at + 3] != _OK
                count += 1
            at += size
        if greeted or not count:
            return Heard(at, count, negative, reply=reply)
        return Heard(at, greeted=not negative, rejected=negative > 0, reply=reply)

    def hop(self, connection: int) -> bool:
        """A GB/T 32960 login does not say what carries it."""
        return False

    def encode(self, sends: Sends) -> list[bytes]:
        """Reports, several of one car in a row a second apart, the last at the send's time."""
        made: list[bytes] = [b""] * len(sends.car)
        group = self._groups(sends.car, sends.turn)
        for key in np.unique(group):
            rows = np.flatnonzero(group == key)
            found = self._sealed(sends.car[rows], sends.time_us[rows], int(key))
            for row, data in zip(rows.tolist(), found, strict=True):
                made[row] = data
        return made

    def _obey(self, connection: int, frame: bytes) -> bytes:
        """The answer to a command: the same frame with the flag of success, as the standard has it
        for 81 and 82; of parameters asked for (80) the car has none to tell."""
        self._obeyed.once(connection, frame)
        answer = bytearray(frame)
        answer[3] = _OK
        answer[-1] ^= COMMAND ^ _OK
        return bytes(answer)

    def _groups(self, car: Rows, turn: Rows) -> Rows:
        """What must be encoded apart: layouts, and of long frames every number of cells."""
        fleet = self._fleet
        every = np.array([layout.lists_every for layout in fleet.layouts])[fleet.layout[car]]
        long = (every > 0) & ((turn + car) % np.maximum(every, 1) == 0)
        cells = np.where(long, fleet.cars.cells[car], 0)
        return np.asarray(fleet.layout[car] * 256 + cells)

    def _sealed(self, car: Rows, times: Rows, group: int) -> list[bytes]:
        """The sends of cars that share a layout."""
        layout, cells = self._fleet.layouts[group // 256], group % 256
        many = self._frames_per_send
        if many > 1:
            car = np.repeat(car, many)
            times = (times[:, None] - np.arange(many - 1, -1, -1) * 1_000_000).ravel()
        frames = encode_reports(
            self._fleet.vins[car],
            times,
            self._fleet.cars.take(car).columns(times, cells=cells > 0),
            edition=layout.edition,
            items=layout.items + layout.lists if cells else layout.items,
            reissued=self._reissued,
        )
        data = frames.buffer.tobytes()
        size = int(frames.length[0]) * many
        return [data[at : at + size] for at in range(0, len(data), size)]
