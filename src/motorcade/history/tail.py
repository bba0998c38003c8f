"""The hot tail: the newest rows of one partition in memory, before and shortly after their commit.

Batches are gathered into chunks, chunks are committed as a whole and stay for a grace time.
Everything here is Arrow; nothing touches the disk. Used from one thread, except ``select`` (see
there)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.history.files import Span
from motorcade.history.rows import join
from motorcade.history.schema import KINDS, meta_and, stored, with_values
from motorcade.signals.batch import META, SignalBatch
from motorcade.signals.catalogue import Catalogue

__all__ = ["Chunk", "Tail", "select"]

_GATHER_BATCHES: Final = 64
_GATHER_ROWS: Final = 16_384


class Chunk:
    """Rows of consecutive log records. ``sequence`` int64 and ``kind`` int8 have a value per
    row."""

    def __init__(self, parts: Sequence[tuple[int, SignalBatch]], kinds: Sequence[str]) -> None:
        tables = [pa.Table.from_batches([batch.data]) for _, batch in parts]
        self.rows = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
        lengths = [len(batch) for _, batch in parts]
        self.sequence = np.repeat(np.array([part[0] for part in parts], np.int64), lengths)
        codes = np.array([kinds.index(batch.kind) for _, batch in parts], np.int8)
        self.kind = np.repeat(codes, lengths)
        self.first, self.last = parts[0][0], parts[-1][0]
        self.committed_s = 0.0
        self.bytes = self.rows.nbytes + 9 * len(self.sequence)

    def numpy(self, name: str) -> NDArray[Any]:
        """A fixed-width meta column; times as int64 microseconds."""
        column = self.rows.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        values: NDArray[Any] = column.to_numpy()
        return values

    @cached_property
    def by_vehicle(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Row order by vehicle, and the vehicles in that order."""
        vehicle = self.numpy("vehicle")
        order = np.argsort(vehicle, kind="stable")
        return order, vehicle[order]

    def find(self, tenant: int, span: Span, after: int) -> NDArray[np.int64]:
        """Indices of a tenant's rows in ``span`` with a sequence above ``after``, in log order."""
        order, vehicle = self.by_vehicle
        start = np.searchsorted(vehicle, np.uint64(max(span.first, 0)), "left")
        end = np.searchsorted(vehicle, np.uint64(max(span.last, 0)), "right")
        rows = np.sort(order[start:end])
        time = self.numpy("event_time")[rows]
        inside = (time >= span.from_us) & (time < span.to_us)
        inside &= (self.numpy("tenant")[rows] == tenant) & (self.sequence[rows] > after)
        return rows[inside]


class Tail:
    """Chunks in log order: committed ones in their grace time, then pending ones, then loose
    batches."""

    def __init__(self, position: int) -> None:
        self.floor = position
        """Every row above this sequence (and no longer every row below) is here."""
        self.last = position
        """Sequence of the newest record taken."""
        self.kinds: list[str] = list(KINDS)
        self._kept: deque[Chunk] = deque()
        self._pending: list[Chunk] = []
        self._loose: list[tuple[int, SignalBatch]] = []
        self._loose_rows = 0
        self._loose_bytes = 0
        self._pending_bytes = 0
        self._kept_bytes = 0

    @property
    def bytes(self) -> int:
        """Bytes of all rows."""
        return self.pending_bytes + self._kept_bytes

    @property
    def pending_bytes(self) -> int:
        """Bytes of rows not committed."""
        return self._pending_bytes + self._loose_bytes

    @property
    def pending_rows(self) -> int:
        """Rows not committed."""
        return self._loose_rows + sum(len(chunk.sequence) for chunk in self._pending)

    def add(self, sequence: int, batches: Sequence[SignalBatch]) -> None:
        """Take one log record; ``sequence`` must be above ``last``."""
        self.last = sequence
        for batch in batches:
            if not len(batch):
                continue
            if batch.kind not in self.kinds:
                self.kinds.append(batch.kind)
            self._loose.append((sequence, batch))
            self._loose_rows += len(batch)
            self._loose_bytes += batch.data.nbytes
        if len(self._loose) >= _GATHER_BATCHES or self._loose_rows >= _GATHER_ROWS:
            self.gather()

    def gather(self) -> None:
        """Make one chunk of the loose batches; frees the log messages they lie in."""
        if not self._loose:
            return
        chunk = Chunk(self._loose, self.kinds)
        self._pending.append(chunk)
        self._pending_bytes += chunk.bytes
        self._loose = []
        self._loose_rows = self._loose_bytes = 0

    def pending(self) -> list[Chunk]:
        """Chunks not committed, loose batches included, in log order."""
        self.gather()
        return list(self._pending)

    def chunks(self) -> list[Chunk]:
        """Every chunk, in log order."""
        self.gather()
        return [*self._kept, *self._pending]

    def committed(self, chunks: Sequence[Chunk], now_s: float) -> None:
        """``chunks``, the oldest pending ones, are in the tables: they may go after their grace."""
        self._pending = self._pending[len(chunks) :]
        for chunk in chunks:
            chunk.committed_s = now_s
            self._kept.append(chunk)
            self._pending_bytes -= chunk.bytes
            self._kept_bytes += chunk.bytes

    def shed(self, before_s: float, bytes_max: int) -> None:
        """Let committed chunks go that are older than ``before_s`` or above ``bytes_max`` in
        all."""
        while self._kept and (self._kept[0].committed_s < before_s or self.bytes > bytes_max):
            chunk = self._kept.popleft()
            self._kept_bytes -= chunk.bytes
            self.floor = max(self.floor, chunk.last)


def select(
    chunks: Sequence[Chunk],
    kinds: Sequence[str],
    tenant: int,
    span: Span,
    *,
    after: int,
    paths: Sequence[str] | None,
    catalogue: Catalogue,
) -> pa.Table:
    """A tenant's stored rows of ``span`` after a sequence; ``paths`` None means every signal.

    Safe in another thread: chunks never change.
    """
    wanted = None if paths is None else meta_and([*META.names, *paths])
    found = []
    for chunk in chunks:
        rows = chunk.find(tenant, span, after)
        if not len(rows):
            continue
        table = chunk.rows
        if wanted is not None:
            table = table.select([name for name in wanted if name in table.schema.names])
        table = with_values(table.take(pa.array(rows)))
        found.append(stored(table, chunk.kind[rows], kinds, catalogue))
    return join(found)
