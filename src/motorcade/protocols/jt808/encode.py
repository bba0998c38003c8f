"""Single frames of both directions, and sealing."""

from __future__ import annotations

from typing import Final

import numpy as np

from motorcade.errors import Invalid

__all__ = ["BODY_MAX", "addressed", "encode", "escaped", "plain_of", "seal"]

BODY_MAX: Final = 1_023
"""Bytes of one body: ten bits."""


def encode(
    message: int,
    phone: str,
    body: bytes = b"",
    *,
    serial: int = 0,
    edition: int = 2013,
    part: tuple[int, int] | None = None,
) -> bytes:
    """A sealed frame. ``phone`` is filled with zeros before it (12 digits, 2019: 20), ``part`` is
    (total, index) of a sub-package. ``Invalid`` where the body is too long or the phone number is
    none; index 0 is a message whose sub-packages are joined and may be of any length."""
    size = 20 if edition == 2019 else 12
    if len(phone) > size or not phone.isascii() or not phone.isdigit():
        raise Invalid(f"a phone number has at most {size} digits, not {phone!r}")
    joined = part is not None and part[1] == 0
    if len(body) > BODY_MAX and not joined:
        raise Invalid(f"a body has at most {BODY_MAX} bytes, not {len(body)}")
    attributes = len(body) & BODY_MAX
    attributes |= (0x2000 if part else 0) | (0x4000 if edition == 2019 else 0)
    head = message.to_bytes(2, "big") + attributes.to_bytes(2, "big")
    head += b"\x01" * (edition == 2019) + bytes.fromhex(phone.zfill(size))
    head += (serial & 0xFFFF).to_bytes(2, "big")
    if part is not None:
        head += part[0].to_bytes(2, "big") + part[1].to_bytes(2, "big")
    return escaped(head + body)


def addressed(message: int, address: tuple[int, bytes], body: bytes, serial: int) -> bytes:
    """A sealed frame to a terminal that was heard: ``address`` is its edition and the bytes it
    writes its phone number in (2019: with the version before them)."""
    edition, phone = address
    attributes = len(body) | (0x4000 if edition == 2019 else 0)
    head = message.to_bytes(2, "big") + attributes.to_bytes(2, "big") + phone
    return escaped(head + (serial & 0xFFFF).to_bytes(2, "big") + body)


def escaped(message: bytes) -> bytes:
    """A message with its checksum behind it, escaped, between delimiters."""
    whole = message + bytes([int(np.bitwise_xor.reduce(np.frombuffer(message, np.uint8)))])
    return b"\x7e" + whole.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def plain_of(frame: bytes) -> bytes:
    """A frame's message without delimiters, escapes and checksum."""
    inner = frame.strip(b"\x7e")
    return inner.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")[:-1]


def seal(frame: bytes) -> bytes:
    """Make delimiters, escapes, length and checksum right: ``frame`` as it would be on the wire,
    whatever it is, its last byte before the delimiter taken for a checksum. Shorter than a header,
    it is given back as it is."""
    plain = bytearray(plain_of(frame))
    if len(plain) < 12:
        return frame
    packed = bool(plain[2] & 0x20)
    head = (17 if plain[2] & 0x40 else 12) + 4 * packed
    if len(plain) < head:
        plain[2] &= 0x9F
        head = 12
    size = len(plain) - head
    if size > BODY_MAX:
        del plain[head + BODY_MAX :]
        size = BODY_MAX
    plain[2] = plain[2] & 0xFC | size >> 8
    plain[3] = size & 0xFF
    return escaped(bytes(plain))
