"""The fleet registry: one object with everything other rooms ask of PostgreSQL.

In: calls with the tenant among their arguments; methods that act for the platform say so in their
description. Out: structs. PostgreSQL's absence is ``DependencyError``; the next call after its
return works again.
"""

from __future__ import annotations

from motorcade.clock import Clock
from motorcade.fleet.cache import Believed
from motorcade.fleet.credentials import Credentials
from motorcade.fleet.importing import Importing
from motorcade.fleet.kept import KeptSessions
from motorcade.fleet.keys import Keys
from motorcade.fleet.migrate import migrate
from motorcade.fleet.passwords import Passwords
from motorcade.fleet.store import Config, Store
from motorcade.fleet.tenants import Tenants
from motorcade.fleet.vehicles import Vehicles
from motorcade.limits import BELIEVED_ENTRIES_MAX

__all__ = ["Config", "Fleet"]


class Fleet(Tenants, Vehicles, Importing, Keys, Credentials, KeptSessions):
    """Tenants, vehicles, credentials. Made by ``connect``; ``close`` it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        ttl_s = store.config.cache_s
        self._store = store
        self._clock = clock
        self._numbers = Believed(clock, ttl_s, BELIEVED_ENTRIES_MAX)
        self._vins = Believed(clock, ttl_s, BELIEVED_ENTRIES_MAX)
        self._principals = Believed(clock, ttl_s, BELIEVED_ENTRIES_MAX)
        self._strangers = Believed(clock, ttl_s, BELIEVED_ENTRIES_MAX)
        self._claims = Believed(clock, ttl_s, 1)
        self._passwords = Passwords(clock)

    @classmethod
    async def connect(cls, config: Config, clock: Clock) -> Fleet:
        """Connect, waiting up to ``connect_timeout_s`` for PostgreSQL and for its migrations.

        Raises ``DependencyError`` after that; ``Invalid`` for an address whose user row-level
        security does not bind.
        """
        store = Store(config)
        await store.open()
        return cls(store, clock)

    @staticmethod
    async def migrate(config: Config) -> int:
        """Bring the tables to this program's version, as their owner; returns the version."""
        return await migrate(config.owner_url, config.url, wait_s=config.connect_timeout_s)

    async def close(self) -> None:
        """Give the connections back."""
        await self._store.close()

    @property
    def store(self) -> Store:
        """The connections, for the apps' own tables: they keep their scopes, tenant or platform."""
        return self._store

    async def ready(self) -> bool:
        """Whether PostgreSQL answers; raises ``DependencyError`` where not."""
        await self.settings_stamp()
        return True
