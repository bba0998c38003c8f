"""Files of alarms (T/JSATL 12): which parts of them came, and what a terminal is told of that.

The platform sends 0x9208 with an alarm number of its choosing. The terminal opens another
connection, where 0x1210 gives that number back; per file follow 0x1211, data packets (``packets``)
and 0x1212, which 0x9212 answers: the file is whole, or these ranges are missing. A number made by
``attachment_number`` proves whose connection it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest
from typing import Final, NamedTuple

from motorcade.errors import Invalid
from motorcade.protocols.jt808.packets import NAME_BYTES, Packet
from motorcade.protocols.jt808.reader import Reader

__all__ = [
    "FILES_MAX",
    "RANGES_MAX",
    "Attachments",
    "File",
    "Piece",
    "attachment_number",
    "attachment_request",
    "finished",
    "is_proof",
    "join_file",
    "made",
    "missing",
    "read_file",
    "read_made",
]

FILES_MAX: Final = 255
"""Files one connection remembers the parts of, as many as 0x1210 can name. At the bound: the oldest
is forgotten, and asked for again where it had not ended."""

RANGES_MAX: Final = 100
"""Separate ranges of a file that came: one 0x9212 has room for the gaps between. At the bound: a
packet that begins another counts as missing and is asked for again."""

_PROOF: Final = 16
"""Characters of an alarm number that prove the vehicle; as many follow."""

_NUMBER: Final = 32
_SIGN_BYTES: Final = (16, 38)
_BODY_MAX: Final = 1_023
_LABEL: Final = b"jt808 attachment"

Range = tuple[int, int]


class File(NamedTuple):
    """What 0x1211 and 0x1212 tell: name, type (0 picture, 1 sound, 2 video, 3 text, 4 other) and
    size in bytes."""

    name: bytes
    type: int
    size: int


class Piece(NamedTuple):
    """A row of kind ``media`` with a packet's data: ``Vehicle.Media.File``, ``….FileSize``,
    ``….Offset`` and ``raw``."""

    file: str
    size: int | None
    offset: int
    data: bytes


class Attachments:
    """The files of one connection."""

    __slots__ = ("_came", "_size", "named")

    def __init__(self, named: tuple[int, bytes]) -> None:
        self.named = named
        """The edition of the terminal, and the bytes it writes its phone number in."""
        self._came: dict[bytes, list[Range]] = {}
        self._size: dict[bytes, int] = {}

    def begin(self, file: File) -> None:
        """0x1211: a file comes."""
        key = file.name[:NAME_BYTES]
        self._room(key)
        self._size[key] = file.size

    def add(self, packet: Packet) -> int | None:
        """Data of a file came; its size, if that was told."""
        self._room(packet.name)
        came = self._came[packet.name]
        joined = _joined([*came, (packet.offset, packet.offset + len(packet.data))])
        # Beyond the bound the packet counts as missing, and is asked for again.
        if len(joined) <= RANGES_MAX:
            self._came[packet.name] = joined
        return self._size.get(packet.name)

    def missing(self, file: File) -> list[Range]:
        """0x1212: the ranges of a file (offset, length) that did not come."""
        return missing(self._came.get(file.name[:NAME_BYTES], []), file.size)

    def _room(self, key: bytes) -> None:
        """Remember a file; the one that is remembered longest goes."""
        if key not in self._came:
            if len(self._came) >= FILES_MAX:
                oldest = next(iter(self._came))
                del self._came[oldest]
                self._size.pop(oldest, None)
            self._came[key] = []


def missing(came: Iterable[Range], size: int) -> list[Range]:
    """What is missing, as (offset, length), of ``size`` bytes of which these (begin, end) came."""
    found = []
    at = 0
    for begin, end in _joined(list(came)):
        if begin >= size:
            break
        if begin > at:
            found.append((at, begin - at))
        at = max(at, end)
    if at < size:
        found.append((at, size - at))
    return found


def _joined(ranges: list[Range]) -> list[Range]:
    """The same bytes in as few ranges as possible, ascending."""
    found: list[Range] = []
    for begin, end in sorted(ranges):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif begin < end:
            found.append((begin, end))
    return found


def read_file(body: bytes) -> File:
    """The body of 0x1211 and 0x1212. ``MessageError`` where it ends early."""
    reader = Reader(body)
    name = reader.take(reader.number(1))
    return File(name.rstrip(b"\0"), reader.number(1), reader.number(4))


def finished(body: bytes, lacking: list[Range]) -> bytes:
    """The body of 0x9212 for the body of a 0x1212; ranges that find no room in it are asked for
    by the next."""
    reader = Reader(body)
    named = reader.take(reader.number(1))
    head = bytes([len(named)]) + named + reader.take(1)
    told = lacking[: min((_BODY_MAX - len(head) - 2) // 8, 255)]
    ranges = b"".join(at.to_bytes(4, "big") + size.to_bytes(4, "big") for at, size in told)
    return head + bytes([bool(told), len(told)]) + ranges


def read_made(body: bytes) -> tuple[Packet, int | None]:
    """What ``hear`` makes of a packet: its file's size (all bits set: not told), offset, name and
    data. ``MessageError`` where it ends early."""
    reader = Reader(body)
    size, offset = reader.number(4), reader.number(4)
    name = reader.take(NAME_BYTES).rstrip(b"\0")
    return Packet(name, offset, reader.rest()), None if size == 0xFFFFFFFF else size


def made(packet: Packet, size: int | None) -> bytes:
    """The body that ``read_made`` reads."""
    told = 0xFFFFFFFF if size is None else size
    head = told.to_bytes(4, "big") + packet.offset.to_bytes(4, "big")
    return head + packet.name.ljust(NAME_BYTES, b"\0") + packet.data


def attachment_number(code: str, alarm: str) -> bytes:
    """An alarm number for 0x9208, 32 characters: 16 that prove the vehicle, derived from its
    authentication code without telling it, and up to 16 of the platform's own."""
    own = alarm.encode("ascii", "replace")
    if len(own) > _NUMBER - _PROOF or own.decode() != alarm:
        raise Invalid(f"an alarm's own number has at most 16 ASCII characters, not {alarm!r}")
    return _proof(sha256(code.encode()).digest()).encode() + own.ljust(_NUMBER - _PROOF, b"\0")


def is_proof(number: str, secret: bytes) -> bool:
    """Whether an alarm number was made from the code whose SHA-256 is ``secret``."""
    return compare_digest(number[:_PROOF].encode(), _proof(secret).encode())


def _proof(secret: bytes) -> str:
    return sha256(_LABEL + secret).hexdigest()[:_PROOF]


def attachment_request(address: str, port: int, sign: bytes, number: bytes) -> bytes:
    """The body of 0x9208: where the attachments of an alarm go. ``sign`` is the alarm's label as
    its item ends with (``Vehicle.Alarm.ADAS.Label`` …): 16 bytes, in some practices 38."""
    host = address.encode("ascii")
    if len(sign) not in _SIGN_BYTES or len(number) != _NUMBER or not 0 < port < 1 << 16:
        raise Invalid("an alarm's label has 16 or 38 bytes, its number 32, a port 16 bits")
    return (
        bytes([len(host)]) + host + port.to_bytes(2, "big") + bytes(2) + sign + number + bytes(16)
    )


def join_file(pieces: Iterable[Piece]) -> tuple[bytes, list[Range]]:
    """The bytes of one file of one vehicle, and the ranges (offset, length) of it that are in none
    of the rows, which are zero here. Of rows that overlap the last counts."""
    listed = list(pieces)
    ends = [piece.offset + len(piece.data) for piece in listed]
    told = [piece.size for piece in listed if piece.size is not None]
    size = told[-1] if told else max(ends, default=0)
    whole = bytearray(size)
    for piece in listed:
        data = piece.data[: max(size - piece.offset, 0)]
        whole[piece.offset : piece.offset + len(data)] = data
    came = [(piece.offset, end) for piece, end in zip(listed, ends, strict=True)]
    return bytes(whole), missing(came, size)
