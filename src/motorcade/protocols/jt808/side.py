"""What ``hear`` makes of a connection for attachments: frames that need no session any more.

A data packet becomes a message whose body is read without knowing its connection, a 0x1212 one that
holds the 0x9212 it is owed. Nothing but attachments is taken: the alarm number that opened the
connection proves less than an authentication code, for it is part of the files' names.
"""

from __future__ import annotations

from typing import Final

from motorcade.errors import MessageError
from motorcade.protocols.frames import Reject
from motorcade.protocols.jt808.alone import read_head
from motorcade.protocols.jt808.attachments import Attachments, finished, made, read_file
from motorcade.protocols.jt808.encode import escaped
from motorcade.protocols.jt808.packets import Packet, read_packet
from motorcade.protocols.jt808.words import (
    FILE_BEGINS,
    FILE_ENDS,
    FILE_JUDGED,
    FILES,
    HEARTBEAT,
    PACKET,
)

__all__ = ["aside"]

_KEPT_BYTES: Final = 4096
_NOBODY: Final = "A data packet, and nobody asked for a file here."
_ELSE: Final = "A connection for attachments takes nothing else."


def aside(frame: bytes, attachments: Attachments | None, peer: int) -> bytes | Reject:
    """What stands in a frame's place, the frame itself where it may stay. ``attachments`` is None
    for a packet over another connection."""
    packet = read_packet(frame)
    if packet is not None:
        if attachments is None:
            return Reject("attachment", _NOBODY, frame[:_KEPT_BYTES], -1, peer)
        return _packet(packet, attachments)
    assert attachments is not None
    head = read_head(frame)
    if head.message not in (FILES, FILE_BEGINS, FILE_ENDS, HEARTBEAT):
        return Reject("attachment", _ELSE, frame, -1, peer)
    if head.message not in (FILE_BEGINS, FILE_ENDS):
        return frame
    try:
        file = read_file(head.body)
    except MessageError:
        return frame  # the conversation refuses it
    if head.message == FILE_BEGINS:
        attachments.begin(file)
        return frame
    body = finished(head.body, attachments.missing(file))
    return _joined(FILE_JUDGED, head.edition, head.named, head.serial, body)


def _packet(packet: Packet, attachments: Attachments) -> bytes:
    edition, named = attachments.named
    return _joined(PACKET, edition, named, 0, made(packet, attachments.add(packet)))


def _joined(message: int, edition: int, named: bytes, serial: int, body: bytes) -> bytes:
    """A message in the shape of one whose sub-packages were joined: its body is of any length."""
    attributes = len(body) & 0x3FF | 0x2000 | (0x4000 if edition == 2019 else 0)
    head = message.to_bytes(2, "big") + attributes.to_bytes(2, "big") + named
    return escaped(head + serial.to_bytes(2, "big") + b"\0\1\0\0" + body)
