"""MQTT's data types (section 1.5): numbers, variable lengths, texts and binary data, read and
written."""

from __future__ import annotations

from typing import Final

from motorcade.errors import Invalid, MessageError

__all__ = ["VARINT_MAX", "Reader", "binary", "text", "varint"]

VARINT_MAX: Final = 268_435_455
"""Four bytes of seven bits (section 2.1.4)."""


class Reader:
    """A place inside a packet that moves on with what is read. Every method raises ``MessageError``
    (``malformed``) where the packet ends too early or breaks the encoding."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return self.end - self.at

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        start = self.at
        if size > self.end - start:
            raise MessageError("the packet ends inside a field", kind="malformed")
        self.at = start + size
        return self.data[start : self.at]

    def part(self, size: int) -> Reader:
        """A reader of the next ``size`` bytes; this one stands behind them."""
        start = self.at
        self.take(size)
        return Reader(self.data, start, self.at)

    def number(self, width: int) -> int:
        """A big-endian number."""
        return int.from_bytes(self.take(width), "big")

    def varint(self) -> int:
        """A variable byte integer (section 1.5.5); it may not be longer than needed."""
        value = 0
        for place in range(4):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if byte == 0 and place:
                    break
                return value
        raise MessageError("a variable length is not encoded as it should be", kind="malformed")

    def binary(self) -> bytes:
        """Two bytes of length and as many bytes."""
        return self.take(self.number(2))

    def text(self) -> str:
        """UTF-8 without U+0000 and surrogates (section 1.5.4)."""
        try:
            found = self.binary().decode()
        except UnicodeDecodeError:
            raise MessageError("a text is not UTF-8", kind="malformed") from None
        if "\0" in found:
            raise MessageError("a text holds U+0000", kind="malformed")
        return found

    def rest(self) -> bytes:
        """Whatever is left."""
        return self.take(self.end - self.at)

    def done(self) -> None:
        """Raises where bytes are left over."""
        if self.at != self.end:
            raise MessageError("bytes are left behind the last field", kind="malformed")


def varint(value: int) -> bytes:
    """A variable byte integer."""
    if not 0 <= value <= VARINT_MAX:
        raise Invalid(f"a variable length cannot be {value}")
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def binary(data: bytes) -> bytes:
    """Binary data with its length."""
    if len(data) > 0xFFFF:
        raise Invalid("a field has at most 65,535 bytes")
    return len(data).to_bytes(2, "big") + data


def text(value: str) -> bytes:
    """A text with its length."""
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise Invalid("a text holds surrogates") from None
    if b"\0" in data:
        raise Invalid("a text holds U+0000")
    return binary(data)
