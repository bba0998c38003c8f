"""Batches into the log by partition, and which partitions did not take them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from motorcade.errors import MotorcadeError
from motorcade.gateway.shared import Shared
from motorcade.signals.batch import SignalBatch

__all__ = ["split", "store"]

_log = structlog.get_logger(__name__)
_WARN_EVERY_S: Final = 10.0


def split(batches: Sequence[SignalBatch], partitions: int) -> dict[int, list[SignalBatch]]:
    """The rows of each partition (``vehicle % partitions``), their order kept."""
    parts: dict[int, list[SignalBatch]] = {}
    for batch in batches:
        if not len(batch):
            continue
        part = (batch.numpy("vehicle") % np.uint64(partitions)).astype(np.int64)
        if (part == part[0]).all():
            parts.setdefault(int(part[0]), []).append(batch)
            continue
        order = np.argsort(part, kind="stable")
        part = part[order]
        ordered = batch.take(order)
        first = np.flatnonzero(np.diff(part, prepend=-1))
        last = np.append(first[1:], len(part))
        for start, stop in zip(first.tolist(), last.tolist(), strict=True):
            parts.setdefault(int(part[start]), []).append(ordered.slice(start, stop - start))
    return parts


async def store(shared: Shared, batches: Sequence[SignalBatch]) -> NDArray[np.uint64] | None:
    """Append every partition's rows; returns when all are on disk or given up.

    Returns the partitions that failed, None where all rows are stored. Never raises: what is not
    stored is not answered, and its vehicle sends it again.
    """
    metrics, clock = shared.metrics, shared.clock
    parts = split(batches, shared.log.partitions)
    began = clock.monotonic_s()
    if len(parts) == 1:
        ((partition, rows),) = parts.items()
        results = [await _append(shared, partition, rows)]
    else:
        results = await asyncio.gather(
            *(_append(shared, partition, rows) for partition, rows in parts.items())
        )
    metrics.append_s.observe(clock.monotonic_s() - began)
    failed = [partition for partition, stored in zip(parts, results, strict=True) if not stored]
    return np.array(failed, np.uint64) if failed else None


async def _append(shared: Shared, partition: int, batches: Sequence[SignalBatch]) -> bool:
    rows = sum(map(len, batches))
    try:
        await shared.log.append(partition, batches)
    except MotorcadeError as error:
        shared.metrics.unstored[error.code] += rows
        _warn(shared, error)
        return False
    except Exception:
        # A bug here or below costs these rows their answer, never the process its other peers.
        _log.exception("an append failed in an unforeseen way")
        shared.metrics.unstored["bug"] += rows
        return False
    shared.metrics.records += rows
    return True


def _warn(shared: Shared, error: MotorcadeError) -> None:
    """Say that nothing is stored, and why, at most every ``_WARN_EVERY_S`` seconds."""
    now_s = shared.clock.monotonic_s()
    if now_s - shared.metrics.warned_s >= _WARN_EVERY_S:
        shared.metrics.warned_s = now_s
        _log.warning("reports are not stored, so not answered", reason=error.detail)
