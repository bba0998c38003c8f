"""What a courier hands a sender: rows on their way, each with its fate, and whose they are.

In: batches of a spool. Out: rows marked as sent, refused or left out, so that after a failure only
those without a fate are tried again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from motorcade.apps.forwarding.config import Config
from motorcade.clock import Clock
from motorcade.errors import DependencyError
from motorcade.log.log import Log
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue

__all__ = ["Away", "Name", "Parcel", "Sender", "Surroundings"]

_OPEN: Final = 0
_SENT: Final = 1
_REFUSED: Final = 2
_LEFT_OUT: Final = 3
_REASONS_MAX: Final = 20


class Away(DependencyError):
    """The peer cannot be reached, does not answer, or answers nonsense: the rows without a fate are
    tried again, after ``retry_after_s`` where it is given."""

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Name:
    """What a vehicle is called outside."""

    vin: str
    plate: str = ""
    iccid: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every sender is given beside its settings."""

    tenant: int
    tenant_name: str
    name: str
    """The forwarder's."""
    catalogue: Catalogue
    clock: Clock
    config: Config
    log: Log


@dataclass(slots=True)
class Parcel:
    """Rows of one tenant. ``names`` by vehicle number; rows of vehicles not in it are left out, for
    they belong to nobody any more. ``attempts`` counts the failures so far."""

    batches: Sequence[SignalBatch]
    names: Mapping[int, Name]
    attempts: int = 0
    reasons: list[str] = field(default_factory=list)
    """Why rows were refused, a few."""
    _fates: list[NDArray[np.uint8]] = field(init=False)

    def __post_init__(self) -> None:
        self._fates = [np.zeros(len(batch), np.uint8) for batch in self.batches]
        known = np.fromiter(self.names, np.uint64, len(self.names))
        for batch, fates in zip(self.batches, self._fates, strict=True):
            fates[~np.isin(batch.numpy("vehicle"), known)] = _LEFT_OUT

    def open(self) -> Iterator[tuple[int, NDArray[np.int64], SignalBatch]]:
        """The rows without a fate: index of their batch, their places in it, and they alone."""
        for index, (batch, fates) in enumerate(zip(self.batches, self._fates, strict=True)):
            rows = np.flatnonzero(fates == _OPEN)
            if len(rows):
                yield index, rows, batch if len(rows) == len(batch) else batch.take(rows)

    def sent(self, index: int, rows: Any) -> None:
        """The peer has acknowledged rows of a batch."""
        self._fates[index][rows] = _SENT

    def refused(self, index: int, rows: Any, reason: str) -> None:
        """The peer will never take these rows; they are not tried again."""
        self._fates[index][rows] = _REFUSED
        if len(self.reasons) < _REASONS_MAX:
            self.reasons.append(reason)

    def left_out(self, index: int, rows: Any) -> None:
        """The target's protocol cannot say what these rows hold."""
        self._fates[index][rows] = _LEFT_OUT

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """How many rows are open, sent, refused, left out."""
        total = np.zeros(4, np.int64)
        for fates in self._fates:
            total += np.bincount(fates, minlength=4)
        waiting, sent, refused, left_out = total.tolist()
        return waiting, sent, refused, left_out


class Sender(Protocol):
    """One peer's client. Made by its module's ``Sender(target, surroundings)``."""

    async def send(self, parcel: Parcel) -> None:
        """Give every open row a fate. Raises ``Away``; rows that have one by then keep it."""

    async def idle(self) -> None:
        """Called about once a second while there is nothing to send: connect, stay connected.
        Raises ``Away``."""

    async def close(self) -> None:
        """Say goodbye where the protocol has one, and close. Never raises."""
