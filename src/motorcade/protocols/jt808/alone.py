"""The header of a single frame: what ``heads`` does for columns, for a frame that is looked at
alone.

A login, a heartbeat, an answer are read one by one, and for one frame arrays cost a hundred times
what bytes do. Frames of a shape that is seldom go through ``read_heads`` all the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from motorcade.protocols.jt808.heads import (
    EDITION_2013,
    EDITION_2019,
    FRAGMENT,
    frames_of,
    packed_imei,
    read_heads,
)

__all__ = ["Head", "read_head"]

_SHORTEST: Final = 13


class Head(NamedTuple):
    """One message. ``layout`` is one of the ``EDITION_…`` of ``heads``; ``phone`` its phone number
    as it is written, ``named`` with the version of 2019 before it."""

    message: int
    layout: int
    phone: bytes
    named: bytes
    serial: int
    body: bytes

    @property
    def edition(self) -> int:
        """2013 or 2019."""
        return 2019 if self.layout == EDITION_2019 else 2013

    @property
    def identity(self) -> str:
        """The phone number without leading zeros, as ``identities`` tells it."""
        digits = self.phone.hex()
        if digits.isdecimal():
            return digits.lstrip("0") or "0"
        return packed_imei(digits).decode("ascii")


def read_head(frame: bytes) -> Head:
    """The header and body of a frame as ``cut`` gives it."""
    plain = frame[frame[:1] == b"\x7e" : -1]
    if b"\x7d" in plain:
        plain = plain.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    size = len(plain)
    if size >= _SHORTEST:
        attributes = plain[2] << 8 | plain[3]
        told = attributes & 0x3FF
        message = plain[0] << 8 | plain[1]
        if attributes & FRAGMENT:
            pass
        elif size - 13 == told:
            serial = plain[10] << 8 | plain[11]
            phone = plain[4:10]
            return Head(message, EDITION_2013, phone, phone, serial, plain[12:-1])
        elif size - 18 == told:
            serial = plain[15] << 8 | plain[16]
            return Head(message, EDITION_2019, plain[5:15], plain[4:15], serial, plain[17:-1])
    return _seldom(frame)


def _seldom(frame: bytes) -> Head:
    zero = np.zeros(1, np.int64)
    heads = read_heads(frames_of(np.frombuffer(frame, np.uint8), zero, zero + len(frame), zero))
    layout, at = int(heads.layout[0]), int(heads.phone[0])
    new = layout == EDITION_2019
    phone = heads.buffer[at : at + (10 if new else 6)].tobytes()
    named = heads.buffer[at - 1 : at + 10].tobytes() if new else phone
    return Head(int(heads.message[0]), layout, phone, named, int(heads.serial[0]), heads.body_of(0))
