"""The history's settings: when rows are committed, how long they are kept, how files are merged."""

from __future__ import annotations

import msgspec

__all__ = ["Config"]


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The ``[history]`` table."""

    commit_interval_s: float = 30.0
    """Seconds between commits of the tables. Between them the hot tail answers; shorter costs a
    file and about 10 ms per tenant and commit."""
    commit_rows: int = 500_000
    """Uncommitted rows at which a commit is due before its time; bounds what a restart replays."""
    tail_bytes_max: int = 256 << 20
    """Bytes of rows one partition keeps in memory. At the bound: committed rows go first, then
    ``add`` is refused, so the worker stops reading the log until a commit succeeds."""
    tail_grace_s: float = 90.0
    """How long committed rows stay in the tail for readers with an older view of the table."""
    retention_days: int = 365
    """Days of history a tenant keeps that names no number of its own; 0 keeps everything."""
    compact_every_s: float = 60.0
    """Seconds between looks for files to merge."""
    compact_fan_in: int = 8
    """Files of similar size covering the same vehicles and day at which they are merged."""
    compact_close_after_s: float = 7200.0
    """Seconds after a day's end (UTC) when its files are merged into one sorted run."""
    compact_rows_max: int = 100_000
    """Rows a merge holds in memory at once (a row of 45 signals takes about 250 bytes)."""
    file_rows_max: int = 1_000_000
    """Rows of one merged file; larger days are split by vehicle."""
    row_group_rows: int = 8_192
    """Rows of one Parquet row group: the least a query reads. Smaller groups, larger footers."""
    vacuum_every_s: float = 3600.0
    """Seconds between removals of files no table refers to any more."""
    vacuum_after_hours: int = 1
    """Hours an unreferenced file is kept, for queries that began before it was replaced."""
    snapshot_age_max_s: float = 10.0
    """Seconds a reader uses its view of a table; must be well under ``tail_grace_s``."""
    tables_open_max: int = 256
    """Tenant tables a process keeps open; the least recently used is closed."""
    files_open_max: int = 256
    """Data files a reader keeps open with their parsed footers; the least recently used is
    closed."""
    query_threads: int = 2
    """Queries one process reads from disk at the same time; others wait."""
    tail_timeout_s: float = 2.0
    """Seconds a query waits for a worker's tail before it answers with what is committed."""
