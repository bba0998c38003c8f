"""AES-128 data units (encryption 03): opened and closed with a tenant's key.

The standard names the cipher and the order (encrypt, then BCC; on receipt BCC, then decrypt), not
the block mode nor the padding; those are settings, by default ECB with PKCS#7.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from motorcade.protocols.gbt32960.framing import HEADER
from motorcade.protocols.gbt32960.settings import TenantSettings
from motorcade.protocols.gbt32960.words import AES128, PLAIN

__all__ = ["decrypt", "encrypt", "opened", "closed", "sealed"]

_BLOCK = 16


def decrypt(unit: bytes, settings: TenantSettings) -> bytes | None:
    """The plain data unit; None without a key, or where length or padding are wrong for it."""
    if settings.aes_key is None or len(settings.aes_key) != _BLOCK or len(unit) % _BLOCK:
        return None
    decryptor = _cipher(settings).decryptor()
    plain: bytes = decryptor.update(unit) + decryptor.finalize()
    if settings.aes_padding == "none" or not plain:
        return plain
    fill = plain[-1]
    if not 1 <= fill <= _BLOCK or plain[-fill:] != bytes([fill]) * fill:
        return None
    return plain[:-fill]


def encrypt(unit: bytes, settings: TenantSettings) -> bytes:
    """The encrypted data unit. With padding ``none`` it is filled with zeros where it has to be."""
    fill = _BLOCK - len(unit) % _BLOCK
    if settings.aes_padding == "none":
        unit += bytes(fill % _BLOCK)
    else:
        unit += bytes([fill]) * fill
    encryptor = _cipher(settings).encryptor()
    hidden: bytes = encryptor.update(unit) + encryptor.finalize()
    return hidden


def opened(frame: bytes, settings: TenantSettings) -> bytes | None:
    """A whole AES frame as the plain frame it stands for; None where the key does not open it."""
    unit = decrypt(frame[HEADER:-1], settings)
    return None if unit is None else sealed(frame[:21] + bytes([PLAIN]) + b"\0\0" + unit)


def closed(frame: bytes, settings: TenantSettings) -> bytes:
    """A whole plain frame, encrypted."""
    unit = encrypt(frame[HEADER:-1], settings)
    return sealed(frame[:21] + bytes([AES128]) + b"\0\0" + unit)


def sealed(frame: bytes) -> bytes:
    """A frame without its BCC, with length and BCC made right."""
    whole = frame[:22] + (len(frame) - HEADER).to_bytes(2, "big") + frame[HEADER:]
    check = 0
    for byte in whole[2:]:
        check ^= byte
    return whole + bytes([check])


def _cipher(settings: TenantSettings) -> Cipher[Any]:
    mode = modes.ECB() if settings.aes_mode == "ecb" else modes.CBC(settings.aes_iv)
    return Cipher(algorithms.AES(settings.aes_key or bytes(_BLOCK)), mode)
