"""Hints that commands were made or cancelled: the commands whole, to the worker of their partition.

A hint that is lost costs time, not a command: the worker looks for itself now and then. A hint is
believed for what is told and which vehicles are looked at; what is sent is read from the table.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from motorcade.apps.commands.row import Row
from motorcade.errors import CorruptionError, MotorcadeError

__all__ = ["hint", "hint_subject", "pack_hints", "read_hint"]

_ROWS: Final = msgspec.msgpack.Decoder(list[Row])
_HINT_BYTES_MAX: Final = 256 * 1024
"""Far below the bus's largest message; commands of many parameters take several."""


class _Log(Protocol):
    async def publish(self, subject: str, payload: bytes = b"") -> bool: ...


async def hint(log: _Log, rows: Sequence[Row]) -> None:
    """Tell the workers of these commands. Never raises."""
    partitions: dict[int, list[Row]] = {}
    for row in rows:
        partitions.setdefault(row.partition, []).append(row)
    for partition, commands in partitions.items():
        with contextlib.suppress(MotorcadeError):
            for payload in pack_hints(commands):
                await log.publish(hint_subject(partition), payload)


def hint_subject(partition: int) -> str:
    """Where hints of a partition go."""
    return f"commands.{partition}"


def pack_hints(rows: Sequence[Row]) -> Iterator[bytes]:
    """The payloads of hints; a command that is too large for one is left to be looked for."""
    payload = msgspec.msgpack.encode(list(rows))
    if len(payload) <= _HINT_BYTES_MAX:
        yield payload
    elif len(rows) > 1:
        yield from pack_hints(rows[: len(rows) // 2])
        yield from pack_hints(rows[len(rows) // 2 :])


def read_hint(payload: bytes) -> list[Row]:
    """The commands of a hint. Raises ``CorruptionError``."""
    try:
        return _ROWS.decode(payload)
    except msgspec.DecodeError as error:
        raise CorruptionError(f"a hint cannot be read: {error}") from error
