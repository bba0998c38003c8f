"""Codes that JT/T 808 terminals authenticate with: derived, so that none is stored.

A terminal gets its code when it registers (0x8100) and presents it at every connection (0x0102). It
is an HMAC of the vehicle's number and of how often the code was replaced, under a secret of the
platform: 80 bits, 16 characters.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

__all__ = ["code_digest", "code_of"]

_BYTES = 10


def code_of(secret: bytes, vehicle: int, rotation: int) -> str:
    """The code of a vehicle: 16 characters of ``A`` to ``Z`` and ``2`` to ``7``."""
    message = vehicle.to_bytes(8, "big") + rotation.to_bytes(4, "big")
    digest = hmac.digest(secret, message, "sha256")
    return base64.b32encode(digest[:_BYTES]).decode()


def code_digest(code: str) -> bytes:
    """SHA-256 of a code or token, as it is compared with."""
    return hashlib.sha256(code.encode()).digest()
