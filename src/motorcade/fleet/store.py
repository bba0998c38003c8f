"""The connection to PostgreSQL: a pool, transactions that say for whom they act, our errors.

In: an address. Out: connections inside a transaction whose scope is one tenant or, where a method
says so by its name, the platform. A connection without a scope sees no row of any tenant.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import msgspec
import psycopg
from psycopg import AsyncConnection, errors
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from motorcade.clock import Clock, SystemClock
from motorcade.errors import Conflict, DependencyError, Forbidden, Invalid, MotorcadeError
from motorcade.fleet.config import Config
from motorcade.fleet.migrate import migration_files

__all__ = ["Config", "Connection", "Part", "Store", "moment", "one", "translated", "widened"]

Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]

_POOL_ROUND_S: Final = 0.3


class Store:
    """A pool of connections that outlives restarts of PostgreSQL."""

    def __init__(self, config: Config) -> None:
        self.config = config
        statement_ms = round(config.statement_timeout_s * 1000)
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            config.url,
            kwargs={
                "autocommit": True,
                "connect_timeout": max(2, round(config.call_timeout_s)),
                "options": f"-c statement_timeout={statement_ms} -c timezone=UTC",
            },
            min_size=1,
            max_size=config.pool_size,
            configure=_configured,
            open=False,
            reconnect_timeout=0,
            name="fleet",
        )

    async def open(self) -> None:
        """Wait until PostgreSQL answers and has this version's tables.

        Raises ``DependencyError`` after ``connect_timeout_s``; ``Invalid`` where the address is
        that of a user whom row-level security does not bind, or the tables are of a newer version.
        """
        await self._pool.open()
        deadline = SystemClock().monotonic_s() + self.config.connect_timeout_s
        while True:
            try:
                await self._inspect()
                return
            except (psycopg.OperationalError, *_UNMIGRATED) as error:
                if SystemClock().monotonic_s() > deadline:
                    await self.close()
                    raise DependencyError(f"PostgreSQL is not ready: {error}") from error
                await asyncio.sleep(0.1)
            except MotorcadeError:
                await self.close()
                raise

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.close()

    @asynccontextmanager
    async def tenant(self, tenant: int, *, pipeline: bool = True) -> AsyncIterator[Connection]:
        """A transaction that sees and changes the rows of one tenant."""
        async with self._scope("motorcade.tenant", str(int(tenant)), pipeline) as connection:
            yield connection

    @asynccontextmanager
    async def platform(self, *, pipeline: bool = True) -> AsyncIterator[Connection]:
        """A transaction that sees and changes every tenant's rows: the platform's own acts."""
        async with self._scope("motorcade.platform", "on", pipeline) as connection:
            yield connection

    @asynccontextmanager
    async def unscoped(self) -> AsyncIterator[Connection]:
        """A connection outside any transaction that sees no tenant's rows."""
        async with translated(), self._connection() as connection:
            yield connection

    @asynccontextmanager
    async def _scope(self, name: str, value: str, pipeline: bool) -> AsyncIterator[Connection]:
        async with translated(), self._connection() as connection:
            if pipeline:
                async with connection.pipeline(), connection.transaction():
                    await connection.execute("SELECT set_config(%s, %s, true)", (name, value))
                    yield connection
            else:
                async with connection.transaction():
                    await connection.execute("SELECT set_config(%s, %s, true)", (name, value))
                    yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool whose server is there.

        Asked for in short rounds, because the pool wakes nobody when PostgreSQL comes back: only a
        new question makes it connect again.
        """
        deadline = SystemClock().monotonic_s() + self.config.call_timeout_s
        while True:
            left = deadline - SystemClock().monotonic_s()
            try:
                connection = await self._pool.getconn(max(0.05, min(_POOL_ROUND_S, left)))
            except PoolTimeout:
                if left <= 0:
                    raise
                continue
            if not await _gone(connection):
                break
            await connection.close()
            await self._pool.putconn(connection)
        try:
            yield connection
        finally:
            await self._pool.putconn(connection)

    async def _inspect(self) -> None:
        async with self._connection() as connection:
            row = await (
                await connection.execute(
                    "SELECT r.rolsuper OR r.rolbypassrls, (SELECT max(version) FROM migrations)"
                    " FROM pg_roles r WHERE r.rolname = current_user"
                )
            ).fetchone()
        if row is None or row[0]:
            raise Invalid("fleet.url names a user whom row-level security does not bind")
        newest = max(migration_files())
        if (row[1] or 0) < newest:
            raise _Behind(f"its tables are of version {row[1]}, not yet {newest}")
        if row[1] > newest:
            raise Invalid(
                f"the registry is of version {row[1]}, newer than this program's {newest}"
            )


class Part:
    """A part of the registry's interface; ``Fleet`` joins them over one store."""

    _store: Store


def moment(clock: Clock) -> datetime:
    """The clock's wall time as PostgreSQL takes it."""
    return datetime.fromtimestamp(clock.now_us() / 1e6, UTC)


async def one(
    connection: Connection, query: Any, values: Sequence[Any] = ()
) -> tuple[Any, ...] | None:
    """The first row a query answers with."""
    return await (await connection.execute(query, values)).fetchone()


@asynccontextmanager
async def widened(connection: Connection) -> AsyncIterator[None]:
    """Inside a tenant's transaction: see every tenant's rows for a moment, to compare with."""
    row = await one(connection, "SELECT current_setting('motorcade.platform', true)")
    before = (row[0] if row else "") or ""
    await connection.execute("SELECT set_config('motorcade.platform', 'on', true)")
    yield  # where this raises the transaction ends, and with it the setting
    await connection.execute("SELECT set_config('motorcade.platform', %s, true)", (before,))


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """PostgreSQL's errors as ours."""
    try:
        yield
    except errors.UniqueViolation as error:
        raise Conflict(error.diag.message_detail or "it exists already") from error
    except errors.InsufficientPrivilege as error:
        raise Forbidden("row-level security refused this change") from error
    except errors.ForeignKeyViolation as error:
        raise Conflict(error.diag.message_detail or "something else needs it") from error
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise Invalid(error.diag.message_primary or str(error)) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DependencyError(f"PostgreSQL does not answer: {error}") from error


class _Behind(Exception):
    """The tables await a migration."""


_UNMIGRATED: Final = (errors.UndefinedTable, errors.InsufficientPrivilege, _Behind)
"""How a database looks to us before and while its owner migrates it."""


async def _configured(connection: Connection) -> None:
    """A new connection reads JSON by the faster of the two readers there are."""
    set_json_loads(msgspec.json.decode, connection)


async def _gone(connection: Connection) -> bool:
    """Whether the server of an idle connection went away, found out without a round trip: a
    healthy one has nothing to read."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if not poll.poll(0):
        return False
    try:
        await AsyncConnectionPool.check_connection(connection)
    except psycopg.Error:
        return True
    return False
