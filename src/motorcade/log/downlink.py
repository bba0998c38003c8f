"""What the commands app asks of a gateway and what that answers: commands for links, many at once.

In: commands, each for one link of one vehicle. Out: for each, in order, whether it was written to
the link, or why not. Request and reply on ``gateway.down.<incarnation>``, msgpack lists. ``sent``
says that the bytes were handed to the link, not that the vehicle has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from motorcade.errors import CorruptionError
from motorcade.protocols.commands import Command

__all__ = [
    "CODES",
    "Code",
    "Downlink",
    "Downlinked",
    "down_subject",
    "pack_downlinked",
    "pack_downlinks",
    "read_downlinked",
    "read_downlinks",
]

Code = Literal["sent", "no_link", "unsupported", "invalid", "busy"]
"""``sent``; ``no_link`` (it is gone, or is another vehicle's); ``unsupported`` (the link's protocol
cannot say this kind); ``invalid`` (it cannot say these parameters); ``busy`` (the link's buffer is
full: later, or over another link)."""

CODES: Final[tuple[Code, ...]] = get_args(Code)


class Downlink(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One command for one link. ``vehicle`` must be whose link it is."""

    link: str
    vehicle: int
    command: Command


class Downlinked(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What became of it. ``key`` names the answer to come (``protocols.commands.Sealed``)."""

    code: Code
    detail: str = ""
    key: str = ""

    @property
    def sent(self) -> bool:
        """Whether the link has it."""
        return self.code == "sent"


def down_subject(incarnation: str) -> str:
    """Where a gateway process takes commands."""
    return f"gateway.down.{incarnation}"


_DOWNLINKS: Final = msgspec.msgpack.Decoder(list[Downlink])
_DOWNLINKED: Final = msgspec.msgpack.Decoder(list[Downlinked])


def pack_downlinks(downlinks: Sequence[Downlink]) -> bytes:
    """A request."""
    return msgspec.msgpack.encode(list(downlinks))


def read_downlinks(data: bytes) -> list[Downlink]:
    """A request's commands. Raises ``CorruptionError``."""
    return _read(_DOWNLINKS, data)


def pack_downlinked(downlinked: Sequence[Downlinked]) -> bytes:
    """A reply: one for each command of the request, in its order."""
    return msgspec.msgpack.encode(list(downlinked))


def read_downlinked(data: bytes) -> list[Downlinked]:
    """A reply's results. Raises ``CorruptionError``."""
    return _read(_DOWNLINKED, data)


def _read(decoder: msgspec.msgpack.Decoder[list[Any]], data: bytes) -> list[Any]:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as error:
        raise CorruptionError(f"a message of commands cannot be read: {error}") from error
