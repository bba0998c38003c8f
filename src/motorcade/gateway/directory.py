"""What the gateway asks of the fleet registry, and the VINs whose answer it remembers.

``fleet.Fleet`` fits ``Directory``; a test may pass a table in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from motorcade.fleet.kept import KeptSession

__all__ = ["Directory", "Identified", "Known", "Remembered", "VehicleCache", "vin_text"]

_UNKNOWN_S = 2.0
"""How long an unregistered VIN is believed unknown: a vehicle added by API is let in soon after."""

_RENEWED_S = 5.0
"""How much longer a registered VIN is believed where the registry does not answer: its platform's
cars go on being stored while PostgreSQL is away."""


class Known(Protocol):
    """A registered vehicle: its dense number and its tenant's number."""

    @property
    def vehicle(self) -> int: ...

    @property
    def tenant(self) -> int: ...


class Identified(Known, Protocol):
    """A registered vehicle with what its logins and its signatures are checked by."""

    @property
    def vin(self) -> str: ...

    @property
    def secrets(self) -> Sequence[bytes]:
        """SHA-256 of every secret accepted now."""

    @property
    def key(self) -> bytes:
        """Its pre-shared key; empty for none."""

    @property
    def code(self) -> str:
        """What its JT/T 808 terminal is given when it registers, and logs in with; asked for by a
        phone number."""

    @property
    def terminal(self) -> str:
        """The terminal that registered first by the name asked for; empty for none."""


class Directory(Protocol):
    """Who is who, for the platform as a whole. Every method raises ``DependencyError`` where the
    registry does not answer."""

    async def resolve(self, vins: Sequence[str], *, register: bool = True) -> Mapping[str, Known]:
        """The vehicles of the VINs that are registered, or were by this call as a tenant claims
        their prefix; the others are left out. One query for all."""

    async def identify(
        self,
        kind: str,
        values: Sequence[str],
        *,
        register: bool = True,
        terminals: Mapping[str, str] | None = None,
    ) -> Mapping[str, Identified]:
        """The vehicles behind names of a kind (``vin``, ``phone``, ``imei``, ``device``); names
        nobody has are left out. One query for all. ``terminals``, by name: who registers now; the
        first to do so is remembered."""

    async def bind(self, kind: str, value: str, vehicle: int) -> object:
        """Give a vehicle a further name. Raises ``Conflict`` where another has it."""

    async def kept_sessions(self, protocol: str, vehicles: Sequence[int]) -> Mapping[int, bytes]:
        """What earlier sessions of these vehicles left to be kept, and still holds."""

    async def keep_sessions(self, protocol: str, sessions: Sequence[KeptSession]) -> None:
        """Keep what sessions leave; an empty state forgets."""

    async def tenant_named(self, name: str) -> Any:
        """The tenant of this name, with its ``number``. Raises ``NotFound``."""

    async def platform_login(self, user: str, password: str) -> int | None:
        """The tenant whose platform account this is, or None."""

    async def gateway_settings(self) -> Mapping[int, Any]:
        """Per tenant number what the gateway obeys: ``acknowledge_reports`` (empty: the
        listener's), and what the protocol's ``decode`` reads (keys, custom tables)."""

    async def settings_stamp(self) -> int:
        """A number that changes with any tenant's settings; cheap to ask."""


class Remembered(NamedTuple):
    """A VIN's vehicle and tenant (0 and 0: unregistered), believed until ``until_s``
    (monotonic)."""

    vehicle: int
    tenant: int
    until_s: float
    key: bytes = b""


class VehicleCache:
    """VINs on platform links, in two generations: when the young one is full, the old one is
    forgotten.

    Terminals are not remembered here: their vehicle stands beside their connection.
    """

    def __init__(self, size_max: int, ttl_s: float) -> None:
        self._half = max(1, size_max // 2)
        self._ttl_s = ttl_s
        self._young: dict[bytes, Remembered] = {}
        self._old: dict[bytes, Remembered] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, identity: bytes, now_s: float) -> Remembered | None:
        """What is remembered and still believed."""
        found = self._young.get(identity)
        if found is None:
            found = self._old.pop(identity, None)
            if found is None:
                return None
            self._put(identity, found)
        return found if found.until_s > now_s else None

    def learn(self, identities: Iterable[bytes], known: Mapping[str, Known], now_s: float) -> None:
        """Remember the registry's answer about ``identities``."""
        for identity in identities:
            vehicle = known.get(vin_text(identity))
            if vehicle is None:
                self._put(identity, Remembered(0, 0, now_s + _UNKNOWN_S))
            else:
                until_s = now_s + self._ttl_s
                key = getattr(vehicle, "key", b"")
                self._put(identity, Remembered(vehicle.vehicle, vehicle.tenant, until_s, key))

    def renew(self, identities: Iterable[bytes], now_s: float) -> list[bytes]:
        """The registry does not answer: believe what it last said of these a little longer.

        Returns those of whom it never said anything, or that they are unregistered.
        """
        strangers = []
        for identity in identities:
            found = self._young.get(identity) or self._old.get(identity)
            if found is None or found.vehicle == 0:
                strangers.append(identity)
            else:
                self._put(identity, found._replace(until_s=now_s + _RENEWED_S))
        return strangers

    def _put(self, identity: bytes, remembered: Remembered) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[identity] = remembered


def vin_text(identity: bytes) -> str:
    """The bytes of a frame's VIN field as the registry knows it: without what it was filled up
    with."""
    return identity.decode("ascii", "replace").strip("\0 ")
