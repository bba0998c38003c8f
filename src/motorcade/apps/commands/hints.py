"""Hints that commands were made or cancelled: which ones, to the worker of their partition.

A hint that is lost costs time, not a command: the worker looks for itself now and then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Final, Protocol
from uuid import UUID

import msgspec

from motorcade.apps.commands.row import Row
from motorcade.errors import CorruptionError, MotorcadeError

__all__ = ["hint", "hint_subject", "pack_hint", "read_hint"]

_IDS: Final = msgspec.msgpack.Decoder(list[bytes])
_HINT_MAX: Final = 10_000


class _Log(Protocol):
    async def publish(self, subject: str, payload: bytes = b"") -> bool: ...


async def hint(log: _Log, rows: Sequence[Row]) -> None:
    """Tell the workers of these commands. Never raises."""
    partitions: dict[int, list[UUID]] = {}
    for row in rows:
        partitions.setdefault(row.partition, []).append(row.id)
    for partition, commands in partitions.items():
        with contextlib.suppress(MotorcadeError):
            for start in range(0, len(commands), _HINT_MAX):
                part = commands[start : start + _HINT_MAX]
                await log.publish(hint_subject(partition), pack_hint(part))


def hint_subject(partition: int) -> str:
    """Where hints of a partition go."""
    return f"commands.{partition}"


def pack_hint(commands: Iterable[UUID]) -> bytes:
    """A hint's payload."""
    return msgspec.msgpack.encode([one.bytes for one in commands])


def read_hint(payload: bytes) -> list[UUID]:
    """The commands of a hint. Raises ``CorruptionError``."""
    try:
        return [UUID(bytes=one) for one in _IDS.decode(payload)]
    except (msgspec.DecodeError, ValueError) as error:
        raise CorruptionError(f"a hint cannot be read: {error}") from error
