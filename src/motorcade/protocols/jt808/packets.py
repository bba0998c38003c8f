"""Data packets of alarm attachments (T/JSATL 12, section 4.5), which stand between frames.

A packet is ``30 31 63 64``, the file's name in 50 bytes, offset and length as DWORDs, and the data:
no delimiters, no escapes, no checksum. One may begin where a frame may: at a stream's beginning,
behind a delimiter, behind another packet. A header that claims more than 64 KiB begins none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from motorcade.protocols.jt808.reader import text_of

__all__ = [
    "DATA_BYTES_MAX",
    "HEAD_BYTES",
    "MARK",
    "NAME_BYTES",
    "Packet",
    "Split",
    "packet",
    "read_packet",
    "split",
]

MARK: Final = b"01cd"
NAME_BYTES: Final = 50
DATA_BYTES_MAX: Final = 64 << 10
"""As the standard has it. What claims more is no packet, and its bytes are rejects."""

HEAD_BYTES: Final = 62
_LENGTH_AT: Final = 58
_NONE: Final = -1
_DELIMITER: Final = 0x7E


class Packet(NamedTuple):
    """One packet; ``offset`` is its data's place in the file, in bytes."""

    name: bytes
    offset: int
    data: bytes

    @property
    def text(self) -> str:
        """The file's name."""
        return text_of(self.name)


class Split(NamedTuple):
    """Chunks without their packets: ``begin`` and ``end`` of what is left and of ``packets`` in the
    chunks' bytes end to end, each with its chunk; ``unfinished`` is where a packet begins that
    goes on behind its chunk, by chunk."""

    begin: list[int]
    end: list[int]
    peer: list[int]
    packets: list[tuple[int, int, int]]
    unfinished: dict[int, int]


def packet(name: str, offset: int, data: bytes) -> bytes:
    """A packet as it is on the wire."""
    head = MARK + name.encode("gb18030")[:NAME_BYTES].ljust(NAME_BYTES, b"\0")
    return head + offset.to_bytes(4, "big") + len(data).to_bytes(4, "big") + data


def read_packet(frame: bytes) -> Packet | None:
    """A packet as ``split`` gives it; None where the bytes are none."""
    if not frame.startswith(MARK) or _end(frame, 0) != len(frame):
        return None
    name = frame[len(MARK) : len(MARK) + NAME_BYTES].rstrip(b"\0")
    offset = int.from_bytes(frame[_LENGTH_AT - 4 : _LENGTH_AT], "big")
    return Packet(name, offset, frame[HEAD_BYTES:])


def split(chunks: Sequence[bytes]) -> Split:
    """Find the packets of one chunk of bytes per peer."""
    made = Split([], [], [], [], {})
    at = 0
    for peer, chunk in enumerate(chunks):
        _one(made, peer, chunk, at)
        at += len(chunk)
    return made


def _one(made: Split, peer: int, data: bytes, at: int) -> None:
    begin = place = 0
    stop = len(data)
    while (found := data.find(MARK, place)) >= 0:
        may = found == begin or data[found - 1] == _DELIMITER
        end = _end(data, found) if may else _NONE
        if end == _NONE:
            place = found + 1
            continue
        _left(made, peer, at + begin, at + found)
        if end > stop:
            made.unfinished[peer] = at + found
            return
        made.packets.append((at + found, at + end, peer))
        begin = place = end
    _left(made, peer, at + begin, at + stop)


def _left(made: Split, peer: int, begin: int, end: int) -> None:
    if begin < end:
        made.begin.append(begin)
        made.end.append(end)
        made.peer.append(peer)


def _end(data: bytes, at: int) -> int:
    """Where the packet at ``at`` ends, perhaps behind the data; ``_NONE`` where it is none."""
    head = data[at : at + HEAD_BYTES]
    if len(head) < HEAD_BYTES:
        return at + HEAD_BYTES
    length = int.from_bytes(head[_LENGTH_AT:], "big")
    return at + HEAD_BYTES + length if length <= DATA_BYTES_MAX else _NONE
