"""How forwarders look to callers: what they may say, and what they are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from litestar.params import PathParameter

from motorcade.apps.forwarding.rules import Filter, Kind, shown
from motorcade.apps.forwarding.store import Forwarder, State

__all__ = [
    "EXAMPLE",
    "TAG",
    "ForwarderChange",
    "ForwarderList",
    "ForwarderName",
    "ForwarderState",
    "ForwarderView",
    "NewForwarder",
    "RefusalView",
    "view",
]

TAG: Final = "Forwarding"
EXAMPLE: Final = {
    "name": "crm",
    "kind": "webhook",
    "target": {"url": "https://crm.example.com/vehicles", "secret": "set"},
    "filter": {"vins": [], "labels": ["rental"], "where": "Vehicle.Speed > 130"},
    "signals": ["Vehicle.Speed", "Vehicle.CurrentLocation"],
    "records": [],
    "spool_bytes_max": 1073741824,
    "spool_age_s": 604800.0,
    "paused": False,
    "created": "2026-11-25T08:00:00Z",
    "state": {
        "status": "sending",
        "sent": 120451,
        "refused": 0,
        "left_out": 0,
        "lost": 0,
        "failures": 3,
        "lag_rows": 12,
        "lag_s": 0.2,
        "last_error": "HTTP 503",
        "last_error_at": "2026-11-25T08:30:00Z",
        "last_sent_at": "2026-11-25T09:00:00Z",
        "refusals": [],
    },
}

ForwarderName = Annotated[str, PathParameter(description="The forwarder's name.")]


class NewForwarder(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A forwarder to create."""

    name: Annotated[
        str,
        msgspec.Meta(
            pattern="^[a-z0-9][a-z0-9-]{0,62}$",
            description="Small letters, digits and hyphens, 63 at most; for good.",
            examples=["crm"],
        ),
    ]
    kind: Annotated[
        str,
        msgspec.Meta(
            description="`gbt32960`, `jt809`, `mqtt`, `nats` or `webhook`.", examples=["webhook"]
        ),
    ]
    target: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="Settings of that kind; secrets are never shown again.",
            examples=[{"url": "https://crm.example.com/vehicles"}],
        ),
    ]
    filter: Filter = Filter()
    signals: tuple[str, ...] = ()
    records: tuple[Kind, ...] = ()
    spool_bytes_max: int = 1 << 30
    spool_age_s: float = 7 * 86_400.0
    paused: bool = False


class ForwarderChange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays. ``target`` is changed key by key."""

    target: dict[str, Any] | None = None
    filter: Filter | None = None
    signals: tuple[str, ...] | None = None
    records: tuple[Kind, ...] | None = None
    spool_bytes_max: int | None = None
    spool_age_s: float | None = None


class RefusalView(msgspec.Struct, kw_only=True, frozen=True):
    """Records the peer would not take, and what it said."""

    time: datetime
    reason: str


class ForwarderState(msgspec.Struct, kw_only=True, frozen=True):
    """How it is going, a second old at most while a worker runs. Counts are records (rows)."""

    status: Annotated[
        str,
        msgspec.Meta(description="`new`, `sending`, `waiting`, `retrying`, `failing` or `paused`."),
    ]
    sent: Annotated[int, msgspec.Meta(description="Acknowledged by the peer.")]
    refused: Annotated[int, msgspec.Meta(description="The peer will never take them.")]
    left_out: Annotated[
        int, msgspec.Meta(description="The target's protocol has no words for what they hold.")
    ]
    lost: Annotated[int, msgspec.Meta(description="Gone at the bound of what is kept unsent.")]
    failures: Annotated[int, msgspec.Meta(description="Attempts that were repeated.")]
    lag_rows: Annotated[int, msgspec.Meta(description="Not yet acknowledged.")]
    lag_s: Annotated[float, msgspec.Meta(description="Age of the oldest of them in seconds.")]
    last_error: str
    last_error_at: datetime | None
    last_sent_at: datetime | None
    refusals: list[RefusalView]


class ForwarderView(msgspec.Struct, kw_only=True, frozen=True):
    """A forwarder; a secret that is set reads ``set``."""

    name: str
    kind: str
    target: dict[str, Any]
    filter: Filter
    signals: tuple[str, ...]
    records: tuple[Kind, ...]
    spool_bytes_max: int
    spool_age_s: float
    paused: bool
    created: datetime
    state: ForwarderState


class ForwarderList(msgspec.Struct, kw_only=True, frozen=True):
    """A tenant's forwarders."""

    forwarders: list[ForwarderView]


def view(forwarder: Forwarder, state: State) -> ForwarderView:
    """A forwarder as callers see it."""
    rule = shown(forwarder.rule, forwarder.secrets)
    return ForwarderView(
        name=forwarder.name,
        paused=forwarder.paused,
        created=forwarder.created,
        state=ForwarderState(
            status=state.status,
            sent=state.sent,
            refused=state.refused,
            left_out=state.left_out,
            lost=state.lost,
            failures=state.failures,
            lag_rows=state.lag_rows,
            lag_s=state.lag_s,
            last_error=state.last_error,
            last_error_at=_moment(state.last_error_us),
            last_sent_at=_moment(state.last_sent_us),
            refusals=[
                RefusalView(time=datetime.fromtimestamp(one.time_us / 1e6, UTC), reason=one.reason)
                for one in state.refusals
            ],
        ),
        **msgspec.structs.asdict(rule),
    )


def _moment(us: int) -> datetime | None:
    return datetime.fromtimestamp(us / 1e6, UTC) if us else None
