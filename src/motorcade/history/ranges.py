"""Vehicle ranges of about equal row counts, so that any amount of history is read in bounded
memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from motorcade.history.files import DataFile, FileCache, Span
from motorcade.history.table import Snapshot

__all__ = ["vehicle_ranges"]

_POINTS: Final = 8


def vehicle_ranges(
    snapshot: Snapshot, files: Sequence[DataFile], cache: FileCache, span: Span, rows_max: int
) -> list[tuple[int, int]]:
    """First and last vehicle of ranges that cover ``span``'s vehicles, about ``rows_max`` rows
    each.

    The rows of a row group are taken to lie evenly between its first and last vehicle.
    """
    points = [np.zeros(0)]
    weights = [np.zeros(0)]
    for file in files:
        bounds, rows = cache.marks(snapshot.folder / file.name)
        used = (bounds[:, 2] < span.to_us) & (bounds[:, 3] >= span.from_us)
        used &= (bounds[:, 0] <= span.last) & (bounds[:, 1] >= span.first)
        points.append(np.linspace(bounds[used, 0], bounds[used, 1], _POINTS).ravel())
        weights.append(np.tile(rows[used] / _POINTS, _POINTS))
    place = np.concatenate(points)
    order = np.argsort(place)
    total = np.cumsum(np.concatenate(weights)[order])
    if not len(total) or total[-1] <= rows_max:
        return [(span.first, span.last)]
    cuts = np.searchsorted(total, np.arange(rows_max, total[-1], rows_max))
    lasts = np.unique(place[order][cuts].astype(np.int64))
    lasts = lasts[(lasts >= span.first) & (lasts < span.last)]
    firsts = [span.first, *(lasts + 1).tolist()]
    return list(zip(firsts, [*lasts.tolist(), span.last], strict=True))
