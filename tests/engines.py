"""Real engines for tests: plain functions that fixtures of any room call."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg

from motorcade.fleet.config import Config as FleetConfig
from motorcade.fleet.engine import Config, EmbeddedPostgres

__all__ = ["fresh_database", "start_postgres"]


def start_postgres(directory: Path) -> EmbeddedPostgres:
    """A running PostgreSQL in ``directory``; the caller stops it. It does not wait for the disk:
    tests kill processes, not machines."""
    engine = EmbeddedPostgres(directory / "postgres", Config(fsync=False))
    engine.start()
    return engine


@contextlib.contextmanager
def fresh_database(postgres: EmbeddedPostgres) -> Iterator[FleetConfig]:
    """An empty database for as long as this lasts, whoever is still connected at its end."""
    name = "t" + uuid.uuid4().hex[:12]
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield FleetConfig(
        url=postgres.app_url.replace("/postgres?", f"/{name}?"),
        owner_url=postgres.url.replace("/postgres?", f"/{name}?"),
        connect_timeout_s=20.0,
    )
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
