"""A text output that drops what it cannot write: a full disk must not fail the work it tells of."""

from __future__ import annotations

import os

__all__ = ["LossyText"]


class LossyText:
    """What ``print`` needs of a file, unbuffered, on a descriptor.

    ``lost`` counts the lines dropped; their number stands before the next line that has room.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.lost = 0

    def write(self, text: str) -> int:
        """Write all of ``text``, or drop it."""
        note = f"level=warning event='{self.lost} lines lost: no room'\n" if self.lost else ""
        data = (note + text).encode(errors="replace")
        try:
            written = os.write(self._descriptor, data)
        except OSError:
            written = 0
        if written == len(data):
            self.lost = 0
        else:
            self.lost += text.count("\n")
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""
