"""Codes that JT/T 808 terminals authenticate with: derived, so that none is stored.

A terminal gets its code when it registers (0x8100) and presents it at every connection (0x0102). It
is an HMAC of the vehicle's number and of how often the code was replaced, under a secret of the
platform: 80 bits, 16 characters.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

__all__ = ["code_digest", "code_of"]

_BYTES: Final = 10
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS: Final = tuple(first + second for first in _LETTERS for second in _LETTERS)
_SHIFTS: Final = tuple(range(8 * _BYTES - 10, -1, -10))


def code_of(secret: bytes, vehicle: int, rotation: int) -> str:
    """The code of a vehicle: 16 characters of ``A`` to ``Z`` and ``2`` to ``7``."""
    message = vehicle.to_bytes(8, "big") + rotation.to_bytes(4, "big")
    digest = hmac.digest(secret, message, "sha256")
    # Base 32 by pairs of letters: a round of a thousand logins derives a thousand codes, and the
    # library's own encoder took longer for one than the HMAC.
    bits = int.from_bytes(digest[:_BYTES], "big")
    return "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])


def code_digest(code: str) -> bytes:
    """SHA-256 of a code or token, as it is compared with."""
    return hashlib.sha256(code.encode()).digest()
