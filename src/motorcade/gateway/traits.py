"""What a protocol module says of itself beyond the names every protocol has, with the defaults.

``docs/decisions/0006-links-events-and-commands.md`` has the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["Traits"]


@dataclass(frozen=True, slots=True)
class Traits:
    """One protocol, as the gateway looks at it."""

    name: str
    identity: str
    """What its frames name vehicles by: ``vin``, ``phone``, ``imei``, ``device``."""
    is_stateful: bool
    """Whether a ``Session`` lives as long as its connection."""
    is_relay: bool
    """Whether there are no logins: every frame names its vehicle, whoever sends it."""
    is_datagram: bool
    """Whether it may be served over UDP."""
    hears: bool
    """Whether cut frames pass through their peers' sessions before they are decoded."""
    remembers: bool
    """Whether commands need to know something of a login, though there is no session: its
    ``remembered(frame)`` is kept in the session's place."""
    has_timers: bool
    keeps: bool
    """Whether a session may be resumed over a later connection."""
    is_signed: bool
    """Whether frames are signed with the vehicle's key."""
    answers_inside: bool
    """Whether records may hold answers to commands."""
    fatal: frozenset[str]
    """Reject and refusal codes that end the connection."""
    is_resent: bool
    """Whether a client sends again only after a reconnect, so that it has to be closed for it."""
    wraps: bool
    """Whether payloads may be frames of other protocols."""
    commands: Mapping[str, str]
    """Kinds of commands it can say."""

    @classmethod
    def of(cls, protocol: ModuleType) -> Traits:
        """The traits of a protocol module."""

        def said(name: str, default: Any) -> Any:
            return getattr(protocol, name, default)

        stateful = bool(said("STATEFUL", False))
        return cls(
            name=protocol.NAME,
            identity=said("IDENTITY", "vin"),
            is_stateful=stateful,
            is_relay=bool(said("RELAY", False)),
            is_datagram=bool(said("DATAGRAMS", False)),
            hears=hasattr(protocol, "hear"),
            keeps=stateful and hasattr(protocol.Session, "resume"),
            remembers=hasattr(protocol, "remembered"),
            has_timers=stateful and hasattr(protocol.Session, "next_timer"),
            is_signed=hasattr(protocol, "verify"),
            answers_inside=hasattr(protocol, "answers"),
            fatal=frozenset(said("FATAL", ())),
            is_resent=bool(said("RESENDS_ON_RECONNECT", False)),
            wraps=hasattr(protocol, "inner"),
            commands=said("COMMANDS", {}),
        )
