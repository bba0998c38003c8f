"""A body read from front to back: numbers, times, texts."""

from __future__ import annotations

from motorcade.errors import MessageError
from motorcade.wire.bcd import read_bcd_time

__all__ = ["Reader", "text_of"]


def text_of(data: bytes) -> str:
    """GBK text up to its first NUL, blanks around it stripped."""
    known = data.split(b"\0", 1)[0]
    # Nearly all is ASCII, which GBK holds as it is; its own codec is ten times as slow.
    return (str(known, "ascii") if known.isascii() else known.decode("gb18030", "replace")).strip()


class Reader:
    """A body, and how far it was read. ``MessageError`` where it ends too early."""

    def __init__(self, body: bytes, at: int = 0) -> None:
        self.body = body
        self.at = at

    def take(self, size: int) -> bytes:
        """The next bytes."""
        data = self.body[self.at : self.at + size]
        if len(data) < size:
            raise MessageError(
                f"the body ends after {len(self.body)} bytes, {size} wanted at {self.at}"
            )
        self.at += size
        return data

    def number(self, size: int) -> int:
        """An unsigned number."""
        return int.from_bytes(self.take(size), "big")

    def text(self, size: int) -> str:
        """Text of a fixed width; zeros that fill it before or behind are stripped."""
        return text_of(self.take(size).lstrip(b"\0"))

    def time(self) -> int | None:
        """Six BCD bytes in GMT+8 as µs UTC; None where they are no time."""
        return read_bcd_time(self.take(6))

    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.body) - self.at

    def rest(self) -> bytes:
        """All of them."""
        return self.take(self.left())
