"""The question a reader asks a worker about its hot tail, and the answer, as bytes.

msgpack; rows inside the answer are an Arrow IPC stream in stored types, zstd-compressed.
"""

from __future__ import annotations

import msgspec
import pyarrow as pa

__all__ = ["TailAnswer", "TailRequest", "pack_rows", "subject", "unpack_rows"]


def subject(partition: int) -> str:
    """Where a partition's worker answers."""
    return f"history.tail.{partition}"


class TailRequest(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Rows of vehicles ``first``…``last`` with ``from_us`` ≤ event time < ``to_us`` that came after
    log sequence ``after``; of ``paths``, or of every signal where that is null."""

    tenant: int
    first: int
    last: int
    from_us: int
    to_us: int
    after: int
    paths: list[str] | None = None


class TailAnswer(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """``state``: ``ok``; ``stale``: the tail no longer holds every row after ``after``, load the
    table anew; ``large``: ask for less at once. ``through``: sequence of the newest record the
    worker has; ``behind``: the log holds records that it should have taken long since."""

    state: str
    through: int = 0
    rows: bytes = b""
    behind: bool = False


def pack_rows(table: pa.Table) -> bytes:
    """An Arrow IPC stream; empty where there are no rows."""
    if not table.num_rows:
        return b""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpack_rows(data: bytes) -> pa.Table | None:
    """What ``pack_rows`` wrote; None where it was empty."""
    return pa.ipc.open_stream(data).read_all() if data else None
