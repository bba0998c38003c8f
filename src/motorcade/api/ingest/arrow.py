"""What must be known of an Arrow IPC stream before it is read: that it is not compressed.

A compressed buffer says itself how long it will be, and a reader believes it: 50 bytes would become
gigabytes. So the messages' heads (flatbuffers of ``Message.fbs``) are looked at first::

    message   FFFFFFFF, i32 length of the head, head, padding, body of bodyLength bytes
    Message   table: version, header_type u8, header (union), bodyLength i64
    header    RecordBatch (3): length, nodes, buffers, compression; DictionaryBatch (2): id, data
"""

from __future__ import annotations

import struct
from typing import Final

from motorcade.errors import Invalid

__all__ = ["refuse_compressed"]

_MARK: Final = b"\xff\xff\xff\xff"
_DICTIONARY: Final = 2
_RECORDS: Final = 3


def refuse_compressed(stream: bytes) -> None:
    """Raise ``Invalid`` where a batch of the stream is compressed, or the heads cannot be read."""
    try:
        at = 0
        while at < len(stream):
            if stream[at : at + 4] != _MARK:
                raise Invalid("The body is no Arrow IPC stream.")
            (size,) = struct.unpack_from("<i", stream, at + 4)
            if size == 0:
                return
            begin = at + 8
            body = _body_of(stream[begin : begin + size])
            at = begin + size + body
            if size < 0 or body < 0:
                raise Invalid("The body is no Arrow IPC stream.")
    except struct.error as error:
        raise Invalid("The body is no Arrow IPC stream, or ends too soon.") from error


def _body_of(head: bytes) -> int:
    """Bytes of the body behind a message's head."""
    message = _Table(head, struct.unpack_from("<I", head, 0)[0])
    kind = message.scalar(1, "<B")
    header = message.table(2)
    if kind == _DICTIONARY and header is not None:
        header = header.table(1)
    if kind in (_DICTIONARY, _RECORDS) and header is not None and header.place(3):
        raise Invalid("Compressed Arrow streams are not read: write it without compression.")
    return message.scalar(3, "<q")


class _Table:
    """A flatbuffers table: fields by number, found through its vtable."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        (back,) = struct.unpack_from("<i", data, at)
        self._fields = at - back
        if self._fields < 0:
            raise struct.error
        (self._size,) = struct.unpack_from("<H", data, self._fields)

    def place(self, number: int) -> int:
        """Where a field stands; 0 where it is left out."""
        entry = 4 + 2 * number
        if entry + 2 > self._size:
            return 0
        (offset,) = struct.unpack_from("<H", self._data, self._fields + entry)
        return self._at + int(offset) if offset else 0

    def scalar(self, number: int, form: str) -> int:
        """A number; 0 where it is left out."""
        place = self.place(number)
        return int(struct.unpack_from(form, self._data, place)[0]) if place else 0

    def table(self, number: int) -> _Table | None:
        """A table that a field points to."""
        place = self.place(number)
        if not place:
            return None
        return _Table(self._data, place + struct.unpack_from("<I", self._data, place)[0])
