"""Whether gateway processes are still there: by their sign of life each second.

In: hints ``gateway.alive``. Out: which of them have been silent too long, and which that were given
up are back. Silence counts only while we could have heard: not before we listened, not while the
log was away, not while this process stood still.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

__all__ = ["ALIVE_SUBJECT", "LOST_SUBJECT", "Gateways"]

ALIVE_SUBJECT: Final = "gateway.alive"
"""Name, incarnation and time (µs UTC) as msgpack."""
LOST_SUBJECT: Final = "gateway.lost"
"""The incarnation, in a list, as msgpack."""

_STOOD_STILL_S: Final = 3.0
"""Looks further apart than this mean that this process stood still, not that a gateway did."""

_TOLD_MAX: Final = 5
_TOLD_EVERY_S: Final = 2.0
"""How often a gateway that is back is told that it was given up. A hint may be lost; one that has
no link left to name never answers."""

_FORGOTTEN_S: Final = 3_600.0
_ALIVE: Final = msgspec.msgpack.Decoder(tuple[str, str, int])


class Gateways:
    """What one process has heard of gateways; times in monotonic seconds."""

    def __init__(self, lost_s: float) -> None:
        self._lost_s = lost_s
        self._heard: dict[str, float] = {}
        self._told: dict[str, tuple[int, float]] = {}
        self._since_s = 0.0
        self._looked_s: float | None = None

    def hear(self, payload: bytes, now_s: float) -> None:
        """A sign of life; what cannot be read is none."""
        try:
            _, incarnation, _ = _ALIVE.decode(payload)
        except msgspec.DecodeError:
            return
        self._heard[incarnation] = now_s

    def look(self, now_s: float, connected: bool) -> None:
        """Say that time has passed, and whether signs of life could have come meanwhile."""
        stood_still = self._looked_s is None or now_s - self._looked_s > _STOOD_STILL_S
        if stood_still or not connected:
            self._since_s = now_s
        self._looked_s = now_s
        if len(self._heard) > 2 * len(self._told) + 64:
            kept = now_s - _FORGOTTEN_S
            self._heard = {one: heard for one, heard in self._heard.items() if heard > kept}

    def silent(self, incarnations: Iterable[str], now_s: float) -> list[str]:
        """Those of which nothing was heard for too long; one asked about for the first time has
        just begun."""
        found = []
        for incarnation in incarnations:
            heard = max(self._heard.setdefault(incarnation, now_s), self._since_s)
            if now_s - heard > self._lost_s:
                found.append(incarnation)
        return found

    def give_up(self, incarnation: str) -> None:
        """It was declared lost: it counts as back with its next sign of life."""
        self._heard[incarnation] = float("-inf")
        self._told.pop(incarnation, None)

    def back(self, lost: Iterable[str], now_s: float) -> list[str]:
        """Those given up that were heard again and should be told so now."""
        found = []
        for incarnation in lost:
            if now_s - self._heard.get(incarnation, float("-inf")) > self._lost_s:
                continue
            times, last_s = self._told.get(incarnation, (0, float("-inf")))
            if times < _TOLD_MAX and now_s - last_s >= _TOLD_EVERY_S:
                self._told[incarnation] = (times + 1, now_s)
                found.append(incarnation)
        for incarnation in set(self._told) - set(lost):
            del self._told[incarnation]
        return found
