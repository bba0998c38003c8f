"""Rows of a batch as the encoded events that stream subscribers are sent.

A tick of the gateway is a handful of rows, and Arrow's kernels cost some ten microseconds a call
however few rows they see: a column of few values is rendered value by value, with what was rendered
lately remembered; a long one by Arrow. Both say the same (``tests/api/test_events.py``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final

import msgspec
import pyarrow as pa

from motorcade import limits
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue, Signal
from motorcade.signals.text import iso_time, plain, plain_column, plain_float, shown, shown_column

__all__ = ["FEW", "events", "rendered"]

FEW: Final = 256
"""Values of a column up to which one after the other is faster (measured with 45 signals: at 4
rows 50 us an event against 340, at 512 rows 24 against 21)."""

_encode: Final = msgspec.json.Encoder().encode
# Pure functions of values that come again and again: remembering them is no state.
_short: Final = lru_cache(limits.API_FLOATS_CACHED_MAX)(plain_float)
_iso: Final = lru_cache(limits.API_TIMES_CACHED_MAX)(iso_time)


def events(
    batch: SignalBatch, paths: Sequence[str], vins: Mapping[int, str], catalogue: Catalogue
) -> list[bytes]:
    """Every row of a vehicle in ``vins`` (by number) as JSON ``{vin, event_time, kind, signals}``,
    with those of ``paths`` (columns of ``batch``) that are not null."""
    # All at once: a look-up by name costs more than what is then done with a few values.
    found = dict(zip(batch.data.schema.names, batch.data.columns, strict=True))
    columns = [rendered(catalogue.get(path), found[path]) for path in paths]
    numbers = batch.numpy("vehicle").tolist()
    moments = batch.numpy("event_time").tolist()
    rows = zip(*columns, strict=True) if columns else iter([()] * len(numbers))
    return [
        _encode(
            {
                "vin": vins[number],
                "event_time": _iso(moment),
                "kind": batch.kind,
                "signals": {
                    path: value for path, value in zip(paths, row, strict=True) if value is not None
                },
            }
        )
        for number, moment, row in zip(numbers, moments, rows, strict=True)
        if number in vins
    ]


def rendered(signal: Signal | None, column: pa.Array, few: int = FEW) -> list[Any]:
    """``shown_column``, or ``plain_column`` where the catalogue has no such signal; up to ``few``
    values one after the other."""
    if len(column) > few or (pa.types.is_list(column.type) and len(column.flatten()) > few):
        return plain_column(column) if signal is None else shown_column(signal, column)
    values: list[Any] = column.to_pylist()
    convert = _converter(signal, column.type)
    if convert is None:
        return values
    return [None if value is None else convert(value) for value in values]


def _converter(signal: Signal | None, kind: pa.DataType) -> Callable[[Any], Any] | None:
    """What makes one carried value one that people see; None where it is one already."""
    if kind == pa.float32():
        return _short
    if signal is not None and signal.is_enum and kind == pa.uint8():
        return partial(shown, signal)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return None
    if pa.types.is_list(kind):
        element = _converter(None, kind.value_type)
        return None if element is None else partial(_each, element)
    return plain


def _each(convert: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    return [None if value is None else convert(value) for value in values]
