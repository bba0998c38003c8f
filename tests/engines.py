"""Real engines for tests: plain functions that fixtures of any room call."""

from __future__ import annotations

from pathlib import Path

from motorcade.fleet.engine import Config, EmbeddedPostgres

__all__ = ["start_postgres"]


def start_postgres(directory: Path) -> EmbeddedPostgres:
    """A running PostgreSQL in ``directory``; the caller stops it. It does not wait for the disk:
    tests kill processes, not machines."""
    engine = EmbeddedPostgres(directory / "postgres", Config(fsync=False))
    engine.start()
    return engine
