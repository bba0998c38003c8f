"""What an operator may set about commands: the ``[commands]`` table."""

from __future__ import annotations

import msgspec

__all__ = ["Config"]


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of the commands app."""

    turn_gap_ms: float = 20.0
    """Between two transactions at least: what comes meanwhile shares the next one, so that many
    commands cost little more than few. One alone waits for nothing."""
    claims_per_turn: int = 2_000
    """Commands sent at most after one transaction."""
    flights_max: int = 20_000
    """Commands one worker awaits answers to at once; further ones stay queued."""
    poll_s: float = 2.0
    """How often new commands are looked for when no hint came."""
    gateway_timeout_s: float = 2.0
    """How long a gateway may take to say that it has written commands to its links."""
    backoff_first_s: float = 5.0
    """After silence on every link: how long the first round of tries waits for the next; each
    further round waits twice as long."""
    backoff_max_s: float = 300.0
    """The longest such wait."""
    busy_s: float = 0.5
    """How long a link that is full is left alone."""
    policy_refresh_s: float = 5.0
    """How often the tenants' downlink policies are read again."""
    keep_days: int = 90
    """Days a command that has ended is kept, 0 for ever."""
    desired_first_s: float = 15.0
    """How long a vehicle has to report what was set, before it is set again; each further wait is
    twice as long."""
    desired_max_s: float = 3_600.0
    """The longest such wait, and how often a desired state that was reached is compared again."""
    desired_deadline_s: float = 120.0
    """Deadline of the commands that bring a desired state about."""
    bulk_page: int = 500
    """Vehicles of one step of a bulk job."""
