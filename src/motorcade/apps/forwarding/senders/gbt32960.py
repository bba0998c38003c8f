"""GB/T 32960 platform link, client side: what an enterprise platform owes the national one.

In: reports, logins, logouts and ends of links, of any protocol. Out: vehicle logins 01 and logouts
04, reports 02, and 03 for what is late: stored while the link was away, and sent when it is back.
A row is acknowledged by its answer's flag 01; a refused one is sent again three times, a minute
apart, and then given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from motorcade.apps.forwarding.gbt32960_frames import report_frames
from motorcade.apps.forwarding.gbt32960_link import PlatformLink, Target, check, login_number
from motorcade.apps.forwarding.parcel import Away, Name, Parcel, Surroundings
from motorcade.protocols.gbt32960 import encode
from motorcade.protocols.gbt32960.cipher import closed
from motorcade.protocols.gbt32960.encode import login_unit, logout_unit
from motorcade.protocols.gbt32960.words import LOGIN, LOGOUT, OK
from motorcade.signals.batch import SignalBatch

__all__ = ["RECORDS", "SECRETS", "Sender", "Target", "check"]

RECORDS: Final = ("report", "login", "logout", "link")
SECRETS: Final = frozenset({"password", "aes_key_hex"})

_LINK: Final = "Vehicle.Connectivity"
_PACKS: Final = "Vehicle.Powertrain.TractionBattery.PackCodes"
_OFFLINE: Final = "OFFLINE"
_HOPELESS_S: Final = 3600.0


class _Refused(NamedTuple):
    """A row of a batch that was answered with another flag than 01."""

    batch: int
    row: int
    vin: str
    flag: int


@dataclass(slots=True)
class _Step:
    """A vehicle goes in or out by a frame under way: ``before`` it was in with this number, or
    not."""

    vin: str
    before: int | None
    answered: bool = False


class Sender:
    """One platform link's client."""

    def __init__(self, target: Target, around: Surroundings) -> None:
        self._target = target
        self._around = around
        self._clock = around.clock
        self._link = PlatformLink(target, around)
        self._inside: dict[str, int] = {}
        """VIN to the number of its login, of vehicles that are logged in there."""
        self._steps: list[_Step] = []
        self._hopeless: dict[str, float] = {}
        """VINs refused in spite of all tries, and until when they are tried once only."""

    async def send(self, parcel: Parcel) -> None:
        """Send the open rows and wait for their answers; those refused again after a while."""
        for tries_left in range(self._target.refused_retries, -1, -1):
            refused = await self._send_once(parcel)
            if not self._tried_again(parcel, refused, tries_left):
                return
            await self._quiet(self._target.refused_retry_s)

    async def idle(self) -> None:
        """Be logged in, and be heard of."""
        await self._link.ready()
        await self._link.beat()

    async def close(self) -> None:
        """Log the platform out."""
        await self._link.close()

    def _tried_again(self, parcel: Parcel, refused: Sequence[_Refused], tries_left: int) -> bool:
        """Give up refused rows that have had their tries; whether there are others."""
        now = self._clock.monotonic_s()
        again = False
        for one in refused:
            if tries_left and self._hopeless.get(one.vin, now) <= now:
                again = True
                continue
            parcel.refused(one.batch, one.row, f"{one.vin}: refused with flag {one.flag:02X}")
            if not tries_left:
                self._hopeless[one.vin] = now + _HOPELESS_S
        return again

    async def _quiet(self, seconds: float) -> None:
        """Wait, and be heard of meanwhile."""
        end = self._clock.monotonic_s() + seconds
        while (left := end - self._clock.monotonic_s()) > 0:
            await asyncio.sleep(min(left, 1.0))
            await self._link.beat()

    async def _send_once(self, parcel: Parcel) -> list[_Refused]:
        """Every open row once; the refused ones. Raises ``Away``; rows answered by then keep their
        fate."""
        await self._link.ready()
        refused: list[_Refused] = []
        self._steps.clear()
        try:
            await self._submit_all(parcel, refused)
            await self._link.all_answered()
        except Away:
            for step in reversed(self._steps):
                if not step.answered:
                    self._set(step.vin, step.before)
            raise
        return refused

    async def _submit_all(self, parcel: Parcel, refused: list[_Refused]) -> None:
        async def submit(index: int, row: int, vin: str, at: int, frame: bytes) -> None:
            step = self._steps[-1] if self._steps and self._steps[-1].vin == vin else None

            def answered(flag: int) -> None:
                if step is not None:
                    step.answered = True
                if flag == OK:
                    parcel.sent(index, row)
                else:
                    refused.append(_Refused(index, row, vin, flag))

            await self._link.submit(frame, at, answered)

        for index, rows, batch in parcel.open():
            numbers = batch.numpy("vehicle").tolist()
            times = batch.numpy("event_time").tolist()
            frames = self._frames(batch, parcel.names, again=parcel.attempts > 0)
            for row, number, at, frame in zip(rows.tolist(), numbers, times, frames, strict=True):
                if frame is None:
                    parcel.left_out(index, row)
                    continue
                name = parcel.names[number]
                if batch.kind == "report" and name.vin not in self._inside:
                    await self._link.submit(self._login(name, at), at, self._noting())
                await submit(index, row, name.vin, at, frame)

    def _frames(
        self, batch: SignalBatch, names: Mapping[int, Name], *, again: bool
    ) -> Iterator[bytes | None]:
        """A frame a row; None where the standard has none for it."""
        if batch.kind == "login":
            return self._logins(batch, names)
        if batch.kind == "logout":
            return self._logouts(batch, names, np.ones(len(batch), bool))
        if batch.kind == "link":
            return self._logouts(batch, names, self._offline(batch))
        age_us = self._clock.now_us() - batch.numpy("ingest_time")
        late: NDArray[np.bool_] = age_us > self._target.reissue_after_s * 1e6
        late = late | batch.column("reissued").to_numpy(zero_copy_only=False) | again
        vins = {number: name.vin for number, name in names.items()}
        edition = self._target.edition
        frames = report_frames(batch, vins, late, self._around.catalogue, edition)
        settings = self._link.settings
        if settings is None:
            return iter(frames)
        return (None if frame is None else closed(frame, settings) for frame in frames)

    def _logins(self, batch: SignalBatch, names: Mapping[int, Name]) -> Iterator[bytes | None]:
        sequences = _listed(batch, f"{_LINK}.LoginSequence")
        iccids = _listed(batch, f"{_LINK}.ICCID")
        codes = _listed(batch, _PACKS)
        rows = zip(batch.numpy("vehicle").tolist(), batch.numpy("event_time").tolist(), strict=True)
        for place, (number, at) in enumerate(rows):
            name = names[number]
            known = Name(name.vin, name.plate, iccids[place] or name.iccid)
            yield self._login(known, at, sequences[place], codes[place] or ())

    def _login(
        self, name: Name, at: int, sequence: int | None = None, codes: Sequence[str] = ()
    ) -> bytes:
        """01: a vehicle's own, or ours for one whose protocol has none or that is in for long."""
        number = sequence or login_number(at)
        self._step(name.vin, number)
        unit = login_unit(at, number, name.iccid, codes, self._target.edition)
        return self._frame(LOGIN, name.vin, unit)

    def _logouts(
        self, batch: SignalBatch, names: Mapping[int, Name], out: NDArray[np.bool_]
    ) -> Iterator[bytes | None]:
        """04, once, for those that are in: by their own word, or for want of a link."""
        numbers, times = batch.numpy("vehicle").tolist(), batch.numpy("event_time").tolist()
        for number, at, leaves in zip(numbers, times, out.tolist(), strict=True):
            vin = names[number].vin
            sequence = self._inside.get(vin) if leaves else None
            if sequence is None:
                yield None
            else:
                self._step(vin, None)
                yield self._frame(LOGOUT, vin, logout_unit(at, sequence))

    def _offline(self, batch: SignalBatch) -> NDArray[np.bool_]:
        """Rows of links that say that their vehicle has none left."""
        path = f"{_LINK}.Link.Event"
        if path not in batch.paths:
            return np.zeros(len(batch), bool)
        code = self._around.catalogue[path].words.index(_OFFLINE)
        codes = batch.column(path).fill_null(255).to_numpy(zero_copy_only=False)
        offline: NDArray[np.bool_] = codes == code
        return offline

    def _step(self, vin: str, number: int | None) -> None:
        self._steps.append(_Step(vin, self._inside.get(vin)))
        self._set(vin, number)

    def _set(self, vin: str, number: int | None) -> None:
        if number is None:
            self._inside.pop(vin, None)
        else:
            self._inside[vin] = number

    def _noting(self) -> Callable[[int], None]:
        """What to do with the answer to a login of our own: whatever it says, the answer to the
        report is what counts."""
        step = self._steps[-1]

        def answered(_: int) -> None:
            step.answered = True

        return answered

    def _frame(self, command: int, vin: str, unit: bytes) -> bytes:
        edition, settings = self._target.edition, self._link.settings
        return encode(command, vin, unit, edition=edition, settings=settings)


def _listed(batch: SignalBatch, path: str) -> list[Any]:
    return batch.column(path).to_pylist() if path in batch.paths else [None] * len(batch)
