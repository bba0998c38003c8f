"""What is known of a vehicle's connection: its links, whether it counts as online, what it had."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["BEARERS", "ENDED_MAX", "Change", "Ended", "Link", "Row", "Session", "started_us"]

BEARERS: Final = ("unknown", "lte", "nr", "cv2x", "satellite", "wifi", "wired")
"""The words of ``Vehicle.Connectivity.Bearer`` in the order of their codes, in small letters."""

ENDED_MAX: Final = 4
"""Ended links remembered per vehicle, in case their gateway was given up too early: more than
that many gateways are never lost within one car's reach at a time. At the bound the oldest goes."""


class Link(msgspec.Struct, frozen=True, gc=False):
    """One way to a vehicle; some 400 bytes."""

    link: str
    """``<incarnation>/<protocol>/<n>``, never given again."""
    incarnation: str
    protocol: str
    bearer: str
    """One of ``BEARERS``."""
    epoch: int
    """Grows with every link of its gateway process."""
    since_us: int
    """When the log heard of it first, µs UTC by the log's clock."""
    order: int
    """Its place in the log when it was first named: of two links the newer has the greater."""
    reachable: bool
    address: str
    identity: str = ""


class Ended(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A link that was ended without its gateway having said so, and may be named again."""

    link: str
    since_us: int
    order: int


class Session(msgspec.Struct):
    """One vehicle. ``links``: oldest first."""

    vehicle: int
    tenant: int
    links: tuple[Link, ...] = ()
    online: bool = False
    due_us: int = 0
    """When it is offline unless a link comes before, 0 where that is not open."""
    changed_us: int = 0
    """Event time of its newest row; rows of a vehicle never share one."""
    ended_us: int = 0
    """When its last link ended, by the log's clock; 0 where none ever did."""
    bearer: str = ""
    """The bearer of the newest link, or of the last one."""
    reason: str = ""
    last: str = ""
    """The link that ended last."""
    ended: tuple[Ended, ...] = ()

    @property
    def live(self) -> bool:
        """Whether anything may still happen to it without a new link."""
        return bool(self.links) or self.due_us > 0


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One change, as it is written to the telemetry log."""

    vehicle: int
    tenant: int
    time_us: int
    event: str
    """``UP``, ``CHANGED``, ``DOWN`` or ``OFFLINE``."""
    link: str
    online: bool
    reachable: bool
    links: int
    bearer: str
    """The vehicle's, after the change."""
    protocol: str | None = None
    link_bearer: str | None = None
    address: str | None = None
    previous: str | None = None
    """The bearer it changed over from."""
    reason: str | None = None
    lasted_us: int | None = None
    gap_us: int | None = None


class Change(msgspec.Struct):
    """What a stretch of the log made of a partition's table, to be stored all at once."""

    rows: list[Row] = []
    touched: set[int] = set()
    """Vehicles whose sessions differ."""
    reached: list[tuple[int, Link]] = []
    """Vehicles and the links they can be reached over from now on."""
    handovers: list[tuple[str, str]] = []
    """Bearer before and after."""
    gaps_us: list[int] = []
    """How long vehicles that came back had no link."""
    kept_online: int = 0
    """Vehicles that came back within the grace time: offline was not announced."""
    late: int = 0
    """Goodbyes of links that had ended before."""
    stale: int = 0
    """Links named again after a newer one had taken their place, or by a process long replaced, or
    of a vehicle that cannot be."""


def started_us(incarnation: str) -> tuple[str, int]:
    """Name and start of a gateway process, of ``<name>.<µs UTC>``; a start of 0 where none is
    told."""
    name, _, start = incarnation.rpartition(".")
    return (name, int(start)) if name and start.isdigit() else (incarnation, 0)
