"""JT/T 809 frames: the byte picture, cutting a stream, sealing many bodies at once.

A frame (section 4.4 of 2011, 6.3 of 2019; integers big-endian)::

    0        1  start 5B
    1        4  length of the whole frame, both marks among it, before escaping
    5        4  serial number
    9        2  kind (``names``)
    11       4  access code of the lower platform
    15       3  version
    18       1  0: the body is plain; 1: enciphered with the key
    19       4  key
    23       8  2019 only: seconds since 1970 UTC
    23 or 31 n  body
             2  CRC-16/CCITT (start FFFF, polynomial 1021) of everything from the length on
             1  end 5D

Between the marks 5B is sent as 5A 01, 5A as 5A 02, 5D as 5E 01, 5E as 5E 02: after the CRC was
made, and all in one pass.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from motorcade.errors import FrameError
from motorcade.wire.escape import Escaping, escape, unescape

__all__ = ["ESCAPING", "Cipher", "Frame", "Header", "crc16", "cut_stream", "seal", "seal_all"]

Bytes = NDArray[np.uint8]

START: Final = 0x5B
END: Final = 0x5D
ESCAPING: Final = Escaping(
    ((0x5A, 0x01, 0x5B), (0x5A, 0x02, 0x5A), (0x5E, 0x01, 0x5D), (0x5E, 0x02, 0x5E))
)
_HEAD: Final = {2011: 23, 2019: 31}
_TAIL: Final = 3
_FRAME_BYTES_MAX: Final = 1 << 17


class Header(NamedTuple):
    """What every frame says of itself beside its kind. ``time_s`` is sent by the edition 2019."""

    serial: int = 0
    center: int = 0
    version: tuple[int, int, int] = (1, 0, 0)
    key: int = 0
    time_s: int = 0


class Cipher(NamedTuple):
    """The three constants of a lower platform, as the upper one gave them (section 4.5)."""

    m1: int
    ia1: int
    ic1: int

    def stream(self, key: int, length: int) -> bytes:
        """What the bytes of a body are XORed with: 32-bit steps of a linear generator."""
        state = key or 1
        out = bytearray()
        for _ in range(length):
            state = (self.ia1 * (state % (self.m1 or 1)) + self.ic1) & 0xFFFF_FFFF
            out.append(state >> 20 & 0xFF)
        return bytes(out)


class Frame(NamedTuple):
    """A frame read: its kind, its header, its body in plain."""

    kind: int
    header: Header
    body: bytes


def _table() -> NDArray[np.uint16]:
    table = np.arange(256, dtype=np.uint16) << np.uint16(8)
    for _ in range(8):
        high = (table & np.uint16(0x8000)) > 0
        table = (table << np.uint16(1)) ^ np.where(high, np.uint16(0x1021), np.uint16(0))
    return table


_CRC: Final = _table()


def crc16(rows: Bytes) -> NDArray[np.uint16]:
    """CRC-16/CCITT of every row of uint8 (n, m): one step a column."""
    value = np.full(len(rows), 0xFFFF, np.uint16)
    for column in rows.T:
        value = (value << np.uint16(8)) ^ _CRC[(value >> np.uint16(8)) ^ column]
    return value


def seal(
    kind: int, body: bytes, header: Header, *, edition: int = 2011, cipher: Cipher | None = None
) -> bytes:
    """One frame. With a ``cipher`` its body is enciphered by the header's key."""
    bodies = np.frombuffer(body, np.uint8).reshape(1, -1)
    return seal_all(kind, bodies, header, edition=edition, cipher=cipher)[0]


def seal_all(
    kind: int, bodies: Bytes, header: Header, *, edition: int = 2011, cipher: Cipher | None = None
) -> list[bytes]:
    """Frames of bodies of one length, uint8 (n, m); serial numbers count up from the header's."""
    n, length = bodies.shape
    head = _HEAD[edition]
    rows = np.zeros((n, head + length + _TAIL), np.uint8)
    rows[:, 0], rows[:, -1] = START, END
    _put(rows, 1, np.full(n, rows.shape[1]), 4)
    _put(rows, 5, (header.serial + np.arange(n)) & 0xFFFF_FFFF, 4)
    _put(rows, 9, np.full(n, kind), 2)
    _put(rows, 11, np.full(n, header.center), 4)
    rows[:, 15:18] = header.version
    rows[:, 18] = cipher is not None
    _put(rows, 19, np.full(n, header.key if cipher is not None else 0), 4)
    if edition == 2019:
        _put(rows, 23, np.full(n, header.time_s), 8)
    rows[:, head : head + length] = bodies
    if cipher is not None:
        rows[:, head : head + length] ^= np.frombuffer(cipher.stream(header.key, length), np.uint8)
    _put(rows, head + length, crc16(rows[:, 1 : head + length]).astype(np.int64), 2)
    start = np.arange(n) * rows.shape[1]
    end = start + rows.shape[1]
    buffer, begin, stop = escape(rows.ravel(), start + 1, end - 1, ESCAPING)
    return [
        buffer[at - 1 : to + 1].tobytes()
        for at, to in zip(begin.tolist(), stop.tolist(), strict=True)
    ]


def cut_stream(
    data: bytes, *, edition: int = 2011, cipher: Cipher | None = None
) -> tuple[list[Frame], bytes, list[FrameError]]:
    """The frames of a stream, its unfinished end, and what could not be read. Never raises."""
    frames: list[Frame] = []
    faults: list[FrameError] = []
    at = data.find(START)
    while at >= 0:
        end = data.find(END, at)
        # The last beginning counts; asked one after the other, many would cost their square.
        last = data.rfind(START, at + 1, end if end >= 0 else len(data))
        if last >= 0:
            faults.append(FrameError("a frame begins inside another", data=data[at:last]))
            at = last
        if end < 0:
            break
        try:
            frames.append(_read(data[at + 1 : end], edition, cipher))
        except FrameError as error:
            faults.append(error)
        at = data.find(START, end + 1)
    rest = data[at:] if at >= 0 else b""
    if len(rest) > _FRAME_BYTES_MAX:
        return frames, b"", [*faults, FrameError("a frame without an end", data=rest[:64])]
    return frames, rest, faults


def _read(escaped: bytes, edition: int, cipher: Cipher | None) -> Frame:
    whole = np.frombuffer(escaped, np.uint8)
    zero = np.zeros(1, np.int64)
    plain = unescape(whole, zero, zero + len(whole), ESCAPING)
    if plain.broken[0]:
        raise FrameError("an escape nobody knows", data=escaped)
    data = plain.buffer[plain.start[0] : plain.end[0]]
    head = _HEAD[edition] - 1
    if len(data) < head + 2:
        raise FrameError(f"shorter than a header of {edition}", data=escaped)
    if int(crc16(data[None, :-2])[0]) != int.from_bytes(data[-2:].tobytes(), "big"):
        raise FrameError("the CRC does not match", data=escaped)
    if int.from_bytes(data[:4].tobytes(), "big") != len(data) + 2:
        raise FrameError("the length does not match", data=escaped)
    body = data[head:-2].tobytes()
    header = Header(
        _number(data, 4, 4), _number(data, 10, 4), _version(data), _number(data, 18, 4),
        _number(data, 22, 8) if edition == 2019 else 0,
    )  # fmt: skip
    if data[17]:
        if cipher is None:
            raise FrameError("enciphered, and no constants are known", data=escaped)
        stream = cipher.stream(header.key, len(body))
        body = bytes(a ^ b for a, b in zip(body, stream, strict=True))
    return Frame(_number(data, 8, 2), header, body)


def _version(data: Bytes) -> tuple[int, int, int]:
    major, minor, patch = data[14:17].tolist()
    return major, minor, patch


def _number(data: Bytes, at: int, width: int) -> int:
    return int.from_bytes(data[at : at + width].tobytes(), "big")


def _put(rows: Bytes, at: int, values: NDArray[np.int64], width: int) -> None:
    for byte in range(width):
        rows[:, at + byte] = values >> 8 * (width - 1 - byte) & 0xFF
