"""What an operator may set about forwarding."""

from __future__ import annotations

import msgspec

__all__ = ["Config"]


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The ``[forwarding]`` table."""

    allow_private_addresses: bool = False
    """Whether targets may lie on loopback, link-local and private addresses. A tenant names the
    target and the platform connects to it: off, nobody reaches the platform's own network so."""
    linger_ms: int = 100
    """How long records are gathered before they are put on the spools: each put is an fsync."""
    spool_bytes_max: int = 4 << 30
    """The most a forwarder may ask to keep unsent; at its own bound its oldest records go."""
    spool_age_s: float = 7 * 86_400.0
    """The longest a forwarder may ask to keep unsent records."""
    rules_every_s: float = 1.0
    """How often a worker looks whether forwarders were changed, and tells their state."""
    timeout_s: float = 30.0
    """How long a peer may take to connect, and to answer where its protocol names no time."""
    retry_first_s: float = 1.0
    """The pause after the first failure of a peer; it doubles with each further one."""
    retry_max_s: float = 60.0
    """The longest pause between two attempts, unless the peer or its protocol asks for more."""
