"""Passwords that people choose: hashed by scrypt, one at a time, and nobody waits for a guesser.

In: a password and the hash an account has. Out: whether they fit. A hash takes 16 MiB and some
40 ms, so what was proven, right or wrong, is remembered, the same question is asked once however
many ask it, and the guesses at one account take few places in the queue.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from collections import Counter
from typing import Final

from motorcade.clock import Clock
from motorcade.errors import CapacityError
from motorcade.fleet.cache import Believed
from motorcade.limits import BELIEVED_ENTRIES_MAX, PASSWORDS_WAITING_PER_ACCOUNT_MAX

__all__ = ["PASSWORD_PROVEN_S", "PASSWORD_WRONG_S", "Passwords"]

PASSWORD_PROVEN_S: Final = 3_600.0
"""How long after its last use an account's right password need not be hashed again."""

PASSWORD_WRONG_S: Final = 60.0
"""How long a wrong password is refused without hashing it again."""

_FIRST_TOOK_S: Final = 0.04


class Passwords:
    """The hashing of one process."""

    def __init__(self, clock: Clock) -> None:
        self.hashed = 0
        """Passwords hashed so far."""
        self._clock = clock
        self._proven: Believed[bytes, bool] = Believed(
            clock, PASSWORD_PROVEN_S, BELIEVED_ENTRIES_MAX
        )
        self._wrong: Believed[bytes, bool] = Believed(clock, PASSWORD_WRONG_S, BELIEVED_ENTRIES_MAX)
        self._running: dict[bytes, asyncio.Task[bool]] = {}
        self._waiting: Counter[str] = Counter()
        self._hashing = asyncio.Semaphore(1)
        self._took_s = _FIRST_TOOK_S

    async def make(self, password: str) -> str:
        """What to store of a new password."""
        return await self._scrypt(password, os.urandom(16))

    async def fits(self, user: str, password: str, stored: str | None) -> bool:
        """Whether ``password`` is the one ``stored`` was made of; None for an unknown user, who
        waits as long and costs nothing. ``CapacityError`` where too many guesses at this account
        wait already."""
        if stored is None:
            await asyncio.sleep(self._took_s)
            return False
        proof = hmac.digest(stored.encode(), password.encode(), "sha256")
        if self._proven.get(proof) is not None:
            self._proven.put(proof, True)
            return True
        if self._wrong.get(proof) is not None:
            return False
        running = self._running.get(proof)
        if running is None:
            if self._waiting[user] >= PASSWORDS_WAITING_PER_ACCOUNT_MAX:
                raise CapacityError(f"too many logins of {user!r} at once")
            self._waiting[user] += 1
            running = asyncio.create_task(self._prove(user, password, stored, proof))
            self._running[proof] = running
        return await asyncio.shield(running)

    async def _prove(self, user: str, password: str, stored: str, proof: bytes) -> bool:
        try:
            salt = base64.b64decode(stored.split("$")[1])
            fits = hmac.compare_digest(await self._scrypt(password, salt), stored)
        finally:
            del self._running[proof]
            self._waiting[user] -= 1
            if not self._waiting[user]:
                del self._waiting[user]
        (self._proven if fits else self._wrong).put(proof, True)
        return fits

    async def _scrypt(self, password: str, salt: bytes) -> str:
        began_s = self._clock.monotonic_s()
        async with self._hashing:
            digest = await asyncio.to_thread(
                hashlib.scrypt, password.encode(), salt=salt, n=1 << 14, r=8, p=1
            )
        self.hashed += 1
        self._took_s = max(self._clock.monotonic_s() - began_s, _FIRST_TOOK_S)
        return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
