"""Where and when a batch writes: rows, stamps, order, and what may be skipped.

Worked out once per batch, used by every column of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.limits import TWIN_FUTURE_S_MAX
from motorcade.signals.batch import SignalBatch
from motorcade.twin.layout import EPOCH_S, stamps_of

__all__ = ["Visit", "visit_of", "owners_differ", "handed_over"]


@dataclass(frozen=True, slots=True)
class Visit:
    """A batch's rows (n) in batch order, and its vehicles (m distinct ones)."""

    rows: NDArray[np.int64]
    """The twin row of each batch row (n)."""
    stamps: NDArray[np.uint32]
    """The stamp of a valid value of each batch row (n)."""
    order: NDArray[np.int64] | None
    """Batch rows by twin row, then second, then log order; None where no vehicle comes twice."""
    last: NDArray[np.int64] | None
    """Each vehicle's last batch row in ``order``; None where no vehicle comes twice."""
    touched: NDArray[np.int64]
    """The twin rows, each once (m)."""
    last_stamps: NDArray[np.uint32]
    """The stamp of each touched row's ``last`` (m)."""
    time: NDArray[np.int64]
    """Newest event time of each touched row in this batch (m), microseconds."""
    newest: NDArray[np.int64]
    """The same with what the twin had before (m)."""
    seen: NDArray[np.uint32]
    """Newest ingest time of each touched row (m), seconds since 2020."""
    tenant: NDArray[np.uint32]
    """Tenant of each touched row (m)."""
    late: bool
    """Whether any batch row is older, by the second, than what its vehicle has reported before."""
    two_owners: bool
    """Whether a vehicle comes with two tenants."""

    def pick(self, mask: NDArray[np.bool_] | None) -> NDArray[np.int64] | None:
        """The batch row whose value each vehicle ends with, among those in ``mask`` (None: all).

        None where that is every row, in batch order.
        """
        if mask is None:
            return self.last
        if self.order is None:
            return np.flatnonzero(mask)
        chosen = self.order[mask[self.order]]
        rows = self.rows[chosen]
        keep = np.ones(len(rows), np.bool_)
        np.not_equal(rows[1:], rows[:-1], out=keep[:-1])
        return chosen[keep]


def visit_of(batch: SignalBatch, rows: NDArray[np.int64], time: NDArray[np.int64]) -> Visit:
    """The visit of a batch to ``rows``, given the twin's newest event times by row."""
    ingest = _microseconds(batch, "ingest_time")
    event = _microseconds(batch, "event_time")
    event = np.minimum(event, ingest + TWIN_FUTURE_S_MAX * 1_000_000)
    seen = np.clip(ingest // 1_000_000 - EPOCH_S, 0, 2**32 - 1).astype(np.uint32)
    owner = batch.numpy("tenant")
    stamps = stamps_of(event)
    held = time[rows]
    late = bool((stamps < stamps_of(held)).any())
    order, first = _ordered(rows, stamps)
    if order is None or first is None:
        newest = np.maximum(held, event)
        return Visit(
            rows, stamps, None, None, rows, stamps, event, newest, seen, owner, late, False
        )
    starts = np.flatnonzero(first)
    last = order[np.append(starts[1:], len(rows)) - 1]
    owners = owner[order]
    of_batch = np.maximum.reduceat(event[order], starts)
    return Visit(
        rows,
        stamps,
        order,
        last,
        rows[last],
        stamps[last],
        of_batch,
        np.maximum(held[last], of_batch),
        np.maximum.reduceat(seen[order], starts),
        owner[last],
        late,
        bool(((owners[1:] != owners[:-1]) & ~first[1:]).any()),
    )


def owners_differ(visit: Visit, owner: NDArray[np.uint32], tenant: NDArray[np.uint32]) -> bool:
    """Whether a vehicle comes with another tenant than before, or with two in this batch."""
    held = tenant[visit.rows]
    return visit.two_owners or bool(((held != owner) & (held != 0)).any())


def handed_over(
    visit: Visit,
    owner: NDArray[np.uint32],
    time: NDArray[np.int64],
    tenant: NDArray[np.uint32],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Twin rows to wipe first, and the batch rows to keep.

    A vehicle belongs to the tenant of its newest record. What an earlier owner's vehicle said is
    not the new one's to see, and what it sends late is dropped.
    """
    touched, new = visit.touched, visit.tenant
    held = tenant[touched]
    newer = visit.time >= time[touched]
    rightful = np.where((held == 0) | newer, new, held)
    by_row = np.argsort(touched)
    place = by_row[np.searchsorted(touched[by_row], visit.rows)]
    kept = np.flatnonzero(owner == rightful[place])
    wiped: NDArray[np.int64] = touched[(held != 0) & (rightful != held)]
    return wiped, kept


def _ordered(
    rows: NDArray[np.int64], stamps: NDArray[np.uint32]
) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_] | None]:
    """``Visit.order``, and where in it each vehicle begins; None where no vehicle comes twice.

    Row and place in the batch share one integer, whose plain sort is several times faster than an
    argsort. It is the whole answer where each vehicle's records come in the order of their seconds.
    """
    order = np.arange(len(rows))
    by_row = rows
    if (rows[1:] < rows[:-1]).any():
        bits = len(rows).bit_length()
        packed = np.sort((rows << bits) | order)
        by_row = packed >> bits
        order = packed & ((1 << bits) - 1)
    first = np.ones(len(rows), np.bool_)
    np.not_equal(by_row[1:], by_row[:-1], out=first[1:])
    if first.all():
        return None, None
    seconds = stamps[order]
    if ((seconds[1:] < seconds[:-1]) & ~first[1:]).any():
        order = np.argsort((rows << np.int64(32)) | stamps, kind="stable")
    return order, first


def _microseconds(batch: SignalBatch, name: str) -> NDArray[np.int64]:
    values: NDArray[np.int64] = batch.column(name).view(pa.int64()).to_numpy()
    return values
