"""Commands for devices, and what they answer."""

from __future__ import annotations

from typing import Any, Final

from motorcade.errors import Invalid
from motorcade.protocols.commands import Answer, Command, Sealed
from motorcade.protocols.compact.signing import BODY, DATAGRAM_MAX, OVERHEAD, SIGNATURE, encode
from motorcade.protocols.frames import Frames
from motorcade.wire.compact.command import KINDS, CompactCommand, pack_command, read_answer

__all__ = ["COMMANDS", "answers", "encode_command"]

COMMANDS: Final = {kind: f"compact profile, kind {known.number}" for kind, known in KINDS.items()}
"""What a device can be told, and what it becomes."""


def encode_command(
    command: Command, identity: str, session: Any = None, *, key: bytes = b""
) -> Sealed:
    """A signed datagram for the device ``identity``. ``Invalid`` where the profile cannot say it in
    so few bytes, or there is no ``key``: an unsigned command would be anybody's."""
    if not key:
        raise Invalid("the device has no key to sign commands with")
    deadline_s = -(-command.deadline_us // 1_000_000)
    said = CompactCommand(command.kind, command.number, deadline_s, command.parameters)
    body = pack_command(said, DATAGRAM_MAX - OVERHEAD)
    return Sealed(encode(identity, body, key), _key(command.number))


def answers(frames: Frames) -> list[tuple[int, Answer]]:
    """Which of these datagrams answer commands: row and what is said. Only of verified ones."""
    found = []
    for row in range(len(frames)):
        said = read_answer(frames.bytes_of(row)[BODY:-SIGNATURE])
        if said is not None:
            answer = Answer(key=_key(said.number), outcome=said.outcome, code=said.code)
            found.append((row, answer))
    return found


def _key(number: int) -> str:
    return f"compact:{number}"
