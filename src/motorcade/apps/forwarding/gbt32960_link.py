"""The client's end of a GB/T 32960 platform link: login, frames ahead of their answers, heartbeats.

In: sealed frames. Out: each frame's answer flag. A link without an answer for ``answer_timeout_s``
while frames are under way is given up. Logins that fail are repeated after ``login_retry_s``, and
after ``login_retries`` of them after ``login_pause_s``: the standard's one and thirty minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from motorcade.apps.forwarding.parcel import Away, Surroundings
from motorcade.apps.forwarding.targets import check_host, tls_context
from motorcade.apps.forwarding.tcp import TcpLink
from motorcade.errors import Invalid
from motorcade.protocols.gbt32960 import cut, encode
from motorcade.protocols.gbt32960.cipher import opened
from motorcade.protocols.gbt32960.encode import logout_unit, platform_login_unit
from motorcade.protocols.gbt32960.framing import HEADER
from motorcade.protocols.gbt32960.settings import TenantSettings
from motorcade.protocols.gbt32960.times import time6
from motorcade.protocols.gbt32960.words import (
    AES128,
    COMMAND,
    HEARTBEAT,
    OK,
    PLAIN,
    PLATFORM_LOGIN,
    PLATFORM_LOGOUT,
)

__all__ = ["PlatformLink", "Target", "check", "login_number"]

_GOODBYE_S: Final = 2.0
_WRITE_BYTES: Final = 32 << 10
_DAY_US: Final = 86_400_000_000
_ZONE_US: Final = 8 * 3600 * 1_000_000

Answered = Callable[[int], None]
"""Called with the answer's flag."""


class Target(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The server platform and our account there. The default times are the standard's, where it
    names any."""

    host: str
    port: int = 32960
    user: str
    """Up to 12 ASCII characters."""
    password: str
    """Up to 20 ASCII characters."""
    code: str
    """The platform's own unique code, 17 ASCII characters."""
    edition: Literal[2016, 2025] = 2016
    tls: bool = False
    ca_pem: str = ""
    """Certificate the server's is signed by; empty: those the system trusts."""
    aes_key_hex: str = ""
    """AES-128 key of the data units, 32 hexadecimal digits; empty: plain."""
    aes_mode: Literal["ecb", "cbc"] = "ecb"
    aes_padding: Literal["pkcs7", "none"] = "pkcs7"
    window: int = 256
    """Frames under way without their answers, 1 to 4,096."""
    answer_timeout_s: float = 60.0
    login_retry_s: float = 60.0
    login_retries: int = 3
    login_pause_s: float = 1800.0
    """After ``login_retries`` attempts in a row."""
    refused_retry_s: float = 60.0
    refused_retries: int = 3
    reissue_after_s: float = 60.0
    """What is older when it is sent, counted from its arrival here, goes as 03."""
    heartbeat_s: float = 60.0
    """07 after so much silence; 0: none."""


def check(target: Target) -> None:
    """Raise ``Invalid`` for what cannot be."""
    check_host(target.host, target.port)
    for name, text, longest in (
        ("user", target.user, 12),
        ("password", target.password, 20),
        ("code", target.code, 17),
    ):
        if not text or len(text) > longest or not text.isascii() or not text.isprintable():
            raise Invalid(f"target: {name} is 1 to {longest} printable ASCII characters")
    if not 1 <= target.window <= 4_096:
        raise Invalid("target: window is 1 to 4096")
    for name in ("answer_timeout_s", "login_retry_s", "login_pause_s", "refused_retry_s"):
        if not 0.01 <= getattr(target, name) <= 86_400:
            raise Invalid(f"target: {name} is 0.01 to 86400 s")
    if not 0 <= target.heartbeat_s <= 3_600 or not 0 <= target.reissue_after_s <= 86_400:
        raise Invalid("target: heartbeat_s is 0 to 3600 s, reissue_after_s 0 to 86400 s")
    if not 0 <= target.refused_retries <= 10 or not 1 <= target.login_retries <= 100:
        raise Invalid("target: refused_retries is 0 to 10, login_retries 1 to 100")
    try:
        size = len(bytes.fromhex(target.aes_key_hex))
    except ValueError:
        size = -1
    if size not in (0, 16):
        raise Invalid("target: aes_key_hex is 32 hexadecimal digits")
    tls_context(target.ca_pem)


def login_number(us: int) -> int:
    """A login's number of the day (GMT+8), 1 to 43,200, that grows with the time: it needs no
    memory to be a new one at every login."""
    return 1 + (us + _ZONE_US) % _DAY_US // 2_000_000


class PlatformLink:
    """One connection after the other to the server platform."""

    def __init__(self, target: Target, around: Surroundings) -> None:
        self.settings = _ciphers(target) if target.aes_key_hex else None
        self._target = target
        self._clock = around.clock
        self._tcp = TcpLink(target, around.config, around.clock, self._heard, self._forget)
        self._rest = b""
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._under_way: dict[bytes, deque[tuple[bytes, Answered]]] = {}
        self._waiting = 0
        self._login = 0
        self._login_failures = 0

    async def ready(self) -> None:
        """Be connected and logged in. Raises ``Away`` with the standard's pauses."""
        await self._tcp.ready(self._greet)

    async def submit(self, frame: bytes, at: int, answered: Answered) -> None:
        """Send a frame whose data unit is of the time ``at`` (µs UTC), when there is room for one
        more without its answer. Raises ``Away``."""
        while self._waiting >= self._target.window:
            await self._flush()
            await self._progress()
        # Command and name, as the answer has them.
        key = frame[2:3] + frame[4:21]
        self._under_way.setdefault(key, deque()).append((time6(at), answered))
        self._waiting += 1
        self._unsent.append(frame)
        self._unsent_bytes += len(frame)
        if self._unsent_bytes >= _WRITE_BYTES:
            await self._flush()

    async def all_answered(self) -> None:
        """Wait for the answers of everything submitted. Raises ``Away``."""
        await self._flush()
        while self._waiting:
            await self._progress()

    async def beat(self) -> None:
        """07 where nothing was said for ``heartbeat_s``. Raises ``Away``."""
        beat_s = self._target.heartbeat_s
        if beat_s and self._tcp.silent_s >= beat_s:
            self._unsent.append(self._frame(HEARTBEAT, b""))
            await self._flush()
        else:
            self._tcp.check()

    async def close(self) -> None:
        """06, where we are logged in, and close. Never raises."""
        if self._tcp.alive:
            with contextlib.suppress(Away, TimeoutError):
                now = self._clock.now_us()
                self._forget_frames()
                frame = self._frame(PLATFORM_LOGOUT, logout_unit(now, self._login))
                async with asyncio.timeout(_GOODBYE_S):
                    await self.submit(frame, now, lambda flag: None)
                    await self.all_answered()
        await self._tcp.close()

    async def _greet(self) -> None:
        """Log in; a failure brings the standard's pause."""
        try:
            await self._log_in()
        except Away as error:
            self._login_failures += 1
            pause_s = self._target.login_retry_s
            if self._login_failures >= self._target.login_retries:
                self._login_failures, pause_s = 0, self._target.login_pause_s
            raise Away(error.detail, pause_s) from error
        self._login_failures = 0

    async def _log_in(self) -> None:
        now = self._clock.now_us()
        self._login = login_number(now)
        target = self._target
        unit = platform_login_unit(now, self._login, target.user, target.password)
        flags: list[int] = []
        await self.submit(self._frame(PLATFORM_LOGIN, unit), now, flags.append)
        await self.all_answered()
        if flags != [OK]:
            raise Away(f"the platform login was refused with flag {flags[0]:02X}")

    def _frame(self, command: int, unit: bytes) -> bytes:
        return encode(command, self._target.code, unit, edition=self._target.edition)

    async def _flush(self) -> None:
        frames, self._unsent, self._unsent_bytes = self._unsent, [], 0
        if frames:
            await self._tcp.write(b"".join(frames))

    async def _progress(self) -> None:
        """Wait for one more answer. Raises ``Away`` where none comes, with the link given up."""
        before, wait_s = self._waiting, self._target.answer_timeout_s
        await self._tcp.until(lambda: self._waiting < before, wait_s, f"answer to {before} frames")

    def _heard(self, data: bytes) -> None:
        """Answers, matched by command, name and time; what was never asked is passed over."""
        found = cut([self._rest + data])
        self._rest = found.remainder.get(0, b"")
        if len(self._rest) > 1 << 17:
            raise Away("the peer sends frames without an end")
        for row in range(len(found.frames)):
            self._answered(found.frames.bytes_of(row))

    def _answered(self, frame: bytes) -> None:
        flag = frame[3]
        waiting = self._under_way.get(frame[2:3] + frame[4:21])
        if flag == COMMAND or not waiting:
            return
        at = self._time_of(frame)
        for place, (expected, answered) in enumerate(waiting):
            if at in (b"", expected):
                del waiting[place]
                self._waiting -= 1
                answered(flag)
                return

    def _time_of(self, frame: bytes) -> bytes:
        """The time in an answer; empty where it has none that can be read."""
        if frame[21] == AES128 and self.settings is not None:
            frame = opened(frame, self.settings) or b""
        elif frame[21] != PLAIN:
            return b""
        return frame[HEADER : HEADER + 6] if len(frame) > HEADER + 6 else b""

    def _forget(self) -> None:
        self._forget_frames()
        self._rest = b""

    def _forget_frames(self) -> None:
        self._under_way.clear()
        self._waiting = 0
        self._unsent, self._unsent_bytes = [], 0


def _ciphers(target: Target) -> TenantSettings:
    return TenantSettings(
        aes_key=bytes.fromhex(target.aes_key_hex),
        aes_mode=target.aes_mode,
        aes_padding=target.aes_padding,
    )
