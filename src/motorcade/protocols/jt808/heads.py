"""JT/T 808 headers of many frames as columns: the byte picture, and which of three a frame has.

A message between its delimiters, escapes undone (2013: section 4.4, 2019: section 4.4)::

    2011, 2013                       2019
    0   2  message id                0   2  message id
    2   2  attributes                2   2  attributes, bit 14 set
    4   6  phone, BCD                4   1  protocol version
    10  2  serial                    5  10  phone, BCD
    12  4  [total 2, index 2]        15  2  serial
    ..     body                      17  4  [total 2, index 2]
    ..  1  XOR of all before         ..     body, XOR

Attributes: bits 0 to 9 length of the body, 10 to 12 encryption (001 RSA), 13 sub-package. A third
picture is a maker's: 0x5501 and 0x5502 have a serial of one byte. Only bit 14 tells 2019; where the
length fits the other picture alone, that one is taken (devices get the bit wrong).

A message whose sub-packages were joined has a shape the standard cannot mean, so that it stays a
frame: bit 13 set, total as it was, index 0, and bits 0 to 9 the length modulo 1024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from motorcade.protocols.frames import Frames
from motorcade.protocols.jt808.words import SHORT
from motorcade.wire.bcd import bcd_digits
from motorcade.wire.escape import Escaping, unescape
from motorcade.wire.ragged import gather

__all__ = [
    "DELIMITER",
    "EDITION_2013",
    "EDITION_2019",
    "ESCAPES",
    "NO_HEADER",
    "SHORT_SERIAL",
    "FRAGMENT",
    "Heads",
    "frames_of",
    "heads_at",
    "identities",
    "layouts",
    "packed_imei",
    "read_heads",
]

DELIMITER: Final = 0x7E
ESCAPES: Final = Escaping(((0x7D, 0x01, 0x7D), (0x7D, 0x02, 0x7E)))
FRAGMENT: Final = 1 << 13
"""Bit 13 of the attributes: the message is a sub-package."""

EDITION_2013, EDITION_2019, SHORT_SERIAL, NO_HEADER = range(4)
_HEADER: Final = np.array([12, 17, 11, 12])
_PHONE: Final = np.array([4, 5, 4, 4])
_SERIAL: Final = np.array([10, 15, 10, 10])
_SHORTEST: Final = 13
_NOTE: Final = "jt808"

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Heads:
    """Headers of ``n`` frames; all columns int64 (n). ``buffer`` holds the frames without escapes:
    ``start`` is the message id's place, ``body`` to ``end`` the body's. ``layout`` is one of the
    ``EDITION_…``; ``total`` and ``index`` are 0 where the message is not a sub-package."""

    buffer: Bytes
    start: Ints
    message: Ints
    attributes: Ints
    layout: Ints
    phone: Ints
    serial: Ints
    total: Ints
    index: Ints
    body: Ints
    end: Ints

    def __len__(self) -> int:
        return len(self.start)

    def body_of(self, row: int) -> bytes:
        """The body of one message."""
        return self.buffer[int(self.body[row]) : int(self.end[row])].tobytes()

    def take(self, rows: NDArray[Any]) -> Heads:
        """Those at ``rows`` (indices or a mask)."""
        columns = (getattr(self, name)[rows] for name in self.__slots__[1:])
        return Heads(self.buffer, *columns)

    def noted(self, frames: Frames) -> Frames:
        """``frames``, whose headers these are; whoever asks for them again need not read them."""
        frames.notes[_NOTE] = self
        return frames


def frames_of(buffer: Bytes, offset: Ints, length: Ints, peer: Ints) -> Frames:
    """``Frames`` whose vehicles are not known yet."""
    rows = len(offset)
    return Frames(
        buffer, offset, length, peer, np.zeros(rows, np.uint64), np.zeros(rows, np.uint32)
    )


def read_heads(frames: Frames) -> Heads:
    """The headers of frames as ``cut`` gives them."""
    known: Heads | None = frames.notes.get(_NOTE)
    if known is None:
        buffer = frames.buffer
        lead = (buffer[frames.offset] == DELIMITER).astype(np.int64)
        plain, start, stop, _ = unescape(
            buffer, frames.offset + lead, frames.offset + frames.length - 1, ESCAPES
        )
        known = heads_at(plain, start, stop, layouts(plain, start, stop))
        known.noted(frames)
    return known


def heads_at(plain: Bytes, start: Ints, stop: Ints, layout: Ints) -> Heads:
    """The headers of messages without escapes; ``stop`` is where a checksum ends."""
    message = _word(plain, start)
    attributes = _word(plain, start + 2)
    packed = (attributes & FRAGMENT) != 0
    body = start + _HEADER[layout]
    serial = _word(plain, start + _SERIAL[layout])
    short = layout == SHORT_SERIAL
    if short.any():
        serial[short] >>= 8
    total = index = np.zeros(len(start), np.int64)
    if packed.any():
        there = np.where(packed, body, start)
        total = np.where(packed, _word(plain, there), 0)
        index = np.where(packed, _word(plain, there + 2), 0)
        body = body + 4 * packed
    phone = start + _PHONE[layout]
    return Heads(
        plain, start, message, attributes, layout, phone, serial, total, index, body, stop - 1
    )


def layouts(plain: Bytes, start: Ints, stop: Ints) -> Ints:
    """Which picture each message has, by its length: ``NO_HEADER`` where none fits. ``stop`` is
    where its checksum ends."""
    size = stop - start
    here = np.where(size >= _SHORTEST, start, 0)
    if len(plain) < 4:
        return np.full(len(start), NO_HEADER)
    attributes = _word(plain, here + 2)
    packed = (attributes & FRAGMENT) != 0
    field = attributes & 0x3FF
    # What is left for the body under each picture.
    old = size - 13 - 4 * packed
    new = size - 18 - 4 * packed
    fits_old, fits_new = old == field, new == field
    if packed.any():
        room = len(plain) - 2
        first = np.where(packed & (old >= 0), here + 14, 0)
        whole = _word(plain, np.minimum(first, room)) == 0
        fits_old |= packed & whole & (old >= 0) & ((old & 0x3FF) == field)
        first = np.where(packed & (new >= 0), here + 19, 0)
        whole = _word(plain, np.minimum(first, room)) == 0
        fits_new |= packed & whole & (new >= 0) & ((new & 0x3FF) == field)
    said = (attributes & 0x4000) != 0
    layout = np.where(fits_old, EDITION_2013, np.where(fits_new, EDITION_2019, NO_HEADER))
    layout = np.where(said & fits_new, EDITION_2019, layout)
    lost = layout == NO_HEADER
    if lost.any():
        short = lost & (size - 12 == field) & np.isin(_word(plain, here), SHORT)
        layout[short] = SHORT_SERIAL
    layout[size < _SHORTEST] = NO_HEADER
    return layout


def identities(heads: Heads) -> list[bytes]:
    """Who sent each frame: the phone number without leading zeros; ``0`` where it is all zeros.

    A field that holds no decimal digits is an IMEI packed as a number of 48 bits without its check
    digit, which some makers send: its 15 digits are given.
    """
    found: list[bytes] = [b""] * len(heads)
    for layout, size in ((EDITION_2013, 6), (EDITION_2019, 10), (SHORT_SERIAL, 6)):
        rows = np.flatnonzero(heads.layout == layout)
        if len(rows) == 0:
            continue
        digits = bcd_digits(gather(heads.buffer, heads.phone[rows], size))
        texts = (digits + np.uint8(0x30)).view(f"S{2 * size}").ravel().tolist()
        names = [text.lstrip(b"0") or b"0" for text in texts]
        odd = (digits > 9).any(axis=1)
        if odd.any():
            for row in np.flatnonzero(odd).tolist():
                names[row] = packed_imei("".join(f"{digit:x}" for digit in digits[row].tolist()))
        if len(rows) == len(heads):
            return names
        for row, name in zip(rows.tolist(), names, strict=True):
            found[row] = name
    return found


def packed_imei(digits: str) -> bytes:
    """The IMEI that is packed as a number of these hexadecimal digits."""
    number = str(int(digits, 16))
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return f"{number}{-total % 10}".encode()[:20]


def _word(plain: Bytes, at: Ints) -> Ints:
    return plain[at].astype(np.int64) << 8 | plain[at + 1]
