"""A command as its table holds it; what is read, changed and saved as one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from motorcade.limits import COMMAND_FACTS_BYTES_MAX
from motorcade.protocols.commands import Command

__all__ = ["COLUMNS", "SAVED", "Row", "plain"]


class Row(msgspec.Struct, array_like=True):
    """One command. Times are µs UTC. The fields are the columns of ``commands``, in the order of
    ``COLUMNS``; ``message_class`` is ``class`` there."""

    id: UUID
    tenant: int
    vehicle: int
    partition: int
    number: int
    kind: str
    parameters: dict[str, Any]
    message_class: str
    priority: int
    tries_max: int
    """Tries that reached a link at most; 0: until the deadline."""
    made_us: int
    deadline_us: int
    maker: str
    bulk: UUID | None
    state: str = "queued"
    code: str = ""
    detail: str = ""
    facts: dict[str, Any] = {}
    notes: list[dict[str, Any]] = []
    """What came too late to count."""
    tries: int = 0
    attempts: list[dict[str, Any]] = []
    keys: list[str] = []
    """What answers may name it by."""
    wait_us: int = 0
    next_us: int = 0
    sent_us: int | None = None
    delivered_us: int | None = None
    ended_us: int | None = None
    reached: int = 1
    told: int = 0

    def command(self) -> Command:
        """What a gateway is handed."""
        return Command(
            id=self.id.hex,
            number=self.number,
            kind=self.kind,
            parameters=self.parameters,
            time_us=self.made_us,
            deadline_us=self.deadline_us,
        )


COLUMNS: Final = ", ".join(
    "class" if name == "message_class" else name for name in Row.__struct_fields__
)
"""What a query selects to make a ``Row`` of each tuple."""

SAVED: Final = (
    *("state", "code", "detail", "facts", "notes", "tries", "attempts", "keys"),
    *("wait_us", "next_us", "sent_us", "delivered_us", "ended_us", "reached"),
)
"""Columns that change during a command's life; ``command_turn`` of the migrations writes them."""

_DEPTH_MAX: Final = 8


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A vehicle's facts as JSON that PostgreSQL takes: no NUL, no bytes, no endless numbers; what
    is too large is left out."""
    found = {_text(name): _plain(value, 0) for name, value in facts.items()}
    if len(msgspec.json.encode(found)) > COMMAND_FACTS_BYTES_MAX:
        return {"truncated": True}
    return found


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if depth >= _DEPTH_MAX:
        return _text(str(value)[:100])
    if isinstance(value, Mapping):
        return {_text(name): _plain(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, depth + 1) for one in value]
    return _text(str(value))


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return text.replace("\0", "").encode("utf-8", "replace").decode()
