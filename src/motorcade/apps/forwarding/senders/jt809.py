"""JT/T 809, the lower platform's main link: positions to a transport authority's platform.

In: rows with a position, of vehicles with a number plate. Out: 0x1202, and 0x1203 for what is late,
up to five of a vehicle in one. The standard answers neither; a keep-alive (1005) behind them does
instead: the upper platform reads its link in order, so its 1006 says that they have arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.apps.forwarding.parcel import Away, Parcel, Surroundings
from motorcade.apps.forwarding.targets import check_host, tls_context
from motorcade.apps.forwarding.tcp import TcpLink
from motorcade.errors import Invalid, MessageError
from motorcade.protocols import jt809
from motorcade.protocols.jt809.messages import (
    KEEP_ALIVE,
    KEEP_ALIVE_ANSWER,
    LOGIN,
    LOGIN_ANSWER,
    LOGOUT,
    LOGOUT_ANSWER,
)
from motorcade.protocols.jt809.positions import EXCHANGE, PATHS
from motorcade.signals.batch import SignalBatch

__all__ = ["RECORDS", "SECRETS", "Sender", "Target", "check"]

RECORDS: Final = ("report",)
SECRETS: Final = frozenset({"password"})
_GOODBYE_S: Final = 2.0
_ALONE_S: Final = 60.0
_AWAITED: Final = frozenset({LOGIN_ANSWER, LOGOUT_ANSWER, KEEP_ALIVE_ANSWER})


class Target(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The upper platform and our account there."""

    host: str
    port: int
    user: int
    """User number, below 4294967296."""
    password: str
    """Up to 8 characters."""
    center: int
    """Access code of the lower platform, below 4294967296."""
    edition: Literal[2011, 2019] = 2011
    version: tuple[int, int, int] = (1, 0, 0)
    cipher: tuple[int, int, int] | None = None
    """M1, IA1, IC1 as the upper platform gave them; null: plain."""
    key: int = 1
    """Key of what is enciphered."""
    down_link_host: str = ""
    """Where the upper platform may open its own link to; told in the login, nothing listens
    there."""
    down_link_port: int = 0
    plate_colour: int = 9
    """Of all plates: 1 blue, 2 yellow, 3 black, 4 white, 9 other, 94 green (JT/T 415)."""
    tls: bool = False
    ca_pem: str = ""
    answer_timeout_s: float = 30.0
    reissue_after_s: float = 60.0
    """What is older when it is sent goes as 0x1203."""


def check(target: Target) -> None:
    """Raise ``Invalid`` for what cannot be."""
    check_host(target.host, target.port)
    for name in ("user", "center", "key"):
        if not 0 <= getattr(target, name) < 1 << 32:
            raise Invalid(f"target: {name} is 0 to 4294967295")
    if len(target.password) > 8 or not target.password.isascii():
        raise Invalid("target: password has at most 8 ASCII characters")
    if not all(0 <= part < 256 for part in (*target.version, target.plate_colour)):
        raise Invalid("target: version and plate_colour are bytes")
    if target.cipher is not None and not all(0 <= part < 1 << 32 for part in target.cipher):
        raise Invalid("target: cipher is three numbers of 32 bits")
    if not 0 <= target.down_link_port < 1 << 16 or len(target.down_link_host) > 32:
        raise Invalid("target: down_link_host has 32 characters at most, down_link_port is a port")
    if not 0.01 <= target.answer_timeout_s <= 600 or not 0 <= target.reissue_after_s <= 86_400:
        raise Invalid("target: answer_timeout_s is 0.01 to 600 s, reissue_after_s 0 to 86400 s")
    tls_context(target.ca_pem)


class Sender:
    """One main link's client."""

    def __init__(self, target: Target, around: Surroundings) -> None:
        self._target = target
        self._around = around
        self._clock = around.clock
        self._cipher = None if target.cipher is None else jt809.Cipher(*target.cipher)
        self._tcp = TcpLink(target, around.config, around.clock, self._heard, self._forget)
        self._rest = b""
        self._serial = 0
        self._answers: dict[int, jt809.Frame] = {}
        """The latest of each kind we ask for, until it is looked at."""

    async def send(self, parcel: Parcel) -> None:
        """Send the open rows, and wait until the platform has read as far."""
        await self._ready()
        done: list[tuple[int, NDArray[np.int64]]] = []
        for index, rows, batch in parcel.open():
            fit = _fit(batch, parcel)
            parcel.left_out(index, rows[~fit])
            if fit.any():
                kept = batch if fit.all() else batch.take(np.flatnonzero(fit))
                await self._write(self._frames(kept, parcel))
                done.append((index, rows[fit]))
        if done:
            await self._test()
        for index, rows in done:
            parcel.sent(index, rows)

    async def idle(self) -> None:
        """Be logged in, and keep the link alive once a minute."""
        await self._ready()
        if self._tcp.silent_s >= _ALONE_S:
            await self._test()

    async def close(self) -> None:
        """1003, and close. Never raises."""
        if self._tcp.alive:
            with contextlib.suppress(Away, TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    body = jt809.logout(self._target.user, self._target.password)
                    await self._write([self._sealed(LOGOUT, body)])
                    await self._answer(LOGOUT_ANSWER)
        await self._tcp.close()

    def _frames(self, batch: SignalBatch, parcel: Parcel) -> list[bytes]:
        age_us = self._clock.now_us() - batch.numpy("ingest_time")
        late: NDArray[np.bool_] = age_us > self._target.reissue_after_s * 1e6
        late = late | batch.column("reissued").to_numpy(zero_copy_only=False)
        late = late | (parcel.attempts > 0)
        found: list[bytes] = []
        for rows, again in ((np.flatnonzero(late), True), (np.flatnonzero(~late), False)):
            if len(rows):
                found += self._encoded(batch.take(rows), parcel, again=again)
        return found

    def _encoded(self, batch: SignalBatch, parcel: Parcel, *, again: bool) -> list[bytes]:
        plates = [parcel.names[number].plate for number in batch.numpy("vehicle").tolist()]
        vehicles = jt809.Vehicles.of(plates, self._target.plate_colour)
        times, edition = batch.numpy("event_time"), self._target.edition
        columns = {
            name: _doubles(batch.column(path))
            for name, path in PATHS.items()
            if path in batch.paths
        }
        if not again:
            bodies = [jt809.positions(vehicles, times, columns, edition=edition)]
        else:
            told = jt809.re_issued(vehicles, times, columns, edition=edition)
            bodies = [body for _, body in told]
        frames: list[bytes] = []
        for body in bodies:
            frames += jt809.seal_all(
                EXCHANGE, body, self._header(len(body)), edition=edition, cipher=self._cipher
            )
        return frames

    def _header(self, count: int) -> jt809.Header:
        serial = self._serial
        self._serial = (serial + count) & 0xFFFF_FFFF
        now_s = self._clock.now_us() // 1_000_000
        return jt809.Header(
            serial, self._target.center, self._target.version, self._target.key, now_s
        )

    def _sealed(self, kind: int, body: bytes) -> bytes:
        return jt809.seal(
            kind, body, self._header(1), edition=self._target.edition, cipher=self._cipher
        )

    async def _ready(self) -> None:
        await self._tcp.ready(self._log_in)

    async def _log_in(self) -> None:
        target = self._target
        body = jt809.login(
            target.user, target.password, target.center, target.down_link_host,
            target.down_link_port, edition=target.edition,
        )  # fmt: skip
        await self._write([self._sealed(LOGIN, body)])
        answer = await self._answer(LOGIN_ANSWER)
        try:
            result, _ = jt809.read_login_answer(answer.body)
        except MessageError as error:
            raise Away(f"the login's answer: {error.detail}") from error
        if result:
            said = jt809.LOGIN_RESULTS.get(result, f"result {result}")
            raise Away(f"the login was refused: {said}")

    async def _test(self) -> None:
        """1005, and wait for its 1006; one that came before it was asked for answers nothing."""
        self._answers.clear()
        await self._write([self._sealed(KEEP_ALIVE, jt809.keep_alive())])
        await self._answer(KEEP_ALIVE_ANSWER)

    async def _write(self, frames: list[bytes]) -> None:
        await self._tcp.write(b"".join(frames))

    async def _answer(self, kind: int) -> jt809.Frame:
        """The next frame of this kind; others are passed over. Raises ``Away``."""
        wait_s = self._target.answer_timeout_s
        await self._tcp.until(lambda: kind in self._answers, wait_s, jt809.name_of(kind))
        return self._answers.pop(kind)

    def _heard(self, data: bytes) -> None:
        edition = self._target.edition
        frames, self._rest, _ = jt809.cut_stream(
            self._rest + data, edition=edition, cipher=self._cipher
        )
        self._answers.update({frame.kind: frame for frame in frames if frame.kind in _AWAITED})

    def _forget(self) -> None:
        self._rest = b""
        self._answers.clear()


def _fit(batch: SignalBatch, parcel: Parcel) -> NDArray[np.bool_]:
    """Rows with a position, of vehicles with a plate."""
    plated = np.array([bool(parcel.names[n].plate) for n in batch.numpy("vehicle").tolist()])
    for name in ("latitude", "longitude"):
        path = PATHS[name]
        if path not in batch.paths:
            return np.zeros(len(batch), bool)
        plated &= batch.column(path).is_valid().to_numpy(zero_copy_only=False)
    return plated


def _doubles(column: pa.Array) -> NDArray[np.float64]:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values
