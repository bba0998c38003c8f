"""Brings the registry's tables to this program's version: plain SQL files, each in one transaction.

In: the owner's address. Out: the tables, and the role ``motorcade_app`` that may use them.
"""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict

from motorcade.clock import SystemClock
from motorcade.errors import DependencyError
from motorcade.fleet.engine import APP_ROLE

__all__ = ["migrate", "migration_files"]

_LOCK: Final = 0x6D6F746F72636164
"""Advisory lock ("motorcad"): processes that start together migrate one after the other."""


async def migrate(owner_url: str, app_url: str = "", *, wait_s: float = 30.0) -> int:
    """Apply what is missing and return the version reached; harmless to repeat.

    ``app_url``: where it carries a password for ``motorcade_app``, that password is set.
    Raises ``DependencyError`` when PostgreSQL does not answer within ``wait_s``.
    """
    connection = await _connect(owner_url, wait_s)
    async with connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations ("
            " version integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL)"
        )
        cursor = await connection.execute("SELECT version FROM migrations")
        applied = {int(row[0]) for row in await cursor.fetchall()}
        for version, (name, text) in sorted(migration_files().items()):
            if version in applied:
                continue
            async with connection.transaction():
                await connection.execute(text.encode())
                await connection.execute(
                    "INSERT INTO migrations VALUES (%s, %s, now())", (version, name)
                )
            applied.add(version)
        await _set_password(connection, app_url)
    return max(applied)


def migration_files() -> dict[int, tuple[str, str]]:
    """Version to (file name, SQL text) of every migration this program carries."""
    folder = files("motorcade.fleet") / "migrations"
    return {
        int(entry.name[:4]): (entry.name, entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }


async def _connect(url: str, wait_s: float) -> AsyncConnection[tuple[Any, ...]]:
    deadline = SystemClock().monotonic_s() + wait_s
    while True:
        try:
            return await AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
        except psycopg.OperationalError as error:
            if SystemClock().monotonic_s() > deadline:
                raise DependencyError(f"PostgreSQL does not answer: {error}") from error
            await asyncio.sleep(0.1)


async def _set_password(connection: AsyncConnection[tuple[Any, ...]], app_url: str) -> None:
    wanted = conninfo_to_dict(app_url) if app_url else {}
    if wanted.get("user") == APP_ROLE and wanted.get("password"):
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
            sql.Identifier(APP_ROLE), sql.Literal(wanted["password"])
        )
        await connection.execute(statement)
