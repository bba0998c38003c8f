"""What the platform asks of a vehicle and what the vehicle says to that, in every protocol's terms.

In: a ``Command`` of the commands app. Out: ``Sealed`` bytes for one link, and ``Answer``s read from
what came back. A protocol that can be commanded has ``COMMANDS`` (the kinds it can say) and
``encode_command(command, identity, session) -> Sealed``; its ``Answered`` events have ``answer``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

__all__ = ["KINDS", "Answer", "Command", "Sealed"]

KINDS: Final = (
    "lock",
    "unlock",
    "locate",
    "report_interval",
    "read_parameters",
    "write_parameters",
    "text",
    "horn_lights",
    "climate",
    "charge_start",
    "charge_stop",
    "charge_limit",
    "upgrade",
    "set",
    "raw",
)
"""Kinds of commands; ``docs/commands.md`` says which parameters each takes."""

Outcome = Literal["delivered", "succeeded", "failed"]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command on its way. ``number`` (1 to 65,535) is the vehicle's alone while the command is
    open and the same in every attempt, so that a vehicle can tell a repetition; ``time_us`` is when
    it was made, also the same in every attempt."""

    id: str
    """32 hexadecimal digits."""
    number: int
    kind: str
    parameters: Mapping[str, Any] = {}
    time_us: int
    deadline_us: int = 0


class Sealed(msgspec.Struct, frozen=True):
    """Bytes for one link, and the ``key`` the answer will carry, unique among the vehicle's open
    commands of this protocol (``"808:17"``)."""

    data: bytes
    key: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a vehicle said to a command. ``delivered``: it has it and will say more later;
    ``code`` stable and machine-readable (``ok``, ``refused``, ``unsupported``, ``bad_message`` …),
    ``facts`` what it told (parameters read, a position)."""

    key: str
    outcome: Outcome
    code: str = "ok"
    detail: str = ""
    facts: Mapping[str, Any] = {}
