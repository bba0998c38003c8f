"""Signals of compact reports: columns in the catalogue's units, and what was no value."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.signals.batch import Quality
from motorcade.signals.catalogue import Catalogue, Signal, load_catalogue
from motorcade.signals.units import Linear, linear
from motorcade.wire.compact.report import PARTS, Fault, Part, Reports

__all__ = ["SEQUENCE", "SOURCES", "catalogue", "signal", "signal_columns", "triples"]

SEQUENCE: Final = "Vehicle.Connectivity.ReportSequence"
"""Signal of a report's counter."""

SOURCES: Final = {**{part.path: part for part in PARTS}, SEQUENCE: None}
"""Every signal a report may hold, and its part."""


class _Target(NamedTuple):
    part: Part
    signal: Signal
    step: Linear
    codes: NDArray[np.uint8]
    """Of an enumeration: the catalogue's code of each raw number."""


@cache
def catalogue() -> Catalogue:
    """The packaged catalogue, read once."""
    return load_catalogue()


def signal(path: str) -> Signal:
    """The catalogue's signal at ``path``."""
    return catalogue()[path]


def signal_columns(reports: Reports) -> dict[str, pa.Array]:
    """Arrow columns (n) by path, of whatever some row reports as valid."""
    lost = reports.fault != Fault.NONE
    columns = {SEQUENCE: pa.array(reports.sequence.astype(np.uint16), mask=lost)}
    for place, target in enumerate(_targets()):
        valid = reports.quality[place] == Quality.VALID
        if valid.any():
            columns[target.signal.path] = _column(target, reports.raw[place], valid)
    return columns


def triples(reports: Reports) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.uint8]]:
    """Rows, signal numbers and qualities of all that is invalid or abnormal."""
    place, rows = np.nonzero(reports.quality >= Quality.INVALID)
    numbers = np.array([target.signal.number for target in _targets()], np.uint32)
    return rows, numbers[place], reports.quality[place, rows]


def _column(target: _Target, raw: NDArray[np.int64], valid: NDArray[np.bool_]) -> pa.Array:
    part, kind = target.part, target.signal.arrow_type
    if part.words:
        return pa.array(target.codes[np.where(valid, raw, 0)], kind, mask=~valid)
    values = np.where(valid, raw, 0) * part.times / part.per * target.step.factor
    values = values + target.step.offset
    if pa.types.is_integer(kind):
        values = np.rint(values).astype(np.int64)
    return pa.array(values, mask=~valid).cast(kind)


@cache
def _targets() -> tuple[_Target, ...]:
    return tuple(_target(part) for part in PARTS)


def _target(part: Part) -> _Target:
    found = signal(part.path)
    codes = [0, *(found.words.index(word) for word in part.words)]
    return _Target(part, found, linear(part.unit, found.unit), np.array(codes, np.uint8))
