"""What an operator may set about sessions: the ``[sessions]`` table."""

from __future__ import annotations

import msgspec

__all__ = ["Config"]


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of links and presence."""

    offline_grace_s: float = 3.0
    """A vehicle without any link is announced as offline after so long, unless it comes back: a
    modem that changes cells or bearers is away for a second or two."""
    handover_s: float = 60.0
    """A vehicle that comes back over another bearer within so long has changed over; after that it
    has come anew."""
    gateway_lost_s: float = 10.0
    """A gateway process that says nothing for so long is given up, and its links end; it says so
    every second, and may come back."""
