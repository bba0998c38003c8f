"""Which rows of a batch a forwarder wants, decided for all rows at once.

In: batches of the log, of many tenants. Out: the rows and columns of one forwarder. Columns
that are null throughout are kept: each set of columns is a schema the log stores for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.apps.forwarding.rules import Rule, sender_of
from motorcade.signals.batch import META, SignalBatch
from motorcade.signals.catalogue import Catalogue
from motorcade.twin.predicate import Predicate, parse

__all__ = ["Chooser"]

_META: Final = META.names


class Chooser:
    """A rule, ready to be asked. ``vehicles`` are the numbers its VINs and labels mean now; None
    where it names none, an empty array where it names nobody."""

    def __init__(self, rule: Rule, tenant: int, catalogue: Catalogue) -> None:
        self.tenant = tenant
        self.names_vehicles = bool(rule.filter.vins or rule.filter.labels)
        self.vehicles: NDArray[np.uint64] | None = None
        self._kinds = frozenset(rule.records or sender_of(rule.kind).RECORDS)
        self._paths = [signal.path for signal in catalogue.select(rule.signals)]
        where = rule.filter.where.strip()
        self._predicate: Predicate | None = parse(where, catalogue) if where else None

    def choose(self, batch: SignalBatch, tenants: NDArray[np.uint32]) -> SignalBatch | None:
        """The rows wanted, with the signals wanted; None where there are none. ``tenants`` is the
        batch's own column. A report that has none of the signals is not wanted."""
        if batch.kind not in self._kinds:
            return None
        mask: NDArray[np.bool_] = tenants == self.tenant
        if self.names_vehicles and mask.any():
            mask &= np.isin(batch.numpy("vehicle"), self._numbers())
        if self._predicate is not None and batch.kind == "report" and mask.any():
            columns = _columns(batch, self._predicate.paths)
            mask &= self._predicate.mask(columns, len(batch))
        if self._paths and batch.kind == "report" and mask.any():
            mask &= _carrying(batch, self._paths)
        rows = np.flatnonzero(mask)
        if len(rows) == 0:
            return None
        narrowed = self._narrowed(batch)
        return narrowed if len(rows) == len(batch) else narrowed.take(rows)

    def _numbers(self) -> NDArray[np.uint64]:
        return np.zeros(0, np.uint64) if self.vehicles is None else self.vehicles

    def _narrowed(self, batch: SignalBatch) -> SignalBatch:
        if not self._paths:
            return batch
        present = set(batch.paths)
        kept = [path for path in self._paths if path in present]
        return SignalBatch(batch.kind, batch.data.select([*_META, *kept]))


def _columns(batch: SignalBatch, paths: frozenset[str]) -> dict[str, pa.Array]:
    present = set(batch.paths)
    return {path: batch.column(path) for path in paths if path in present}


def _carrying(batch: SignalBatch, paths: Sequence[str]) -> NDArray[np.bool_]:
    mask = np.zeros(len(batch), np.bool_)
    for path in _columns(batch, frozenset(paths)).values():
        mask |= pc.is_valid(path).to_numpy(zero_copy_only=False)
    return mask
