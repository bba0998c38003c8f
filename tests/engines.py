"""Real engines for tests: plain functions that fixtures of any room call."""

from __future__ import annotations

from pathlib import Path

from motorcade.fleet.engine import EmbeddedPostgres

__all__ = ["start_postgres"]


def start_postgres(directory: Path) -> EmbeddedPostgres:
    """A running PostgreSQL in ``directory``; the caller stops it."""
    engine = EmbeddedPostgres(directory / "postgres")
    engine.start()
    return engine
