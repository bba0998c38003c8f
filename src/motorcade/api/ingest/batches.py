"""Rows to one batch of reports, and the rows that are none.

A record's identity is its row's content: vehicle, time and a hash of the signals, whatever the
order of columns or the format. So a body that is sent again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.api.ingest.bodies import Rows, Wrong
from motorcade.limits import API_INGEST_ERRORS_MAX
from motorcade.signals.batch import SignalBatch, concat
from motorcade.signals.catalogue import Catalogue

__all__ = ["Made", "batch_of", "records"]

_GOLDEN: Final = 0x9E3779B97F4A7C15
_64_BITS: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Made:
    """``batch`` of the rows that are whole; ``rejected`` counts all others, ``errors`` names the
    first of them."""

    batch: SignalBatch | None
    rejected: int
    errors: list[Wrong]


def batch_of(
    some: Sequence[Rows],
    numbers: Mapping[str, int],
    *,
    tenant: int,
    now_us: int,
    catalogue: Catalogue,
) -> Made:
    """The rows of the vehicles in ``numbers`` (VIN to number, of this tenant) as one batch."""
    batches: list[SignalBatch] = []
    wrong: list[Wrong] = []
    rejected = 0
    for rows in some:
        faults = {**_strangers(rows, numbers), **_empty(rows), **rows.faults}
        rejected += len(faults) + len(rows.lost)
        wrong += [*rows.lost, *faults.values()]
        keep = np.ones(len(rows), bool)
        keep[list(faults)] = False
        if keep.any():
            batches.append(_batch(rows, keep, numbers, tenant, now_us=now_us, catalogue=catalogue))
    wrong.sort(key=lambda one: one.line)
    joined = concat(batches)
    return Made(joined[0] if joined else None, rejected, wrong[:API_INGEST_ERRORS_MAX])


def records(signals: Mapping[str, pa.Array], n: int, catalogue: Catalogue) -> NDArray[np.uint64]:
    """A 64-bit hash of every row's signals: uint64 (n). It is stored, so it never changes.

    The sum over signals of a mix of the value's bits and the signal's number; a null adds nothing.
    """
    total = np.zeros(n, np.uint64)
    for path, column in signals.items():
        seed = np.uint64(catalogue[path].number * _GOLDEN & _64_BITS)
        there = column.is_valid().to_numpy(zero_copy_only=False)
        total += np.where(there, _mixed(_bits(column) + seed), np.uint64(0))
    return _mixed(total + np.uint64(_GOLDEN))


def _batch(
    rows: Rows,
    keep: NDArray[np.bool_],
    numbers: Mapping[str, int],
    tenant: int,
    *,
    now_us: int,
    catalogue: Catalogue,
) -> SignalBatch:
    signals = {path: rows.signals[path] for path in sorted(rows.signals)}
    meta = {
        "tenant": np.full(len(rows), tenant, np.uint32),
        "vehicle": np.array([numbers.get(vin, 0) for vin in rows.vins], np.uint64),
        "event_time": rows.times,
        "ingest_time": np.full(len(rows), now_us, np.int64),
        "record": records(signals, len(rows), catalogue),
        "reissued": rows.reissued,
    }
    batch = SignalBatch.build("report", meta, signals)
    return batch if keep.all() else batch.take(np.flatnonzero(keep))


def _strangers(rows: Rows, numbers: Mapping[str, int]) -> dict[int, Wrong]:
    """Rows of vehicles that are not the tenant's, in the same words whoever's they are."""
    return {
        row: Wrong(int(rows.lines[row]), vin, "unknown_vin", "There is no such vehicle.", "vin")
        for row, vin in enumerate(rows.vins)
        if vin not in numbers
    }


def _empty(rows: Rows) -> dict[int, Wrong]:
    there = np.zeros(len(rows), bool)
    for column in rows.signals.values():
        there |= column.is_valid().to_numpy(zero_copy_only=False)
    return {
        row: Wrong(int(rows.lines[row]), rows.vins[row], "empty", "The row reports no signal.")
        for row in np.flatnonzero(~there).tolist()
    }


def _bits(column: pa.Array) -> NDArray[np.uint64]:
    """Every value as 64 bits: numbers as they are, texts and lists by a hash."""
    kind = column.type
    if pa.types.is_floating(kind):
        # Zeros have one sign, so that -0.0 is 0.0.
        wide = column.cast(pa.float64()).fill_null(0).to_numpy(zero_copy_only=False) + 0.0
        seen: NDArray[np.uint64] = wide.view(np.uint64)
        return seen
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        plain = column.fill_null(False if pa.types.is_boolean(kind) else 0)
        whole: NDArray[np.uint64] = plain.to_numpy(zero_copy_only=False).astype(np.uint64)
        return whole
    return np.array([_hashed(value) for value in column.to_pylist()], np.uint64)


def _hashed(value: Any) -> int:
    if value is None:
        return 0
    digest = blake2b(msgspec.msgpack.encode(value), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finish."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
