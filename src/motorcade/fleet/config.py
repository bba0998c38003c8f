"""What an operator may set about the registry: the ``[fleet]`` table."""

from __future__ import annotations

import msgspec

__all__ = ["Config"]


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of the fleet registry."""

    url: str = ""
    """PostgreSQL address for the platform's processes; empty: the embedded one."""
    owner_url: str = ""
    """Address of the user that owns the tables, for migrations alone; empty: the embedded one's."""
    pool_size: int = 4
    """Connections one process holds at most."""
    connect_timeout_s: float = 30.0
    """How long a starting process waits for PostgreSQL and its migrations."""
    call_timeout_s: float = 5.0
    """How long a call waits for a free or new connection before it reports the engine missing."""
    statement_timeout_s: float = 30.0
    """PostgreSQL ends a statement that runs longer; imports are exempt."""
    register_wait_s: float = 1.0
    """How long an automatic registration waits for a running import; then the vehicle is refused
    and comes back."""
    cache_s: float = 2.0
    """How long verified keys and looked-up vehicles are believed without asking again; a revoked
    key works no longer than this."""
    import_rows_max: int = 5_000_000
    """Vehicles in one import; VINs of all are held in memory (24 bytes each) to find duplicates."""
