"""The life of commands as telemetry: a row of kind ``event`` for every state a command reaches.

In: commands and the states not told yet. Out: rows in the log, so that stream, twin and history
show them; and which were stored. A row's identity (vehicle, time, kind, record) follows from the
command and the state, so that telling it twice changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import numpy as np
import pyarrow as pa
import structlog

from motorcade.apps.commands.life import ENDED, REACHED
from motorcade.apps.commands.row import Row
from motorcade.errors import MotorcadeError
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue

__all__ = ["Change", "Teller", "changes_of", "rows_of"]

_log = structlog.get_logger(__name__)

_ID: Final = "Vehicle.Command.Id"
_KIND: Final = "Vehicle.Command.Kind"
_STATE: Final = "Vehicle.Command.State"
_CODE: Final = "Vehicle.Command.Code"
_WAITING_MAX: Final = 50_000
"""Changes kept for a log that is away; beyond that they are found in the table again."""
_ROWS_MAX: Final = 5_000
_AGAIN_S: Final = 0.5
_GAP_S: Final = 0.02
"""Between two appends at least: a message of the log costs every reader, whatever it holds."""
_PATIENCE_S: Final = 0.1
"""How long states on the way wait for the outcome that may follow at once, to be told with it."""


class Change(NamedTuple):
    """A command reached a state."""

    id: UUID
    tenant: int
    vehicle: int
    partition: int
    kind: str
    state: str
    code: str
    at_us: int


class _Log(Protocol):
    async def append(self, partition: int, batches: Sequence[SignalBatch]) -> int: ...


def changes_of(row: Row) -> list[Change]:
    """The states of a command that the log does not have."""
    untold = row.reached & ~row.told
    times = {"queued": row.made_us, "sent": row.sent_us, "delivered": row.delivered_us}
    found = [(state, at) for state, at in times.items() if untold & REACHED[state]]
    if untold & ENDED:
        found.append((row.state, row.ended_us))
    return [
        Change(
            row.id, row.tenant, row.vehicle, row.partition, row.kind, state,
            row.code if state == row.state else "", at,
        )
        for state, at in found
        if at is not None
    ]  # fmt: skip


def rows_of(changes: Sequence[Change], catalogue: Catalogue, now_us: int) -> SignalBatch:
    """Changes as telemetry."""
    kinds = {word: code for code, word in enumerate(catalogue[_KIND].words)}
    states = {word: code for code, word in enumerate(catalogue[_STATE].words)}
    count = len(changes)
    meta = {
        "tenant": np.array([one.tenant for one in changes], np.uint32),
        "vehicle": np.array([one.vehicle for one in changes], np.uint64),
        "event_time": np.array([one.at_us for one in changes], np.int64),
        "ingest_time": np.full(count, now_us, np.int64),
        "record": np.array([_record(one) for one in changes], np.uint64),
        "reissued": np.zeros(count, bool),
    }
    signals = {
        _ID: pa.array([one.id.hex for one in changes], pa.string()),
        _KIND: pa.array([kinds.get(one.kind) for one in changes], pa.uint8()),
        _STATE: pa.array([states[one.state] for one in changes], pa.uint8()),
        _CODE: pa.array([one.code for one in changes], pa.string()),
    }
    return SignalBatch.build("event", meta, signals)


class Teller:
    """Appends changes to the log, in the background, until it has them."""

    def __init__(
        self,
        log: _Log,
        catalogue: Catalogue,
        now_us: Callable[[], int],
        told: Callable[[dict[UUID, int]], None],
    ) -> None:
        self._log = log
        self._catalogue = catalogue
        self._now_us = now_us
        self._told = told
        self._waiting: list[Change] = []
        self._known: dict[UUID, int] = {}
        self._more = asyncio.Event()
        self._ended = asyncio.Event()

    def add(self, rows: Iterable[Row]) -> None:
        """Tell the states of these commands that are not being told already."""
        for row in rows:
            for change in changes_of(row):
                bit = REACHED[change.state]
                known = self._known.get(row.id, 0)
                if not known & bit and len(self._waiting) < _WAITING_MAX:
                    self._known[row.id] = known | bit
                    self._waiting.append(change)
                    if bit == ENDED:
                        self._ended.set()
        if self._waiting:
            self._more.set()

    def forget(self, told: Mapping[UUID, int]) -> None:
        """The table knows that these states (by their bits) were told: they need not be remembered.
        Others of the same command may still be on their way."""
        for name, bits in told.items():
            if left := self._known.pop(name, 0) & ~bits:
                self._known[name] = left

    async def run(self) -> None:
        """Work for ever; cancel it to stop."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PATIENCE_S):
                        await self._ended.wait()
                self._ended.clear()
                changes, self._waiting = self._waiting[:_ROWS_MAX], self._waiting[_ROWS_MAX:]
                partitions = sorted({change.partition for change in changes})
                await asyncio.gather(
                    *(
                        self._append(one, [c for c in changes if c.partition == one])
                        for one in partitions
                    )
                )
                await asyncio.sleep(_GAP_S)

    async def _append(self, partition: int, changes: list[Change]) -> None:
        batch = rows_of(changes, self._catalogue, self._now_us())
        while True:
            try:
                await self._log.append(partition, [batch])
                break
            except MotorcadeError as error:
                _log.warning("commands are not told", partition=partition, detail=error.detail)
                await asyncio.sleep(_AGAIN_S)
        told: dict[UUID, int] = {}
        for change in changes:
            told[change.id] = told.get(change.id, 0) | REACHED[change.state]
        self._told(told)


def _record(change: Change) -> int:
    digest = blake2b(change.id.bytes + change.state.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
