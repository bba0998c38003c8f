"""What an operator may set about the twin and the worker that writes it."""

from __future__ import annotations

import msgspec

__all__ = ["Config"]


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The ``[twin]`` table."""

    coalesce_ms: int = 20
    """Records that arrive within this time of the last write are written together; the state is
    live within it, and one write of many rows costs little more than one of few."""
    apply_records_max: int = 64
    """Log records (each up to 1 MiB) written together at most. It bounds memory, and how long the
    worker is away from its other duties."""
    keep_records: int = 1_000
    """Records left in the log behind the checkpoint, for readers that lag a little; none where a
    partition is more than half full or the disk has less than twice the log's reserve."""
    trim_log: bool = True
    """Off, the log keeps every record until it is full and takes no more: for inquiries, and for
    tests that replay it from its beginning."""
